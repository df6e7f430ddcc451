"""The plan that the director gives to the crowd: servers, accounts, shows and seats."""

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self


class PlannedSeat(NamedTuple):
    """A seat as the seat map shows it; `price` is a decimal string."""

    id: int
    row: str
    number: int
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShow:
    """A show with its seats, in the order of its seat map; `taken` before the run."""

    show_id: int
    seats: list[PlannedSeat]
    taken: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`servers` are addresses such as `http://127.0.0.1:8000`; `seconds` is how long to run.

    The `hot_seats` are few, and everybody wants them. `hold_seconds` is the
    longest that a hold can live unasked. `reads_tables` says that the journal ends
    with the tables, `has_standbys` that PostgreSQL can fail over.
    """

    servers: list[str]
    accounts: list[Account]
    shows: list[PlannedShow]
    hot_show: int
    hot_seats: list[int]
    seed: int
    seconds: float
    hold_seconds: float
    reads_tables: bool
    has_standbys: bool = False

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        plan = json.loads(text)
        plan["accounts"] = [Account(**account) for account in plan["accounts"]]
        plan["shows"] = [_show(show) for show in plan["shows"]]
        return cls(**plan)

    def for_journal(self) -> dict[str, Any]:
        """Return the plan without its tokens, so that a journal contains no secrets."""
        return asdict(self) | {"accounts": [account.id for account in self.accounts]}


def _show(show: dict[str, Any]) -> PlannedShow:
    return PlannedShow(**show | {"seats": [PlannedSeat(*seat) for seat in show["seats"]]})
