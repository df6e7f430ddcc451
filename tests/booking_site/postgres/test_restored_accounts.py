"""After a restore, ids are given out again: nothing of a lost account opens the next one's.

The servers see the same Redis as before, as they do if somebody restores without our command.
"""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from accounts.links import confirmation_tokens, reset_tokens
from accounts.models import User
from accounts.tokens import AccessToken, issue_tokens
from booking_site.embedded.directories import temporary_directory
from booking_site.embedded.postgres import programs
from catalog.models import Seat
from tests.booking_site.postgres.test_backups import Manage, elsewhere, manage  # noqa: F401
from tests.bookings.calls import book_seats
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.web import Answer, RawConnection, database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "four lions at the gate"


class Site:
    """Requests to a server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(
        self, method: str, path: str, body: Any = None, token: str = "", **headers: str
    ) -> Answer:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        with closing(RawConnection(self._port)) as raw:
            text = None if body is None else json.dumps(body).encode()
            return raw.call(method, path, headers=headers, body=text)

    def book(self, seat: Seat, *, token: str, key: str) -> Answer:
        body = {"show_id": seat.show_id, "seat_id": seat.pk}
        return self.call("POST", "/api/bookings", body, token, **{"Idempotency-Key": key})


def by_command(manage: Manage, dump: Path, url: str) -> None:  # noqa: F811
    done = manage("restore", str(dump), DATABASE_URL=url)
    assert done.returncode == 0, done.stderr


def by_pg_restore(manage: Manage, dump: Path, url: str) -> None:  # noqa: F811
    with temporary_directory() as directory:
        program = programs(directory) / "pg_restore"
        subprocess.run([program, "--no-owner", f"--dbname={url}", str(dump)], check=True)


@pytest.mark.parametrize("restore", [by_command, by_pg_restore])
def test_nothing_of_a_lost_account_opens_the_account_that_gets_its_id(
    restore: Callable[[Manage, Path, str], None],
    manage: Manage,  # noqa: F811
    elsewhere: dict[str, str],  # noqa: F811
    login: Callable[[User], APIClient],
    tmp_path: Path,
) -> None:
    seats = make_seats(ShowFactory(), "SSSS")
    survivor = UserFactory()
    survivors_token = issue_tokens(survivor).access
    dump = tmp_path / "cinema.dump"
    done = manage("backup", str(dump), DATABASE_URL=database_url())
    assert done.returncode == 0, done.stderr

    lost = UserFactory(password=PASSWORD, is_staff=True, is_superuser=True)
    tokens = issue_tokens(lost)
    of_older_release = AccessToken.for_caller(user_id=lost.pk, token_version=lost.token_version)
    browser = Client()
    browser.force_login(lost, backend="django.contrib.auth.backends.ModelBackend")
    session = browser.cookies[settings.SESSION_COOKIE_NAME].OutputString()
    assert book_seats(login(lost), seats[0], key="lost").status_code == 201
    assert book_seats(login(survivor), seats[1], key="survivor").status_code == 201

    restore(manage, dump, elsewhere["DATABASE_URL"])
    environment = {"DATABASE_URL": elsewhere["DATABASE_URL"], "REDIS_URL": os.environ["REDIS_URL"]}
    with web_server(tmp_path / "server.log", **environment) as server:
        site = Site(server.port)
        account = {"name": "Next", "email": "next@example.com", "password": PASSWORD}
        successor = json.loads(site.call("POST", "/api/auth/register", account).body)
        assert successor["id"] == lost.pk
        with psycopg.connect(elsewhere["DATABASE_URL"]) as database:
            database.execute("UPDATE users SET is_staff = true, is_superuser = true")

        for token in (tokens.access, str(of_older_release)):
            for method, path in (("GET", "/api/auth/me"), ("GET", "/api/bookings")):
                answer = site.call(method, path, token=token)
                assert (answer.status, json.loads(answer.body)["code"]) == (401, "token_revoked")
            assert site.book(seats[2], token=token, key="x").status == 401
        answer = site.call("POST", "/api/auth/refresh", {"refresh": tokens.refresh})
        assert (answer.status, json.loads(answer.body)["code"]) == (401, "token_revoked")
        link = {"uid": str(lost.pk), "token": confirmation_tokens.make_token(lost)}
        assert site.call("POST", "/api/auth/email/confirm", link).status == 400
        reset = {"uid": str(lost.pk), "reset_token": reset_tokens.make_token(lost)}
        reset |= {"new_password": "seven seals in the bay"}
        assert site.call("POST", "/api/auth/password/reset/confirm", reset).status == 400
        assert site.call("GET", "/admin/", Cookie=session).status == 302

        for token, key, seat in (
            (successor["token"], "lost", seats[3]),
            (survivors_token, "survivor", seats[1]),
        ):
            bought = site.book(seat, token=token, key=key)
            assert (bought.status, bought.headers["Idempotency-Replayed"]) == (201, None)
            assert json.loads(bought.body)["booking"]["seat_id"] == seat.pk
            assert site.book(seat, token=token, key=key).body == bought.body
