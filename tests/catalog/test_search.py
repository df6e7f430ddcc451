# ruff: noqa: RUF001 - the apostrophes and hyphens that people type
"""Searches ignore case, accents, apostrophes and hyphens, and match the beginnings of words."""

from http import HTTPStatus

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import AuditEntry, User
from booking_site.postgres.words import words_beginning_with
from bookings.models import CUSTOMER_WORDS, OF_BOX_OFFICE, Channel, Order
from catalog.models import Movie, PriceCard, Screen, Show, Theatre
from tests.factories import MovieFactory, ShowFactory, TheatreFactory, UserFactory, planned_show

pytestmark = pytest.mark.django_db

FOUND = [
    ("The Understudy’s Return", "understudy's"),
    ("The Understudy's Return", "Understudy’s"),
    ("The Understudy’s Return", "understudys"),
    ("The Understudy’s Return", "understudy ret"),
    ("Amélie", "amelie"),
    ("Ame\u0301lie", "amélie"),
    ("AMÉLIE", "amélie"),
    ("Zoë", "Zoe"),
    ("Zoe", "zoë"),
    ("O’Connor", "oconnor"),
    ("O'Connor", "O’Connor"),
    ("O´Connor", "O'Connor"),
    ("O’Connor", "connor"),
    ("OConnor", "o'connor"),
    ("Spider-Man", "spider man"),
    ("Spider-Man", "spiderman"),
    ("Spider Man", "spider-man"),
    ("Spider\u2011Man", "spider-man"),
    ("Łódź", "lodz"),
    ("Straße", "STRASSE"),
    ("Œuvre", "oeuvre"),
    ("Ægir", "aegir"),
    ("Smørrebrød", "smorrebrod"),
    ("Müller–Lyer", "muller-lyer"),
    ("Mr.Nobody", "nobody"),
    ("Film/Noir", "noir"),
    ("WALL·E", "wall-e"),
    ("Love♥Story 🦁", "story 🦁"),
    ("The 100% Lighthouse", "100%"),
    ("ВОЙНА", "война"),
    ("ΨΥΧΉΣ", "Ψυχής"),
    ("İstanbul Işığı", "istanbul isigi"),
    ("Đường Hà Nội", "duong ha noi"),
    ("Þór Ħal", "thor hal"),
    ("기생충", "기생"),
    ("हिन्दी फ़िल्म", "हिन्द"),
    ("مَرْحَبًا", "مرحبا"),
    ("שָׁלוֹם", "שלום"),
    ("می\u200cخواهم", "میخواهم"),
    ("می\u200cخواهم", "خواهم"),
    ("千と千尋の神隠し", "千と"),
    ("千と千尋の神隠し", "神隠し"),
    ("ガンダム", "ｶﾞﾝ"),
    ("ที่รักของฉัน", "รักของ"),
    ("Left & (Right) !", "left right"),
]
NOT_FOUND = [
    ("Amélie", "melie"),
    ("Amélie", "amelie 2"),
    ("Spider-Man", "spider boy"),
    ("The Man and the Spider", "spider-man"),
    ("千と千尋の神隠し", "隠神"),
    ("かがく", "かか"),
    ("Amélie", "'"),
    ("Amélie", "& | ! ( ) : * \\ < >"),
    ("Amélie", "%"),
    ("Amélie", "am_lie"),
    ("Amélie", "a:*|b"),
]


@pytest.mark.parametrize(("title", "typed"), FOUND)
def test_a_movie_is_found_by_words_as_people_type_them(
    api: APIClient, title: str, typed: str
) -> None:
    MovieFactory(title="Casablanca", description="")
    by_title = MovieFactory(title=title, description="")
    by_description = MovieFactory(title="Other", description=title)
    found = api.get("/api/movies", {"search": typed}).json()
    assert {movie["id"] for movie in found} == {by_title.pk, by_description.pk}


@pytest.mark.parametrize(("title", "typed"), NOT_FOUND)
def test_every_word_typed_begins_a_word(api: APIClient, title: str, typed: str) -> None:
    MovieFactory(title=title, description="")
    assert api.get("/api/movies", {"search": typed}).json() == []


LETTERS = st.characters(categories=["L", "N"])


@given(word=st.text(LETTERS, min_size=1, max_size=8), other=st.text(max_size=20))
def test_every_text_is_found_by_itself_and_by_its_first_word(word: str, other: str) -> None:
    text = f"{word} {other}".replace("\0", "")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT folded_words(%(text)s) @@ words_beginning_with(%(text)s),"
            " folded_words(%(text)s) @@ words_beginning_with(%(word)s)",
            {"text": text, "word": word},
        )
        assert cursor.fetchone() == (True, True)


@pytest.mark.parametrize("part", ["a ", "a-", "a'b ", "千", "\\ ", "x"])
def test_a_long_search_reads_its_beginning(office: Client, part: str) -> None:
    page = office.get(reverse("admin:catalog_movie_changelist"), {"q": part * 20_000})
    assert page.status_code == HTTPStatus.OK


def test_words_of_title_and_description_count_together_in_any_order(api: APIClient) -> None:
    movie = MovieFactory(title="Amélie", description="Set in Montmartre.")
    for typed in ("montmartre amelie", "set ame mont", "MONTMARTRE in set"):
        found = api.get("/api/movies", {"search": typed}).json()
        assert [each["id"] for each in found] == [movie.pk], typed


def test_a_movie_that_plain_sql_wrote_is_found(api: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO movies (title, description) VALUES ('Élite', '')")
        cursor.execute("UPDATE movies SET title = 'Amélie'")
    assert len(api.get("/api/movies", {"search": "amelie"}).json()) == 1
    assert api.get("/api/movies", {"search": "elite"}).json() == []


def test_a_long_description_is_stored_and_found_by_its_beginning(api: APIClient) -> None:
    words = " ".join(f"mot{number}é" for number in range(200_000))
    MovieFactory(description=words)
    assert len(api.get("/api/movies", {"search": "mot17e"}).json()) == 1


def test_a_search_reads_the_index(api: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO movies (title) SELECT 'Film ' || n FROM generate_series(1, 5000) AS n"
        )
        cursor.execute("ANALYZE movies")
    found = Movie.objects.filter(words=words_beginning_with("film 4711"))
    assert "movie_by_words" in found.explain()


@pytest.mark.django_db(transaction=True)  # a rollback would leave a large table
def test_a_search_of_walk_in_customers_reads_the_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders (reference, show_id, user_id, channel, customer_name,"
            " customer_email, total, currency)"
            " SELECT n, %(show)s, CASE WHEN n %% 4 > 0 THEN %(user)s END,"
            " CASE WHEN n %% 4 > 0 THEN 'web' ELSE 'box_office' END,"
            " CASE WHEN n %% 4 > 0 THEN '' ELSE 'Zoë O’Connor ' || n END, '', 0, 'USD'"
            " FROM generate_series(1, 100000) AS n",
            {"show": ShowFactory().pk, "user": UserFactory().pk},
        )
        cursor.execute("ANALYZE orders")
    newest = Order.objects.filter(OF_BOX_OFFICE).alias(words=CUSTOMER_WORDS).order_by("-id")
    found = newest.filter(words=words_beginning_with("siobhan"))[:50]
    assert "order_by_folded_name" in found.explain()


def test_clerks_find_customers_by_name() -> None:
    user = UserFactory(name="Zoë O’Connor-Müller")
    show = ShowFactory()
    walk_in = Order.objects.create(
        reference="ABCD-2345",
        show=show,
        channel=Channel.BOX_OFFICE,
        customer_name="Zoë O’Connor-Müller",
        total=0,
        currency="USD",
    )
    for typed in ("zoe", "O'Connor", "oconnor", "muller", "oconnormuller"):
        assert User.objects.ids_matching(typed) == [user.pk], typed
        assert list(Order.objects.of_customer(typed)) == [walk_in], typed


@pytest.mark.parametrize("typed", ["!!", "'", "%", "& | ! ( ) : * \\"])
def test_a_search_without_words_finds_nothing(office: Client, typed: str) -> None:
    ShowFactory()
    for page in ("catalog_movie", "catalog_theatre", "catalog_show", "accounts_user"):
        found = office.get(reverse(f"admin:{page}_changelist"), {"q": typed}).context["cl"]
        assert list(found.result_list) == [], page


def test_the_back_office_finds_names_in_the_same_way(office: Client) -> None:
    theatre = TheatreFactory(name="Café Élite")
    screen = Screen.objects.create(theatre=theatre, name="L’Étoile")
    card = PriceCard.objects.create(name="Été")
    show = planned_show(movie=MovieFactory(title="Amélie"), screen=screen)
    AuditEntry.objects.create(action="changed", subject_name="Amélie")
    for model, typed, found in [
        (Movie, "amelie", show.movie),
        (Theatre, "cafe", theatre),
        (Screen, "letoile elite", screen),
        (PriceCard, "ete", card),
        (Show, "amelie cafe", show),
        (Show, "amelie - l'etoile", show),
        (AuditEntry, "amelie", AuditEntry.objects.get()),
    ]:
        page = office.get(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
            {"q": typed},
        )
        assert list(page.context["cl"].result_list) == [found], (model, typed)
