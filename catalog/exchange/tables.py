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
from booking_site.spreadsheets.cells import Cell, Value
from catalog.exchange.cells import Day, Money, PlainText, Texts, TheatreName, WholeNumber
from catalog.models import (
    Movie,
    PriceCard,
    PriceCardLine,
    Screen,
    SeatCategory,
    card_digits,
    digits_in_use,
)
from catalog.staff import theatres_of


@dataclass(frozen=True, slots=True)
class Change:
    """What a row changes: `cells` lists column, old value and new value."""

    row: int
    name: str
    is_new: bool
    cells: list[tuple[str, str, str]]


class ImportOptions:
    """The import-export options of every table: rows without a change write nothing."""

    skip_unchanged = True
    report_skipped = True
    clean_model_instances = True
    store_instance = True
    skip_html_diff = True


class Table(resources.ModelResource):  # type: ignore[misc] # untyped
    """How rows become objects, among those that `user` may change."""

    natural_key: tuple[str, ...] = ()  # the columns that identify an object without its id

    WIDGETS_MAP = resources.ModelResource.WIDGETS_MAP | {
        "CharField": PlainText,
        "TextField": PlainText,
        "PositiveSmallIntegerField": WholeNumber,
        "DateField": Day,
        "ArrayField": Texts,
    }

    def __init__(self, *, user: User) -> None:
        super().__init__()
        self.user = user
        self.seen: set[int] = set()
        self.changes: list[Change] = []

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the headings and a row for every object, in the form that imports read."""
        dataset = self.export(self.accessible())
        yield list(dataset.headers)
        yield from (list(row) for row in dataset)

    def accessible(self) -> QuerySet[Any]:
        raise NotImplementedError

    def by_natural_key(self, row: Mapping[str, Value]) -> QuerySet[Any]:
        """Return the accessible objects with the row's natural key; none if it is invalid."""
        try:
            key = {column: self.fields[column].clean(row) for column in self.natural_key}
        except ValueError:  # reported when the row is imported
            return self.accessible().none()
        return self.accessible().filter(**key)

    def get_instance(self, instance_loader: Any, row: Mapping[str, Value]) -> Model | None:
        try:
            pk = WholeNumber().clean(row["id"])
        except ValueError as error:
            raise ValidationError({"id": str(error)}) from error
        if pk is None:
            found = list(self.by_natural_key(row)[:2])
            if len(found) > 1:
                columns = " and ".join(self.natural_key)
                message = f"There are several with this {columns}. Enter the id of the right one."
                raise ValidationError({self.natural_key[0]: message})
            return found[0] if found else None
        instance: Model | None = self.accessible().filter(pk=pk).first()
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
        # Spreadsheets change line endings; don't count that as a change.
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
        value = None if instance is None else field.export(instance)
        return "" if value is None else str(value)


class MovieTable(Table):
    natural_key = ("title", "release_date")

    class Meta(ImportOptions):
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

    def accessible(self) -> QuerySet[Movie]:
        return Movie.objects.all()


class ScreenTable(Table):
    natural_key = ("theatre", "name")
    theatre = fields.Field("theatre", "theatre")
    # Without the model's default: an empty cell is an error.
    turnaround_minutes = fields.Field(
        "turnaround_minutes", "turnaround_minutes", widget=WholeNumber()
    )
    layout = fields.Field("layout", "layout", widget=widgets.CharWidget())

    class Meta(ImportOptions):
        model = Screen
        fields = export_order = ("id", "theatre", "name", "turnaround_minutes", "layout")

    def __init__(self, *, user: User) -> None:
        super().__init__(user=user)
        self.fields["theatre"].widget = TheatreName(user)

    def accessible(self) -> QuerySet[Screen]:
        theatres = theatres_of(self.user)
        screens = Screen.objects.filter(theatre__in=theatres).select_related("theatre")
        return screens.order_by("theatre", "sort_key", "name")

    def import_field(
        self, field: Any, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any
    ) -> None:
        if field.column_name == "theatre" and instance.pk is not None:
            if str(row["theatre"]).strip() != str(instance.theatre):
                raise ValueError(
                    "A screen can't move to another theatre. To add a screen, leave the id empty."
                )
            return
        super().import_field(field, instance, row, is_m2m, **kwargs)


class Price(fields.Field):  # type: ignore[misc] # untyped
    """The price of one category, collected in `prices_of_card` until the card is saved."""

    def __init__(self, category: SeatCategory) -> None:
        super().__init__(category.value, category.value, widget=Money())

    def get_value(self, instance: PriceCard) -> Decimal | None:
        return prices_of_card(instance).get(self.column_name)

    def save(self, instance: PriceCard, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        prices = prices_of_card(instance)
        prices[self.column_name] = self.clean(row, stored=prices.get(self.column_name))


def prices_of_card(card: PriceCard) -> dict[str, Decimal | None]:
    """Return the card's prices by category, read once and cached on the object."""
    prices: dict[str, Decimal | None] = card.__dict__.setdefault("_prices", {})
    if card.pk and not prices:
        prices |= {line.category: line.price for line in card.lines.all()}
    return prices


class PriceCardTable(Table):
    natural_key = ("name",)
    standard = Price(SeatCategory.STANDARD)
    premium = Price(SeatCategory.PREMIUM)
    wheelchair = Price(SeatCategory.WHEELCHAIR)
    companion = Price(SeatCategory.COMPANION)

    class Meta(ImportOptions):
        model = PriceCard
        fields = export_order = ("id", "name", *SeatCategory.values)

    def __init__(self, *, user: User) -> None:
        super().__init__(user=user)
        in_use = digits_in_use()
        for category in SeatCategory.values:
            widget = self.fields[category].widget
            widget.digits, widget.written_digits = max(in_use), card_digits(in_use)

    def accessible(self) -> QuerySet[PriceCard]:
        return PriceCard.objects.prefetch_related("lines")

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().after_save_instance(instance, row, **kwargs)
        for category, price in prices_of_card(instance).items():
            line = PriceCardLine.objects.filter(price_card=instance, category=category)
            if price is None:
                line.delete()
            elif not line.update(price=price):
                PriceCardLine.objects.create(price_card=instance, category=category, price=price)


def _lines(text: Any) -> list[str]:
    return str(text or "").splitlines()
