"""What the director tells the crowd: where to go, who plays, which seats are at stake."""

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self


class Spot(NamedTuple):
    """A seat as the seat map shows it; `price` is a decimal string."""

    id: int
    row: str
    number: int
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A show with its seats, in the order of its seat map; `taken` were so before the run."""

    show_id: int
    spots: list[Spot]
    taken: list[int]


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`servers` are addresses such as `http://127.0.0.1:8000`; `seconds` is how long to play.

    The `hot_seats` are few, and everybody wants them. `hold_seconds` is the
    longest that a hold can live unasked. `reads_tables` says that the journal ends
    with the tables.
    """

    servers: list[str]
    people: list[Person]
    rooms: list[Room]
    hot_show: int
    hot_seats: list[int]
    seed: int
    seconds: float
    hold_seconds: float
    reads_tables: bool

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        plan = json.loads(text)
        plan["people"] = [Person(**person) for person in plan["people"]]
        plan["rooms"] = [_room(room) for room in plan["rooms"]]
        return cls(**plan)

    def for_journal(self) -> dict[str, Any]:
        """The plan without its tokens: a journal is for everybody to read."""
        return asdict(self) | {"people": [person.id for person in self.people]}


def _room(room: dict[str, Any]) -> Room:
    return Room(**room | {"spots": [Spot(*spot) for spot in room["spots"]]})
