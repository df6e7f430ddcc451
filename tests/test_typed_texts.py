"""`clean_text` validates every text that a person types, wherever it is entered."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.typed_text import TypedText, clean_text
from bookings.models import Booking
from catalog.models import Movie
from tests.catalog.test_exchange import (
    MOVIE_COLUMNS,
    as_csv,
    confirm,
    movie_row,
    row_errors,
    upload,
)
from tests.factories import MovieFactory, ShowFactory, make_seats

INVISIBLE = "\u3164"
REVERSED = "Top \u202enuG"
# Texts that nobody else reads, or that have a stricter check.
OTHER_TEXTS = {
    "ConfirmForm.content",
    "ConfirmForm.expected",
    "LoginForm.password",
    "NewPasswordForm.password1",
    "NewPasswordForm.password2",
    "OwnPasswordForm.new_password1",
    "OwnPasswordForm.new_password2",
    "OwnPasswordForm.old_password",
    "PasswordForm.password",
    "ScreenForm.layout",
    "Search.q",
    "TheatreForm.currency",
    "UserForm.password1",
    "UserForm.password2",
}


def forms_of_the_site(staff: User) -> Iterator[type[forms.BaseForm]]:
    """Yield the forms of our modules, and those that the back office makes of models."""
    assert get_resolver().url_patterns  # importing them imports the forms of all pages
    ours = {config.name for config in apps.get_app_configs() if "site-packages" not in config.path}
    todo: list[type[forms.BaseForm]] = [forms.BaseForm]
    while todo:
        form = todo.pop()
        todo += form.__subclasses__()
        if form.__module__.partition(".")[0] in ours:
            yield form
    request = RequestFactory().get("/")
    request.user = staff
    for pages in admin.site._registry.values():
        if pages.has_add_permission(request):
            yield pages.get_form(request)
        for inline in pages.get_inline_instances(request):
            yield inline.get_formset(request).form


def test_every_text_field_is_validated(staff: User) -> None:
    unjudged = set()
    for form in forms_of_the_site(staff):
        model = getattr(getattr(form, "_meta", None), "model", None)
        columns = {field.name: field for field in model._meta.fields} if model else {}
        unjudged |= {
            f"{form.__name__}.{name}"
            for name, field in form.base_fields.items()  # type: ignore[attr-defined]
            if type(field) in (forms.CharField, forms.URLField)
            and not isinstance(columns.get(name), TypedText)
            and clean_text not in getattr(columns.get(name), "validators", ())
        }
    assert unjudged == OTHER_TEXTS


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", INVISIBLE),
        ("title", REVERSED),
        ("title", "Two\u2028lines"),
        ("description", REVERSED),
        ("genres", f"Drama,{REVERSED}"),
        ("poster_url", "https://example.com/\u202egnp"),
    ],
)
def test_the_form_of_a_movie_refuses_invisible_characters(
    field: str, text: str, office: Client
) -> None:
    form = {"title": "Top Gun", "description": "One\r\ntwo", "genres": "Drama", field: text}
    answer = office.post(reverse("admin:catalog_movie_add"), form)
    assert answer.status_code == HTTPStatus.OK
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not Movie.objects.exists()


def test_a_title_is_stored_composed(office: Client) -> None:
    office.post(reverse("admin:catalog_movie_add"), {"title": "Ame\u0301lie"})
    assert Movie.objects.get().title == "Am\u00e9lie"


@pytest.mark.parametrize("column", ["title", "genres"])
def test_an_import_refuses_invisible_characters(column: str, office: Client) -> None:
    row = movie_row(**{"title": "Top Gun", column: REVERSED})
    answer = upload(office, "movie", as_csv(MOVIE_COLUMNS, row))
    assert [error[:2] for error in row_errors(answer)] == [(2, column)]


def test_an_imported_title_finds_its_movie_in_any_form(office: Client) -> None:
    movie = MovieFactory(title="Am\u00e9lie")
    row = movie_row(title="Ame\u0301lie", description="Paris.")
    confirm(office, "movie", upload(office, "movie", as_csv(MOVIE_COLUMNS, row)))
    assert list(Movie.objects.values_list("pk", "description")) == [(movie.pk, "Paris.")]


def test_a_role_has_a_visible_name(office: Client) -> None:
    answer = office.post(reverse("admin:auth_group_add"), {"name": INVISIBLE})
    assert list(answer.context["adminform"].form.errors) == ["name"]
    assert not Group.objects.filter(name=INVISIBLE).exists()


def test_the_box_office_refuses_an_invisible_customer(office: Client) -> None:
    show = ShowFactory()
    (seat,) = make_seats(show, "S")
    form: dict[str, Any] = {"token": "0" * 32, "seat": [seat.pk], "customer_name": INVISIBLE}
    answer = office.post(reverse("box-office-sell", args=[show.pk]), form)
    assert list(answer.context["form"].errors) == ["customer_name"]
    assert not Booking.objects.exists()


LINK = "See https://prize.example"


def test_a_customer_cannot_be_renamed_to_a_link(customer: APIClient, user: User) -> None:
    answer = customer.patch("/api/auth/me", {"name": LINK}, format="json")
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert list(answer.json()["errors"]) == ["name"]


def test_the_back_office_refuses_a_link_as_the_name_of_a_user(office: Client, user: User) -> None:
    for page in (
        reverse("admin:accounts_user_add"),
        reverse("admin:accounts_user_change", args=[user.pk]),
    ):
        answer = office.post(page, {"name": LINK})
        assert "name" in answer.context["adminform"].form.errors
    assert not User.objects.filter(name=LINK).exists()


def test_the_box_office_refuses_a_link_as_the_name_of_a_customer(office: Client) -> None:
    show = ShowFactory()
    (seat,) = make_seats(show, "S")
    form: dict[str, Any] = {"token": "0" * 32, "seat": [seat.pk], "customer_name": LINK}
    page = reverse("box-office-sell", args=[show.pk])
    answer = office.post(page, form)
    assert list(answer.context["form"].errors) == ["customer_name"]
    assert not Booking.objects.exists()
    office.post(page, form | {"customer_name": "Lena"})
    order = Booking.objects.get().order
    assert order is not None
    page = reverse("box-office-customer", args=[order.reference])
    assert office.post(page, {"customer_name": LINK}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    order.refresh_from_db()
    assert order.customer_name == "Lena"


def test_createsuperuser_refuses_a_link_as_the_name(db: None) -> None:
    with pytest.raises((CommandError, ValidationError)):
        call_command("createsuperuser", email="a@example.com", name=LINK, interactive=False)
    assert not User.objects.exists()
