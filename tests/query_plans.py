"""Explains statements, and finds those that read a whole table."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection
from psycopg import ClientCursor

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as Django passes it to psycopg: text with placeholders, and their values."""

    text: str
    values: Any

    def numbered(self) -> tuple[str, list[Any]]:
        """Return the text as PostgreSQL is given it, with $1, and the values in that order."""
        values: list[Any] = []
        names: dict[str, int] = {}

        def number(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            name = found[1]
            if name is None:
                values.append(self.values[len(values)])
                # As psycopg writes it: PostgreSQL cannot infer this type from its place.
                cast = "::interval" if isinstance(values[-1], timedelta) else ""
                return f"${len(values)}{cast}"
            if name not in names:
                values.append(self.values[name])
                names[name] = len(values)
            return f"${names[name]}"

        return (_PLACEHOLDER.sub(number, self.text) if self.values else self.text), values


@contextmanager
def statements_of(tables: frozenset[str]) -> Iterator[list[Statement]]:
    """Collect the statements sent within the block that name one of the tables."""
    seen: list[Statement] = []

    def collect(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if tables & set(re.findall(r"\w+", sql)):
            seen.append(Statement(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(collect):
        yield seen


class Reads(NamedTuple):
    """`whole`: tables read from end to end; `indexes`: the names of the indexes used."""

    whole: set[str]
    indexes: set[str]


def reads_of(statement: Statement, tables: frozenset[str]) -> Reads:
    """Return how the generic and the custom plan of the statement read these tables.

    PostgreSQL uses the generic plan, made without knowing the values, for a prepared statement
    that it does not make slower.
    """
    text, values = statement.numbered()
    partial = _partial_indexes()
    reads = Reads(set(), set())
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE planned AS {text}")
        try:
            for mode in ("force_generic_plan", "force_custom_plan"):
                cursor.execute(f"SET plan_cache_mode = {mode}")
                for node in _nodes(_plan(values)):
                    if index := node.get("Index Name"):
                        reads.indexes.add(index)
                    if (table := node.get("Relation Name")) in tables and _is_whole(node, partial):
                        reads.whole.add(f"{node['Node Type']} on {table}, {mode}")
        finally:
            cursor.execute("RESET plan_cache_mode")
            cursor.execute("DEALLOCATE planned")
    return reads


def rows_read(statement: Statement, table: str) -> int:
    """Execute the statement and return how many rows of the table it reads, filtered ones too."""
    return sum(_rows(node) for node in _executed(statement) if node.get("Relation Name") == table)


def reads_of_execution(statement: Statement, tables: frozenset[str], most: int) -> Reads:
    """Execute the statement and return how it reads these tables.

    A table is `whole` if more than `most` rows of it are read in sequence, or in the order of
    an index: a list may read its first page so.
    """
    reads = Reads(set(), set())
    for node in _executed(statement):
        if index := node.get("Index Name"):
            reads.indexes.add(index)
        searches = "Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan"
        if node.get("Relation Name") in tables and not searches and _rows(node) > most:
            reads.whole.add(f"{_rows(node)} rows, {node['Node Type']} on {node['Relation Name']}")
    return reads


def _executed(statement: Statement) -> list[dict[str, Any]]:
    text, values = statement.numbered()
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE measured AS {text}")
        try:
            return list(_nodes(_plan(values, "measured", "ANALYZE, ")))
        finally:
            cursor.execute("DEALLOCATE measured")


def _rows(node: dict[str, Any]) -> int:
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def _plan(values: list[Any], name: str = "planned", options: str = "") -> dict[str, Any]:
    # EXPLAIN EXECUTE takes no parameters, so psycopg writes them into the text.
    with ClientCursor(connection.connection) as cursor:
        given = f"({', '.join(['%s'] * len(values))})" if values else ""
        cursor.execute(f"EXPLAIN ({options}FORMAT JSON) EXECUTE {name}{given}", values or None)  # type: ignore[arg-type]
        row = cursor.fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        part["Limited"] = plan["Node Type"] == "Limit" and "Filter" not in part
        yield from _nodes(part)


def _is_whole(node: dict[str, Any], partial: set[str]) -> bool:
    """An index that is read only for its order is as slow as the table, except with a limit."""
    if node["Node Type"] == "Seq Scan":
        return True
    index = node.get("Index Name")
    if index is None or index in partial:
        return False
    return "Index Cond" not in node and not node.get("Limited")


def _partial_indexes() -> set[str]:
    """Return the partial indexes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
        return {name for (name,) in cursor.fetchall()}
