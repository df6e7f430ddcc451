"""The columns of each table, and how a row finds and changes its object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from import_export import fields, resources, widgets

from accounts import audit
from accounts.models import User
from booking_site.spreadsheets.cells import Cell
from catalog.exchange.cells import Day, Money, PlainText, TheatreName, WholeNumber
from catalog.models import Movie, PriceCard, PriceCardLine, Screen, SeatCategory
from catalog.staff import theatres_of


@dataclass(frozen=True, slots=True)
class Change:
    """What a row does: `cells` are column, value before and value after, of those that differ."""

    row: int
    name: str
    is_new: bool
    cells: list[tuple[str, str, str]]


class Rules:
    """How every table is read: nothing is written for a row that changes nothing."""

    skip_unchanged = True
    report_skipped = True
    clean_model_instances = True
    store_instance = True
    skip_html_diff = True


class Table(resources.ModelResource):  # type: ignore[misc] # untyped
    """How rows become objects. `user` decides which are in reach."""

    key: tuple[str, ...] = ()  # the columns people know an object by

    def __init__(self, *, user: User) -> None:
        super().__init__()
        self.user = user
        self.seen: set[int] = set()
        self.changes: list[Change] = []

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the headings and every object in reach, as `take` understands them."""
        dataset = self.export(self.in_reach())
        yield list(dataset.headers)
        yield from (list(row) for row in dataset)

    def in_reach(self) -> QuerySet[Any]:
        raise NotImplementedError

    def named(self, row: Mapping[str, str]) -> QuerySet[Any]:
        """Return those in reach that a row without an id means."""
        raise NotImplementedError

    def get_instance(self, instance_loader: Any, row: Mapping[str, str]) -> Model | None:
        try:
            pk = WholeNumber().clean(row["id"])
        except ValueError as error:
            raise ValidationError({"id": str(error)}) from error
        if pk is None:
            found = list(self.named(row)[:2])
            if len(found) > 1:
                said = f"Several have this {' and '.join(self.key)}. Give the id of the one meant."
                raise ValidationError({self.key[0]: said})
            return found[0] if found else None
        instance: Model | None = self.in_reach().filter(pk=pk).first()
        if instance is None:
            raise ValidationError({"id": f"{pk} does not exist. To add a row, leave the id empty."})
        return instance

    def import_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if instance.pk is not None:
            if instance.pk in self.seen:
                raise ValidationError("An earlier row of this file is for the same object.")
            self.seen.add(instance.pk)
        super().import_instance(instance, row, **kwargs)

    def import_field(
        self, field: Any, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any
    ) -> None:
        if field.column_name == "id":
            return
        before = field.get_value(instance)
        super().import_field(field, instance, row, is_m2m, **kwargs)
        # Spreadsheets change the ends of lines, and nobody means that.
        if isinstance(before, str) and _lines(before) == _lines(field.get_value(instance)):
            setattr(instance, field.attribute, before)

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        self.seen.add(instance.pk)

    def after_import_row(self, row: Any, row_result: Any, **kwargs: Any) -> None:
        if row_result.import_type == row_result.IMPORT_TYPE_SKIP:
            return
        instance, original = row_result.instance, row_result.original
        cells = [
            (field.column_name, before, after)
            for field in self.get_import_fields()
            if field.column_name != "id"
            and (before := self._shown(field, original)) != (after := self._shown(field, instance))
        ]
        change = Change(kwargs["row_number"], str(instance), original is None, cells)
        self.changes.append(change)
        audit.record(
            actor=self.user,
            action="imported",
            subject=instance,
            theatre_id=getattr(instance, "theatre_id", None),
            changed={
                column: [after] if original is None else [before, after]
                for column, before, after in cells
            },
        )

    def _shown(self, field: Any, instance: Any) -> str:
        return "" if instance is None else str(field.export(instance) or "")


class MovieTable(Table):
    key = ("title", "release_date")
    title = fields.Field("title", "title", widget=PlainText())
    description = fields.Field("description", "description", widget=PlainText())
    duration_minutes = fields.Field("duration_minutes", "duration_minutes", widget=WholeNumber())
    certificate = fields.Field("certificate", "certificate", widget=PlainText())
    language = fields.Field("language", "language", widget=PlainText())
    genres = fields.Field("genres", "genres", widget=widgets.SimpleArrayWidget())
    poster_url = fields.Field("poster_url", "poster_url", widget=PlainText())
    release_date = fields.Field("release_date", "release_date", widget=Day())
    run_ends_on = fields.Field("run_ends_on", "run_ends_on", widget=Day())

    class Meta(Rules):
        model = Movie
        fields = export_order = (
            "id",
            "title",
            "description",
            "duration_minutes",
            "certificate",
            "language",
            "genres",
            "poster_url",
            "release_date",
            "run_ends_on",
        )

    def in_reach(self) -> QuerySet[Movie]:
        return Movie.objects.order_by("title", "pk")

    def named(self, row: Mapping[str, str]) -> QuerySet[Movie]:
        try:
            released = Day().clean(row["release_date"])
        except ValueError:
            return Movie.objects.none()
        return Movie.objects.filter(title=row["title"].strip(), release_date=released)


class ScreenTable(Table):
    key = ("theatre", "name")
    theatre = fields.Field("theatre", "theatre")
    name = fields.Field("name", "name", widget=PlainText())
    turnaround_minutes = fields.Field(
        "turnaround_minutes", "turnaround_minutes", widget=WholeNumber()
    )
    layout = fields.Field("layout", "layout", widget=widgets.CharWidget())

    class Meta(Rules):
        model = Screen
        fields = export_order = ("id", "theatre", "name", "turnaround_minutes", "layout")

    def __init__(self, *, user: User) -> None:
        super().__init__(user=user)
        self.fields["theatre"].widget = TheatreName(user)

    def in_reach(self) -> QuerySet[Screen]:
        theatres = theatres_of(self.user)
        screens = Screen.objects.filter(theatre__in=theatres).select_related("theatre")
        return screens.order_by("theatre__name", "theatre", "name")

    def named(self, row: Mapping[str, str]) -> QuerySet[Screen]:
        wanted = {"theatre__name": row["theatre"].strip(), "name": row["name"].strip()}
        return self.in_reach().filter(**wanted)

    def import_field(
        self, field: Any, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any
    ) -> None:
        if field.column_name == "theatre" and instance.pk is not None:
            if row["theatre"].strip() != str(instance.theatre):
                raise ValueError("A screen stays in its theatre. Leave the id empty for a new one.")
            return
        super().import_field(field, instance, row, is_m2m, **kwargs)


class Price(fields.Field):  # type: ignore[misc] # untyped
    """The price of one category, kept in the `prices` of the card until its lines are written."""

    def __init__(self, category: SeatCategory) -> None:
        super().__init__(category.value, category.value, widget=Money())

    def get_value(self, instance: PriceCard) -> Decimal | None:
        return prices_of_card(instance).get(self.column_name)

    def save(self, instance: PriceCard, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        prices_of_card(instance)[self.column_name] = self.clean(row)


def prices_of_card(card: PriceCard) -> dict[str, Decimal | None]:
    """Return the card's prices by category, read once and kept with the object."""
    prices: dict[str, Decimal | None] = card.__dict__.setdefault("_prices", {})
    if card.pk and not prices:
        prices |= {line.category: line.price for line in card.lines.all()}
    return prices


class PriceCardTable(Table):
    key = ("name",)
    name = fields.Field("name", "name", widget=PlainText())
    standard = Price(SeatCategory.STANDARD)
    premium = Price(SeatCategory.PREMIUM)
    wheelchair = Price(SeatCategory.WHEELCHAIR)
    companion = Price(SeatCategory.COMPANION)

    class Meta(Rules):
        model = PriceCard
        fields = export_order = ("id", "name", *SeatCategory.values)

    def in_reach(self) -> QuerySet[PriceCard]:
        return PriceCard.objects.prefetch_related("lines").order_by("name")

    def named(self, row: Mapping[str, str]) -> QuerySet[PriceCard]:
        return self.in_reach().filter(name=row["name"].strip())

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().after_save_instance(instance, row, **kwargs)
        for category, price in prices_of_card(instance).items():
            line = PriceCardLine.objects.filter(price_card=instance, category=category)
            if price is None:
                line.delete()
            elif not line.update(price=price):
                PriceCardLine.objects.create(price_card=instance, category=category, price=price)


TABLES: dict[str, type[Table]] = {
    "movie": MovieTable,
    "screen": ScreenTable,
    "pricecard": PriceCardTable,
}


def _lines(text: Any) -> list[str]:
    return str(text or "").splitlines()
