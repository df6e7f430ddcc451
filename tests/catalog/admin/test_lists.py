"""Lists, forms and deletions in the back office: query counts and error messages."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.roles import ensure_roles
from catalog.models import Movie, PriceCard, Screen, SeatCategory, Show, Theatre
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    UserFactory,
    make_seats,
)


def make_show_on_a_screen() -> Show:
    screen = ScreenFactory()
    show = ShowFactory(theatre=screen.theatre)
    Show.objects.filter(pk=show.pk).update(screen=screen, occupied_until=show.end_time)
    make_seats(show, "SSPPWC")
    return show


MAKERS: dict[str, Callable[[], Any]] = {
    "movie": MovieFactory,
    "theatre": TheatreFactory,
    "screen": ScreenFactory,
    "pricecard": PriceCardFactory,
    "show": make_show_on_a_screen,
    "seat": make_show_on_a_screen,
}


def queries_for(office: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        answer = office.get(address)
    assert answer.status_code == HTTPStatus.OK
    return len(queries)


@pytest.mark.parametrize("model", MAKERS)
def test_query_count_of_a_list_does_not_grow_with_its_rows(model: str, office: Client) -> None:
    address = reverse(f"admin:catalog_{model}_changelist")
    for _ in range(2):
        MAKERS[model]()
    few = queries_for(office, address)
    for _ in range(20):
        MAKERS[model]()
    assert queries_for(office, address) == few <= 9


@pytest.mark.parametrize("model", MAKERS)
def test_query_count_of_a_form_does_not_grow_with_the_theatre(model: str, office: Client) -> None:
    MAKERS[model]()
    row = office.get(reverse(f"admin:catalog_{model}_changelist")).context["cl"].result_list[0]
    address = reverse(f"admin:catalog_{model}_change", args=[row.pk])
    office.get(address)  # fills Django's cache of content types
    small = queries_for(office, address)
    for make in MAKERS.values():
        for _ in range(5):
            make()
    assert queries_for(office, address) == small <= 15


def test_shows_are_searched_by_movie(office: Client) -> None:
    wanted = ShowFactory(movie__title="Vertigo")
    ShowFactory(movie__title="Rear Window")
    answer = office.get(reverse("admin:catalog_show_changelist"), {"q": "vertigo"})
    assert list(answer.context["cl"].result_list) == [wanted]


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("movie", MovieFactory),
        ("theatre", TheatreFactory),
        ("screen", ScreenFactory),
        ("price_card", PriceCardFactory),
    ],
)
def test_autocomplete_fields_find_their_choices(
    field: str, make: Callable[[], Any], office: Client
) -> None:
    wanted, _ = make(), make()
    asked = {"app_label": "catalog", "model_name": "show", "field_name": field}
    answer = office.get(
        reverse("admin:autocomplete"), asked | {"term": getattr(wanted, "title", "") or wanted.name}
    )
    assert answer.json()["results"][0] == {"id": str(wanted.pk), "text": str(wanted)}


def test_nul_characters_in_a_search_are_ignored(office: Client) -> None:
    wanted = MovieFactory(title="Vertigo")
    asked = {"app_label": "catalog", "model_name": "show", "field_name": "movie"}
    answer = office.get(reverse("admin:autocomplete"), asked | {"term": "Ver\0tigo"})
    assert [found["id"] for found in answer.json()["results"]] == [str(wanted.pk)]


@pytest.mark.parametrize("when", ["today", "week", "past", "all", ""])
@pytest.mark.parametrize("status", ["open", "cancelled"])
def test_every_filter_of_the_show_list_works(when: str, status: str, office: Client) -> None:
    ShowFactory()
    query = {"when": when, "status__exact": status}
    answer = office.get(reverse("admin:catalog_show_changelist"), query)
    assert answer.status_code == HTTPStatus.OK


def test_the_show_list_starts_with_upcoming_shows(office: Client) -> None:
    ahead = ShowFactory()
    over = ShowFactory(start_time=datetime(2020, 1, 1, 20, tzinfo=UTC), end_time=None)
    address = reverse("admin:catalog_show_changelist")
    assert list(office.get(address).context["cl"].result_list) == [ahead]
    assert list(office.get(address, {"when": "past"}).context["cl"].result_list) == [over]


def test_the_show_list_names_the_offset(office: Client) -> None:
    start = datetime(2020, 1, 1, 11, tzinfo=UTC)
    ShowFactory(theatre__timezone="Asia/Tokyo", start_time=start, end_time=None)
    page = office.get(reverse("admin:catalog_show_changelist"), {"when": "past"}).text
    assert "<b>Wed 01 Jan 2020</b><small>20:00 UTC+09:00</small>" in page


def test_the_seat_list_names_the_currency(office: Client) -> None:
    [seat] = make_seats(ShowFactory(theatre__currency="JPY"), "S")
    page = office.get(reverse("admin:catalog_seat_changelist")).text
    assert f"{seat.price:.0f} JPY" in page


def test_the_show_form_never_lists_seats(office: Client) -> None:
    show = ShowFactory()
    make_seats(show, *["S" * 40] * 25)
    page = office.get(reverse("admin:catalog_show_change", args=[show.pk])).content
    assert page.count(b"<option") < 20
    assert len(page) < 100_000


def test_an_usher_can_view_but_not_change(db: None, client: Client) -> None:
    ensure_roles()
    usher = UserFactory(is_staff=True)
    usher.groups.add(*usher.groups.model.objects.filter(name="Usher"))
    client.force_login(usher, backend="django.contrib.auth.backends.ModelBackend")
    show = make_show_on_a_screen()
    show.theatre.staff.add(usher)
    form = client.get(reverse("admin:catalog_show_change", args=[show.pk]))
    assert show.start_time.astimezone(show.theatre.zone).strftime("%H:%M") in form.text
    assert 'name="start' not in form.text
    room = reverse("admin:catalog_show_room", args=[show.pk])
    assert 'name="seat"' not in client.get(room).text
    seat = show.seats.get(row="A", number=1)
    refused = client.post(room, {"action": "block", "seat": [seat.pk], "reason": "Mine"})
    assert refused.status_code == HTTPStatus.FORBIDDEN
    plan = client.get(reverse("admin:catalog_show_seat_map", args=[show.pk]))
    assert plan.status_code == HTTPStatus.FORBIDDEN


def test_seats_can_be_changed_only_on_the_seat_map(office: Client) -> None:
    [seat] = make_seats(ShowFactory(), "S")
    assert office.get(reverse("admin:catalog_seat_add")).status_code == HTTPStatus.FORBIDDEN
    address = reverse("admin:catalog_seat_change", args=[seat.pk])
    assert office.post(address, {"price": "1.00"}).status_code == HTTPStatus.FORBIDDEN
    address = reverse("admin:catalog_seat_delete", args=[seat.pk])
    assert office.post(address, {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN


def test_a_new_price_card_offers_every_category_and_omits_those_without_a_price(
    office: Client,
) -> None:
    address = reverse("admin:catalog_pricecard_add")
    form = office.get(address).context["inline_admin_formsets"][0].formset
    assert [line.initial["category"] for line in form.forms] == SeatCategory.values
    data: dict[str, Any] = {"name": "Matinée", "lines-TOTAL_FORMS": 4, "lines-INITIAL_FORMS": 0}
    for index, category in enumerate(SeatCategory.values):
        data[f"lines-{index}-category"] = category
        data[f"lines-{index}-price"] = "9.50" if category == "standard" else ""
    office.post(address, data)
    [line] = PriceCard.objects.get(name="Matinée").lines.all()
    assert (line.category, str(line.price)) == ("standard", "9.50")


def test_a_price_card_refuses_two_prices_for_one_category(office: Client) -> None:
    data: dict[str, Any] = {"name": "Odd", "lines-TOTAL_FORMS": 2, "lines-INITIAL_FORMS": 0}
    for index in range(2):
        data |= {f"lines-{index}-category": "premium", f"lines-{index}-price": f"{index + 1}.00"}
    answer = office.post(reverse("admin:catalog_pricecard_add"), data)
    assert answer.status_code == HTTPStatus.OK
    assert not PriceCard.objects.exists()


@pytest.mark.parametrize("in_a_list", [False, True])
def test_a_movie_with_shows_cannot_be_deleted_and_the_page_says_why(
    in_a_list: bool, office: Client
) -> None:
    movie = ShowFactory().movie
    if in_a_list:
        address = reverse("admin:catalog_movie_changelist")
        answer = office.post(address, {"action": "delete_selected", "_selected_action": movie.pk})
    else:
        answer = office.post(reverse("admin:catalog_movie_delete", args=[movie.pk]), {"post": "y"})
    assert "still used by 1 show" in answer.text
    assert Movie.objects.filter(pk=movie.pk).exists()


def test_deleting_a_show_deletes_its_seats_and_shows_how_many(office: Client) -> None:
    show = ShowFactory()
    make_seats(show, *["S" * 20] * 10)
    address = reverse("admin:catalog_show_delete", args=[show.pk])
    asked = office.get(address)
    assert asked.context["model_count"].mapping["seats"] == 200  # type: ignore[union-attr]
    office.post(address, {"post": "yes"})
    assert not Show.objects.exists()


def test_deleting_several_theatres_from_the_list_is_logged(office: Client) -> None:
    theatres = [TheatreFactory().pk for _ in range(3)]
    data = {"action": "delete_selected", "_selected_action": theatres, "post": "yes"}
    office.post(reverse("admin:catalog_theatre_changelist"), data)
    assert not Theatre.objects.exists()
    assert set(AuditEntry.objects.values_list("action", "subject_id")) == {
        ("deleted", str(pk)) for pk in theatres
    }


@pytest.mark.parametrize("in_a_list", [False, True])
def test_a_deletion_that_loses_a_race_shows_a_message_and_is_not_logged(
    in_a_list: bool, office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses a deletion that the page considered possible."""
    theatre = TheatreFactory()

    def add_a_show_first(rows: Any) -> Any:
        ShowFactory(theatre=theatre)
        return [], {}, set(), []

    monkeypatch.setattr(
        "catalog.admin.theatres.TheatreAdmin.get_deleted_objects",
        lambda self, rows, request: add_a_show_first(rows),
    )
    if in_a_list:
        address = reverse("admin:catalog_theatre_changelist")
        data: dict[str, Any] = {"action": "delete_selected", "_selected_action": theatre.pk}
    else:
        address, data = reverse("admin:catalog_theatre_delete", args=[theatre.pk]), {}
    answer = office.post(address, data | {"post": "yes"}, follow=True)
    texts = [str(message) for message in answer.context["messages"]]
    assert any("Not deleted" in text for text in texts)
    assert Theatre.objects.filter(pk=theatre.pk).exists()
    assert not AuditEntry.objects.exists()


def test_a_change_that_loses_a_race_shows_a_message(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two users give two screens of a theatre the same name; the constraint decides."""
    taken = ScreenFactory(name="Blue")
    other = ScreenFactory(theatre=taken.theatre)
    monkeypatch.setattr("catalog.models.Screen.validate_constraints", lambda self, exclude: None)
    data = {"theatre": taken.theatre_id, "name": "Blue", "turnaround_minutes": 20, "layout": ""}
    answer = office.post(reverse("admin:catalog_screen_change", args=[other.pk]), data, follow=True)
    [text] = [str(message) for message in answer.context["messages"]]
    assert text.startswith("Not saved")


def test_an_unexpected_constraint_violation_is_not_reported_as_a_race(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = MovieFactory()
    monkeypatch.setattr("catalog.models.Movie.full_clean", lambda self, **options: None)
    monkeypatch.setattr("catalog.admin.movies.MovieAdmin.save_model", save_without_title)
    address = reverse("admin:catalog_movie_change", args=[movie.pk])
    with pytest.raises(IntegrityError):
        office.post(address, {"title": "New", "genres": ""})


def save_without_title(admin: Any, request: Any, movie: Movie, form: Any, change: bool) -> None:
    Movie.objects.filter(pk=movie.pk).update(title=None)


def test_an_invalid_layout_is_refused_with_line_and_column(office: Client) -> None:
    theatre = TheatreFactory()
    data = {"theatre": theatre.pk, "name": "1", "turnaround_minutes": 20, "layout": "A SS\nB SXS"}
    answer = office.post(reverse("admin:catalog_screen_add"), data)
    assert answer.text.count("Line 2, column 4") == 2  # in the preview and under the field


def test_layout_errors_count_lines_as_typed(office: Client) -> None:
    data = {"theatre": TheatreFactory().pk, "name": "2", "turnaround_minutes": 20}
    answer = office.post(reverse("admin:catalog_screen_add"), data | {"layout": "\n\n   A SXS"})
    assert "Line 3, column 7" in answer.context["adminform"].form.errors.as_text()
    assert answer.text.count("Line 3, column 7") == 2  # under the field and in the preview
    office.post(reverse("admin:catalog_screen_add"), data | {"layout": "\n\nA SS"})
    assert Screen.objects.get().layout.endswith("\n\nA SS")


def test_the_server_draws_a_stored_layout(office: Client) -> None:
    screen = ScreenFactory(layout="A SS\n\nB PPWC")
    page = office.get(reverse("admin:catalog_screen_change", args=[screen.pk])).text
    assert "6 seats" in page
    drawn, _, _ = page.partition("<template>")  # the template after it is the script's
    assert drawn.count('class="seat ') == 6
    assert "after-aisle" in drawn


def test_no_page_loads_anything_from_another_host(office: Client) -> None:
    page = office.get(reverse("admin:index")).text
    assert "https://" not in page.replace("https://www.w3.org", "")


def test_the_sidebar_lists_only_pages_the_role_may_view(db: None, client: Client) -> None:
    ensure_roles()
    clerk = UserFactory(is_staff=True)
    clerk.groups.add(*clerk.groups.model.objects.filter(name="Box office"))
    client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("admin:index")).text
    assert "Shows" in page
    assert "Failed logins" not in page
    assert User.objects.count() == 1
