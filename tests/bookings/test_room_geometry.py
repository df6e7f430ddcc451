"""Aisles, neighbours and companions of random rooms, checked cell by cell."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from bookings.room_layout import describe
from tests.bookings.seat_choice.drawings import room

cells = st.text("SSSPWC..", min_size=1, max_size=12)


@given(lines=st.lists(cells, min_size=1, max_size=5))
def test_seats_and_aisles_fill_each_line_from_its_first_to_its_last_seat(lines: list[str]) -> None:
    places = room("\n".join(lines))
    layout = describe(places, {place.row: "" for place in places})
    seats = {(seat["x"], seat["y"]): seat for seat in layout["seats"]}
    assert len(seats) == len(places)
    covered = [
        (x, y)
        for area in layout["aisles"]
        for x, y in product(
            range(area["x"], area["x"] + area["width"]),
            range(area["y"], area["y"] + area["height"]),
        )
    ]
    assert len(covered) == len(set(covered))
    assert seats.keys().isdisjoint(covered)
    by_id = {seat["id"]: seat for seat in layout["seats"]}
    for y in {y for _, y in seats}:
        line = sorted(x for x, of in seats if of == y)
        assert {x for x, of in covered if of == y} == set(range(line[0], line[-1])) - set(line)
        for x in line:
            seat = seats[x, y]
            for side, other, step in (("left", "right", -1), ("right", "left", 1)):
                beside = seats.get((x + step, y))
                assert seat[f"{side}_seat_id"] == (beside and beside["id"])
                nearer = beside[f"aisle_{side}"] if beside else 0
                assert seat[f"aisle_{side}"] == nearer + 1
                assert beside is None or beside[f"{other}_seat_id"] == seat["id"]
            for bay_id in seat["bay_ids"]:
                assert seat["category"] == "companion"
                assert by_id[bay_id]["category"] == "wheelchair"
                assert seat["id"] in by_id[bay_id]["companion_ids"]
            for companion_id in seat["companion_ids"]:
                assert seat["id"] in by_id[companion_id]["bay_ids"]
