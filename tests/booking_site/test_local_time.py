"""Local days come from the pinned time zone data, on every page and in every process."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.local_time import (
    A_DAY,
    calendar_day,
    clock,
    offset_of,
    offset_periods,
    zone_named,
    zone_names,
)
from catalog.admin.base import local
from catalog.models import Show, Theatre
from catalog.programme.days import business_day
from reports.queries import Dimension, report
from tests.factories import MovieFactory, ShowFactory, TheatreFactory

A_SECOND = timedelta(seconds=1)


def shows_around_midnights(first: date, days: int) -> list[Show]:
    """Save a theatre for each zone, with shows around the midnights near changes of its clocks."""
    movie = MovieFactory()
    theatres = Theatre.objects.bulk_create(
        Theatre(name=name, timezone=name) for name in sorted(zone_names())
    )
    shows = []
    for theatre in theatres:
        begin, _ = calendar_day(first, theatre.zone)
        near = {first, first + days * A_DAY}
        for period in offset_periods(theatre.zone, begin, begin + days * A_DAY):
            change = period.begin.astimezone(theatre.zone).date()
            near |= {change, change + A_DAY}
        for day in near:
            midnight = calendar_day(day, theatre.zone)[0]
            shows += [
                Show(movie=movie, theatre=theatre, start_time=midnight + minutes)
                for minutes in (-A_SECOND, timedelta(), timedelta(hours=6))
            ]
    return Show.objects.bulk_create(shows)


def test_a_day_of_every_zone_has_exactly_its_moments() -> None:
    first = date(2026, 1, 1)
    for name in zone_names():
        zone = zone_named(name)
        for before, day in pairwise(first + n * A_DAY for n in range(2 * 366)):
            begin, _ = calendar_day(day, zone)
            assert calendar_day(before, zone)[1] == begin
            assert begin.astimezone(zone).date() == day, (name, day)
            assert (begin - A_SECOND).astimezone(zone).date() == before, (name, day)


def test_the_offsets_of_every_zone_are_those_of_its_moments() -> None:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    for name in zone_names():
        zone = zone_named(name)
        periods = list(offset_periods(zone, begin, end))
        assert (periods[0].begin, periods[-1].end) == (begin, end)
        for period in periods:
            middle = period.begin + (period.end - period.begin) / 2
            for moment in (period.begin, middle, period.end - A_SECOND):
                assert moment.astimezone(zone).utcoffset() == period.offset, (name, moment)
        for before, after in pairwise(periods):
            assert before.end == after.begin
            assert before.offset != after.offset


@pytest.mark.django_db
def test_a_show_is_listed_on_its_local_day_in_every_zone() -> None:
    shows = shows_around_midnights(date(2026, 1, 1), 2 * 365)
    local_days = {show.pk: show.start_time.astimezone(show.theatre.zone).date() for show in shows}
    for day in set(local_days.values()):
        listed = set(Show.objects.on_local_day(day).values_list("pk", flat=True))
        assert listed == {pk for pk, local_day in local_days.items() if local_day == day}, day


@pytest.mark.django_db
def test_a_show_counts_on_its_business_day_in_every_zone() -> None:
    last = datetime.now(UTC).date() - A_DAY
    first = last - 2 * 365 * A_DAY
    shows = shows_around_midnights(first, 2 * 365 - 2)
    days = Counter(business_day(show.start_time, show.theatre.zone) for show in shows)
    found = report(dimension=Dimension.DAY, theatres=Theatre.objects.all(), first=first, last=last)
    counted = {line.label: line.figures.shows for line in found.lines}
    assert counted == {f"{day}": n for day, n in days.items() if first <= day <= last}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["localtime", "Nowhere/Atlantis", "../etc/passwd", "", "EST5EDT4"])
def test_a_stored_zone_that_is_unknown_reads_as_utc(api: APIClient, name: str) -> None:
    show = ShowFactory(start_time=datetime(2031, 5, 5, 23, 30, tzinfo=UTC))
    Theatre.objects.update(timezone=name)
    for address in ("/api/shows?date=2031-05-05", "/api/movies?date=2031-05-05"):
        response = api.get(address)
        assert response.status_code == 200
        assert len(response.json()) == 1
    facts = api.get(f"/api/shows/{show.pk}").json()
    assert facts["local_start_time"] == "2031-05-05T23:30:00+00:00"
    assert facts["timezone"] == "UTC"  # browsers would not know the other name either


@pytest.mark.django_db
def test_pages_of_the_back_office_work_with_a_stored_zone_that_is_unknown(client: Client) -> None:
    show = ShowFactory(theatre__timezone="localtime")
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    for page in ("", "reports/", "catalog/show/", "catalog/show/?when=today", "box-office/"):
        assert client.get(f"/admin/{page}").status_code == 200, page
    week = client.get(f"/admin/catalog/show/week/?theatre={show.theatre_id}")
    assert week.status_code == 200


@pytest.mark.django_db
def test_only_zones_of_the_pinned_data_are_offered(client: Client) -> None:
    pinned = resources.files("tzdata").joinpath("zones").read_text().split()
    assert zone_names() == set(pinned) - {"Factory", "localtime", "posixrules"}
    theatre = TheatreFactory()
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    page = client.get(f"/admin/catalog/theatre/{theatre.pk}/change/")
    form = page.context["adminform"].form
    offered = [name for _, group in form.fields["timezone"].choices for name, _ in group]
    assert sorted(offered) == ["", *sorted(zone_names())]


@pytest.mark.django_db
@pytest.mark.parametrize("stored", [None, "localtime"])
def test_a_zone_that_nobody_chose_is_not_saved(client: Client, stored: str | None) -> None:
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    address = "/admin/catalog/theatre/add/"
    if stored:
        theatre = TheatreFactory(timezone=stored)
        address = f"/admin/catalog/theatre/{theatre.pk}/change/"
    form = client.get(address).context["adminform"].form
    [(first_option, _), *_] = form.fields["timezone"].choices[0][1]
    assert first_option == ""  # which a browser sends, as no option is selected
    assert form["timezone"].value() == stored
    data = {"name": "Rex", "timezone": "", "currency": "EUR", "language": "en", "gap_rule": "off"}
    answer = client.post(address, data)
    assert "timezone" in answer.context["adminform"].form.errors


FALL_BACK = datetime(2031, 10, 26, 0, 30, tzinfo=UTC)  # 02:30 in Vienna, an hour before it recurs


def test_a_local_time_that_occurs_twice_has_its_offset() -> None:
    vienna = zone_named("Europe/Vienna")
    hours = [timedelta(hours=n) for n in (-1, 0, 1, 2)]
    assert [clock(FALL_BACK + hour, vienna) for hour in hours] == [
        "01:30",
        "02:30 UTC+02:00",
        "02:30 UTC+01:00",
        "03:30",
    ]


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("America/Vancouver", "UTC\N{MINUS SIGN}07:00"),
        ("Asia/Kolkata", "UTC+05:30"),
        ("Europe/London", "UTC"),
    ],
)
def test_times_have_an_offset_instead_of_an_abbreviation(name: str, offset: str) -> None:
    winter = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert offset_of(winter.astimezone(zone_named(name))) == offset
    assert local(winter, zone_named(name)).endswith(offset)


@pytest.mark.django_db
def test_two_shows_at_a_time_that_occurs_twice_differ_on_every_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: FALL_BACK)
    theatre = TheatreFactory(timezone="Europe/Vienna")
    starts = (FALL_BACK, FALL_BACK + timedelta(hours=1))
    shows = [ShowFactory(theatre=theatre, start_time=start, movie__title="A") for start in starts]
    assert len({str(show) for show in shows}) == 2
    client.force_login(User.objects.create_superuser(email="boss@example.com", name="Boss"))
    for page in (
        "",
        f"box-office/?theatre={theatre.pk}&day=2031-10-25",
        f"catalog/show/week/?theatre={theatre.pk}&week=2031-10-20",
        "catalog/show/?when=all",
    ):
        text = client.get(f"/admin/{page}").text
        for offset in ("02:30 UTC+02:00", "02:30 UTC+01:00"):
            assert offset in text, page


SHOW_OFFSET = (
    "from zoneinfo import ZoneInfo; from datetime import datetime; import sys;"
    "sys.stdout.write(str(datetime(2026, 12, 1, tzinfo=ZoneInfo('America/Vancouver')).utcoffset()))"
)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(["-c", f"import booking_site.wsgi; {SHOW_OFFSET}"], id="web"),
        pytest.param(["manage.py", "shell", "--verbosity=0", "-c", SHOW_OFFSET], id="command"),
        pytest.param(
            ["-c", f"import runpy; runpy.run_path('gunicorn.conf.py'); {SHOW_OFFSET}"],
            id="gunicorn",
        ),
    ],
)
def test_the_pinned_data_are_read_before_those_of_the_system(
    start: list[str], tmp_path: Path
) -> None:
    stale = tmp_path / "America" / "Vancouver"
    stale.parent.mkdir()
    stale.write_bytes(resources.files("tzdata").joinpath("zoneinfo/Asia/Tokyo").read_bytes())
    environment = os.environ | {"PYTHONTZPATH": str(tmp_path)}
    answer = subprocess.check_output([sys.executable, *start], env=environment, text=True)
    assert answer == "-1 day, 17:00:00"  # UTC-07:00 all year, since 2026
