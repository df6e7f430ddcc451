"""Querysets whose SQL is written once, for the few that stand in every booking.

Django compiles a queryset anew each time it is used, and makes half a hundred objects on the
way: a millisecond for each of a booking's locks, a third of all its time in the app.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection, models
from django.db.models import Expression, Field, Lookup, Model, QuerySet
from django.db.transaction import TransactionManagementError

from booking_site.postgres.statements import Call, Statement, ask

M = TypeVar("M", bound=Model)


class Given(Expression):
    """Stands in a compiled queryset for a value that comes with each use, by name."""

    def __init__(self, name: str) -> None:
        super().__init__(output_field=models.BigIntegerField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


@Field.register_lookup
class AmongGiven(Lookup[Any]):
    """`pk__among=Given(…)`: one text for any number of ids, where `__in` has one for each."""

    lookup_name = "among"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, _ = self.process_lhs(compiler, connection)
        # SELECT hides the value from the planner, which else plans anew for each: it thinks
        # that an unknown list is long.
        return f"{column} = ANY((SELECT %s)::bigint[])", (self.rhs,)


class _Written(NamedTuple):
    model: Any
    statement: Statement
    values: tuple[Any, ...]
    names: list[str]
    locks: bool


class Compiled(Generic[M]):
    """What `build` returns, compiled at its first use: a queryset of whole rows of one model.

    Its columns must be of types that psycopg reads as Django does, and its values
    literals or `Given`.
    """

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build

    def rows(self, **given: Any) -> list[M]:
        """Return the instances, in the order of the queryset."""
        model, _, _, names, locks = self._written
        if locks and not connection.in_atomic_block:
            raise TransactionManagementError("A lock outside of a transaction keeps nothing.")
        return [model.from_db("default", names, row) for row in ask(self.call(**given))]

    def first(self, **given: Any) -> M | None:
        """Return the one instance that there may be."""
        return next(iter(self.rows(**given)), None)

    def call(self, **given: Any) -> Call:
        """Return what `rows` asks, to be sent ahead."""
        _, statement, values, _, _ = self._written
        return Call(
            statement,
            [given[value.name] if isinstance(value, Given) else value for value in values],
        )

    @cached_property
    def _written(self) -> _Written:
        return self._write()

    def _write(self) -> _Written:
        query = self._build().query
        compiler = query.get_compiler("default")
        sql, values = compiler.as_sql()
        names = [column.target.attname for column, _, _ in compiler.select]
        return _Written(query.model, Statement(sql), values, names, query.select_for_update)
