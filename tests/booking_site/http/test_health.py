"""The root page, and the probes for liveness and readiness."""

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from rest_framework.test import APIClient

from booking_site.postgres.migrated import MIGRATED
from tests.web import RawConnection, database_url, web_server

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_the_root_page_names_the_service_and_links_to_its_parts(api: APIClient) -> None:
    answer = api.get("/").json()
    assert answer["name"] == "Movie Booking API"
    page = api.get("/", HTTP_ACCEPT=BROWSER).content.decode()
    for address in answer["links"].values():
        if address not in ("/livez", "/api/movies"):
            assert f'href="{address}"' in page
    assert "://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.django_db
def test_probes_answer_for_any_host_over_plain_http(
    api: APIClient, path: str, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = api.get(path, HTTP_HOST="10.0.0.7:8000")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"


def test_liveness_needs_no_database(api: APIClient) -> None:
    # Without the django_db mark any query is an error here.
    assert api.get("/livez").json() == {"status": "alive"}


@pytest.mark.django_db
def test_readiness_reports_both_servers(api: APIClient) -> None:
    assert api.get("/readyz").json() == {
        **{"status": "ready", "postgresql": "ok", "redis": "ok", "static_files": "ok"},
    }


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready_and_an_applied_one_is_remembered(
    api: APIClient,
) -> None:
    MIGRATED.clear()
    applied = MigrationRecorder(connection).migration_qs.filter(app="bookings")
    removed = list(applied)
    applied.delete()
    response = api.get("/readyz")
    assert response.status_code == 503
    assert (response.json()["code"], response.json()["postgresql"]) == ("not_ready", "unmigrated")
    MigrationRecorder(connection).migration_qs.bulk_create(removed)
    assert api.get("/readyz").status_code == 200
    applied.delete()
    assert api.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_without_redis_the_service_is_ready_and_without_postgresql_it_lives(
    tmp_path: Path,
) -> None:
    nobody = "127.0.0.1:1"
    with web_server(
        tmp_path / "redis", DATABASE_URL=database_url(), REDIS_URL=f"redis://{nobody}/0"
    ) as server:
        raw = RawConnection(server.port)
        ready = raw.call("GET", "/readyz")
        raw.close()
    assert (ready.status, b'"unreachable"' in ready.body) == (200, True)
    with web_server(
        tmp_path / "postgresql",
        DATABASE_URL=f"postgres://x:x@{nobody}/x",
        DATABASE_POOL_TIMEOUT_SECONDS="0.2",
    ) as server:
        raw = RawConnection(server.port)
        assert raw.call("GET", "/livez").status == 200
        unready = raw.call("GET", "/readyz")
        assert (unready.status, b'"not_ready"' in unready.body) == (503, True)
        origin = {"Origin": settings.CORS_ALLOWED_ORIGINS[0]}
        busy = raw.call("GET", "/api/movies", headers=origin)
        assert (busy.status, b'"busy"' in busy.body) == (503, True)
        assert busy.headers["Retry-After"]
        assert busy.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        raw.close()


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_serves_reads_but_is_not_ready(tmp_path: Path) -> None:
    standby = f"{database_url()}?options=-c%20default_transaction_read_only%3Don"
    with (
        web_server(tmp_path / "log", DATABASE_URL=standby) as server,
        closing(RawConnection(server.port)) as raw,
    ):
        unready = raw.call("GET", "/readyz")
        assert (unready.status, json.loads(unready.body)["postgresql"]) == (503, "read_only")
        assert raw.call("GET", "/api/movies").status == 200
        body = json.dumps({"name": "A", "email": "a@cinema.example", "password": "seven seals"})
        json_body = {"Content-Type": "application/json"}
        refused = raw.call("POST", "/api/auth/register", headers=json_body, body=body.encode())
        assert (refused.status, json.loads(refused.body)["code"]) == (503, "busy")


@pytest.mark.django_db(transaction=True)
def test_the_log_names_a_role_without_rights(tmp_path: Path) -> None:
    role = f"visitor_{os.getpid()}"
    url = urlsplit(database_url())
    host = url.netloc.rpartition("@")[2]
    with psycopg.connect(database_url(), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'visitor'")
        try:
            visitor = urlunsplit(url._replace(netloc=f"{role}:visitor@{host}"))
            with (
                web_server(tmp_path / "log", DATABASE_URL=visitor) as server,
                closing(RawConnection(server.port)) as raw,
            ):
                unready = raw.call("GET", "/readyz")
        finally:
            owner.execute(f"DROP ROLE {role}")
    assert (unready.status, json.loads(unready.body)["postgresql"]) == (503, "refused")
    log = (tmp_path / "log").read_text()
    assert f"the role {role}: permission denied for table django_migrations" in log
