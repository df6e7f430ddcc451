"""Moving sold seats to another room: equal or better seats, near, and parties together."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.seat_choice import NoEqualSeats, Party, Place, remap
from bookings.seat_choice.remapping import FITTING
from bookings.seat_choice.room import runs_of

KINDS = {"S": "standard", "P": "premium", "W": "wheelchair", "C": "companion"}


def room(*rows: str, first_id: int = 0) -> list[Place]:
    """Draw a room; a place's id counts cells, so that it can be read from the drawing."""
    return [
        Place(first_id + 100 * y + x, chr(ord("A") + y), x + 1, x, y, KINDS[cell], True)
        for y, cells in enumerate(rows)
        for x, cell in enumerate(cells)
        if cell != "."
    ]


def party(name: str, old: Sequence[Place], *ids: int) -> Party:
    return Party(name, tuple(place for place in old if place.id in ids))


def moved(old: Sequence[Place], new: Sequence[Place], *parties: Sequence[int]) -> list[list[str]]:
    """Return where each party goes, in the order of its seats."""
    mapping = remap(
        old=old,
        parties=[party(str(n), old, *ids) for n, ids in enumerate(parties)],
        new=new,
    )
    return [[str(mapping[seat_id]) for seat_id in ids] for ids in parties]


def test_in_an_equal_room_everybody_stays() -> None:
    same = room("SSSS.SSSS", "PPPP.PPWC")
    assert moved(same, room("SSSS.SSSS", "PPPP.PPWC"), [0, 1], [2], [107, 108], [105, 106]) == [
        ["A1", "A2"],
        ["A3"],
        ["B8", "B9"],
        ["B6", "B7"],
    ]


def test_places_are_found_in_proportion_to_the_rooms() -> None:
    # In the middle of the back row, and at the left of the front row.
    old = room("SSSSS", "SSSSS")
    new = room("S" * 11, "S" * 11, "S" * 11)
    assert moved(old, new, [102], [0]) == [["C6"], ["A1"]]


def test_a_party_stays_together_rather_than_close() -> None:
    assert moved(room("SSSSSS"), room("SS.SS", "SSSS."), [0, 1, 2]) == [["B1", "B2", "B3"]]


def test_a_party_is_not_divided_if_one_would_sit_alone() -> None:
    with pytest.raises(NoEqualSeats) as refusal:
        moved(room("SSSSSS"), room("SS.SS", "SS.SS"), [0, 1, 2])
    assert refusal.value.facts == {"parties": ["0"]}
    assert "0 (3)" in refusal.value.message


def test_a_large_party_is_divided_into_neighbouring_rows() -> None:
    (seats,) = moved(room("SSSSS"), room("SSS..", ".SSS."), [0, 1, 2, 3, 4])
    assert sorted({name[0] for name in seats}) == ["A", "B"]


def test_a_party_that_sat_apart_may_sit_apart_again() -> None:
    old = room("SS.....SS")
    (seats,) = moved(old, room("S.S......", ".........", "......S.S"), [0, 7])
    assert len(set(seats)) == 2


def test_premium_becomes_premium_and_nobody_is_worse_off() -> None:
    assert moved(room("SSPP"), room("SSSS", "PPPP"), [2, 3]) == [["B3", "B4"]]
    with pytest.raises(NoEqualSeats):
        moved(room("SSPP"), room("SSSS"), [2])


def test_better_seats_only_when_no_equal_ones_are_left() -> None:
    new = room("PPPP", "SS..")
    assert moved(room("SSSS"), new, [2, 3]) == [["B1", "B2"]]
    first, second = moved(room("SSSS"), new, [0, 1], [2, 3])
    assert sorted([first[0][0], second[0][0]]) == ["A", "B"]


def test_premium_parties_are_seated_before_others_get_better_seats() -> None:
    assert moved(room("SSPP"), room("PP", "..SS"), [0, 1], [2, 3]) == [
        ["B3", "B4"],
        ["A1", "A2"],
    ]


def test_a_bay_becomes_a_bay_with_the_companion_beside_it() -> None:
    old = room("SSWC")
    assert moved(old, room("SSSS", "CWSS"), [2, 3]) == [["B2", "B1"]]
    # Without a companion seat, a chair beside the bay does.
    assert moved(old, room("SSSS", "SWSS"), [2, 3])[0][0] == "B2"
    with pytest.raises(NoEqualSeats):
        moved(old, room("SSSS"), [2])


def test_other_seats_never_become_bays() -> None:
    with pytest.raises(NoEqualSeats):
        moved(room("SS"), room("WW"), [0])


ROWS = st.lists(st.text("SSSPWC.", min_size=1, max_size=9), min_size=1, max_size=5)


@settings(max_examples=200)
@given(ROWS, ROWS, st.data())
def test_every_result_follows_the_rules(
    old_rows: list[str], new_rows: list[str], data: st.DataObject
) -> None:
    old, new = room(*old_rows), room(*new_rows, first_id=10_000)
    if not old or not new:
        return
    owners = {place.id: data.draw(st.integers(0, 4)) for place in old}
    parties = [
        party(f"p{owner}", old, *(pk for pk, whose in owners.items() if whose == owner))
        for owner in range(4)
        if owner in owners.values()
    ]
    try:
        mapping = remap(old=old, parties=parties, new=new)
    except NoEqualSeats as refusal:
        assert refusal.facts["parties"]  # noqa: PT017 - a refusal names somebody
        return
    seats = {place.id: place for each in parties for place in each.seats}
    assert mapping.keys() == seats.keys()
    assert len({place.id for place in mapping.values()}) == len(mapping)
    assert {place.id for place in mapping.values()} <= {place.id for place in new}
    for seat_id, place in mapping.items():
        assert place.category in FITTING[seats[seat_id].category]
    for each in parties:
        parts = runs_of(mapping[seat.id] for seat in each.seats)
        assert len(parts) <= max(2, len(runs_of(each.seats)))


@settings(max_examples=100)
@given(ROWS, st.data())
def test_unbroken_parties_stay_where_they_are_in_an_equal_room(
    rows: list[str], data: st.DataObject
) -> None:
    old = room(*rows)
    runs = runs_of(old)
    parties = []
    for index, run in enumerate(runs):
        cut = data.draw(st.integers(0, len(run)))
        parties += [
            Party(f"{index}{side}", tuple(part))
            for side, part in (("a", run[:cut]), ("b", run[cut:]))
            if part
        ]
    if not old:
        return
    mapping = remap(old=old, parties=parties, new=old)
    assert all(seat_id == place.id for seat_id, place in mapping.items())
