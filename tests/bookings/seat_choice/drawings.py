"""Rooms as text, front line first, as layouts are: S P W C are free, s p w c taken.

`#` is a free standard seat that is chosen, `.` is nothing. Lines are called A,
B, C … and seats numbered from the left, from 1.
"""

from collections.abc import Collection
from textwrap import dedent

from bookings.seat_choice import Place

CATEGORIES = {"S": "standard", "P": "premium", "W": "wheelchair", "C": "companion"}


def lines_of(drawing: str) -> list[str]:
    return dedent(drawing).strip("\n").splitlines()


def room(drawing: str) -> list[Place]:
    """Return the places of a drawing, with ids from 101."""
    places: list[Place] = []
    for y, line in enumerate(lines_of(drawing)):
        cells = [(x, cell.replace("#", "S")) for x, cell in enumerate(line) if cell not in ". "]
        places += [
            Place(
                id=101 + len(places) + index,
                row=chr(ord("A") + y),
                number=index + 1,
                x=x,
                y=y,
                category=CATEGORIES[cell.upper()],
                free=cell.isupper(),
            )
            for index, (x, cell) in enumerate(cells)
        ]
    return places


def marked(drawing: str) -> list[int]:
    """Return the ids of the seats drawn as `#`."""
    cells = [cell for line in lines_of(drawing) for cell in line if cell not in ". "]
    return [101 + index for index, cell in enumerate(cells) if cell == "#"]


def drawn(places: Collection[Place], chosen: Collection[int]) -> str:
    """Draw the room with `#` for each chosen seat, of whatever category."""
    letters = {category: letter for letter, category in CATEGORIES.items()}
    height, width = max(p.y for p in places) + 1, max(p.x for p in places) + 1
    grid = [["."] * width for _ in range(height)]
    for place in places:
        letter = letters[place.category]
        grid[place.y][place.x] = (
            "#" if place.id in chosen else letter if place.free else letter.lower()
        )
    return "\n".join("".join(line) for line in grid)


def canonical(drawing: str) -> str:
    """Return the drawing as `drawn` gives it: without blanks, lines equally long."""
    lines = lines_of(drawing)
    return "\n".join(line.ljust(max(map(len, lines)), ".") for line in lines)


def seats(places: Collection[Place], names: str) -> list[int]:
    """Return the ids of seats given by name: `"A1 B7"`."""
    ids = {str(place): place.id for place in places}
    return [ids[name] for name in names.split()]


def names(places: Collection[Place], ids: Collection[int]) -> str:
    by_id = {place.id: str(place) for place in places}
    return " ".join(by_id[seat_id] for seat_id in ids)
