"""The rules of seat choice, compared in random rooms with a brute-force implementation."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bookings.seat_choice import (
    NoSeatsTogether,
    SingleSeatGap,
    alternatives,
    best_available,
    new_gaps,
    refuse_gap,
)
from bookings.seat_choice.companions import lone_companions
from tests.bookings.seat_choice.drawings import room

ORDINARY = {"standard", "premium"}
SPECIAL = {"wheelchair", "companion"}


def rooms(cells, *, lines=3, width=9):
    line = st.text(cells, min_size=1, max_size=width)
    return st.lists(line, min_size=1, max_size=lines).map(lambda drawn: room("\n".join(drawn)))


plain_rooms = rooms("SSSSSs.")
mixed_rooms = rooms("SSSPPsW.C")
any_rooms = st.one_of(plain_rooms, mixed_rooms)
parties = st.fixed_dictionaries(
    {
        "quantity": st.integers(1, 7),
        "category": st.sampled_from([None, None, "standard", "premium", "wheelchair", "companion"]),
        "accessible": st.booleans(),
        "gap_rule": st.booleans(),
    }
)


@st.composite
def choices(draw, drawn_rooms=any_rooms, most=5):
    """A room, and up to `most` of its free seats."""
    places = draw(drawn_rooms)
    free = [place.id for place in places if place.free]
    assume(free)
    chosen = draw(st.lists(st.sampled_from(free), min_size=1, max_size=most, unique=True))
    return places, chosen


# The brute-force implementation, which tries every selection


def by_cell(places):
    return {(place.x, place.y): place for place in places}


def gaps_after(places, chosen):
    cells = by_cell(places)
    gaps = set()
    for place in places:
        sides = [cells.get((place.x + step, place.y)) for step in (-1, 1)]
        if not place.free or place.id in chosen or place.category in SPECIAL or None in sides:
            continue
        before = all(not side.free for side in sides)
        after = all(not side.free or side.id in chosen for side in sides)
        if after and not before:
            gaps.add(place.id)
    return gaps


def runs_by_hand(places):
    runs = []
    for place in sorted(places, key=lambda p: (p.y, p.x)):
        left = by_cell(places).get((place.x - 1, place.y))
        if left:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def count_parts(seats):
    xs = sorted(seat.x for seat in seats)
    return len(xs) and 1 + sum(b - a > 1 for a, b in pairwise(xs))


def like(seats, selection):
    """Whether `seats`, of the same run, may be named instead of `selection`."""
    return (
        Counter(seat.category for seat in seats) == Counter(seat.category for seat in selection)
        and {s.id for s in seats if s.category in SPECIAL}
        == {s.id for s in selection if s.category in SPECIAL}
        and count_parts(seats) <= count_parts(selection)
    )


def better_in_run(run, chosen):
    """Return the acceptable choices in the run instead of `chosen`; [] if it is exempt."""
    selection = [place for place in run if place.id in chosen]
    free = [place for place in run if place.free]
    return [
        seats
        for seats in combinations(free, len(selection))
        if like(seats, selection) and not gaps_after(run, {seat.id for seat in seats})
    ]


def is_accepted(places, chosen):
    return all(
        not gaps_after(run, set(chosen)) or not better_in_run(run, chosen)
        for run in runs_by_hand(places)
    )


def moved(seats, selection):
    """Return the distance between the ordinary seats of two choices in one run."""
    old, new = (
        sorted(seat.x for seat in group if seat.category in ORDINARY)
        for group in (selection, seats)
    )
    return sum(abs(a - b) for a, b in zip(old, new, strict=True))


def suits(places, seats, party):
    """Return whether the seats are what the party requested."""
    ids = [seat.id for seat in seats]
    wanted = ORDINARY if party["category"] is None else {party["category"]}
    if party["accessible"]:
        allowed = wanted if wanted == {"wheelchair"} else wanted | SPECIAL
        has_bay = any(seat.category == "wheelchair" for seat in seats)
    else:
        allowed, has_bay = wanted - SPECIAL, True
    return (
        has_bay
        and all(seat.free and seat.category in allowed for seat in seats)
        and not lone_companions(places, ids, owned=[])
    )


def blocks(places, size):
    """Return every block of that many adjacent seats, taken or not."""
    cells = by_cell(places)
    for place in places:
        block = [cells.get((place.x + step, place.y)) for step in range(size)]
        if None not in block:
            yield block


def offers(places, party):
    """Return every block that the party could have."""
    return [block for block in blocks(places, party["quantity"]) if suits(places, block, party)]


def divided_offers(places, party):
    quantity = party["quantity"]
    for size in range(2, quantity - 1):
        for front, back in product(blocks(places, size), blocks(places, quantity - size)):
            both = front + back
            if (
                back[0].y - front[0].y == 1
                and {seat.x for seat in front} & {seat.x for seat in back}
                and suits(places, both, party)
                and not (party["gap_rule"] and not is_accepted(places, [s.id for s in both]))
            ):
                yield both


def cost(places, seats):
    """The criteria of the rules, in their order."""
    lines = {place.y for place in places}
    focal_line = min(lines) + Fraction(2, 3) * (max(lines) - min(lines))
    distance = Fraction(0)
    for seat in seats:
        columns = [place.x for place in places if place.y == seat.y]
        middle = Fraction(min(columns) + max(columns), 2)
        distance += (seat.x - middle) ** 2 + (seat.y - focal_line) ** 2
    return (
        sum(seat.category == "wheelchair" for seat in seats),
        len(gaps_after(places, {seat.id for seat in seats})),
        sum(seat.category in ORDINARY for seat in seats),
        distance,
    )


# Best available


@settings(max_examples=400)
@given(any_rooms, parties)
def test_the_offer_is_the_best_possible(places, party):
    choice = offers(places, party) or list(divided_offers(places, party))
    if choice:
        chosen = best_available(places, **party)
        seats = [place for place in places if place.id in chosen]
        assert set(chosen) in [{seat.id for seat in offer} for offer in choice]
        assert cost(places, seats) == min(cost(places, offer) for offer in choice)
    else:
        with pytest.raises(NoSeatsTogether) as refusal:
            best_available(places, **party)
        smaller = [
            size
            for size in range(1, party["quantity"])
            if offers(places, party | {"quantity": size})
        ]
        assert refusal.value.facts == {"largest_block": max(smaller, default=0)}


@given(any_rooms, parties)
def test_no_offer_has_a_taken_seat_or_one_of_another_category(places, party):
    try:
        chosen = best_available(places, **party)
    except NoSeatsTogether:
        return
    seats = [place for place in places if place.id in chosen]
    assert len(chosen) == len(set(chosen)) == len(seats) == party["quantity"]
    assert all(seat.free for seat in seats)
    categories = {seat.category for seat in seats}
    if not party["accessible"]:
        assert categories <= ORDINARY
        assert party["category"] is None or categories == {party["category"]}
    else:
        assert "wheelchair" in categories
        assert party["category"] is None or categories <= {party["category"], *SPECIAL}


@given(plain_rooms, st.integers(1, 7), st.booleans())
def test_a_party_sits_in_one_block_whenever_there_is_one(places, quantity, gap_rule):
    together = [block for block in blocks(places, quantity) if all(seat.free for seat in block)]
    assume(together)
    chosen = best_available(places, quantity=quantity, gap_rule=gap_rule)
    assert chosen in [[seat.id for seat in block] for block in together]
    if any(not gaps_after(places, {seat.id for seat in block}) for block in together):
        assert not new_gaps(places, chosen)


@settings(max_examples=300)
@given(st.one_of(rooms("SSSSSSs", width=8), mixed_rooms), parties)
def test_the_gap_rule_accepts_every_offer_made_under_it(places, party):
    try:
        chosen = best_available(places, **(party | {"gap_rule": True}))
    except NoSeatsTogether:
        return
    refuse_gap(places, chosen)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 10))
def test_an_empty_hall_is_filled_from_its_middle(width, height, quantity):
    assume(quantity <= width)
    hall = room("\n".join("S" * width for _ in range(height)))
    chosen = best_available(hall, quantity=quantity, gap_rule=True)
    seats = [place for place in hall if place.id in chosen]
    assert abs((seats[0].x + seats[-1].x) - (width - 1)) <= 1
    assert {seat.y for seat in seats} == {round(Fraction(2, 3) * (height - 1))}


@given(mixed_rooms, parties)
def test_a_mirrored_room_has_a_mirrored_offer_of_the_same_worth(places, party):
    mirrored = [replace(place, x=-place.x) for place in places]

    def worth(view):
        try:
            chosen = best_available(view, **party)
        except NoSeatsTogether as refusal:
            return refusal.facts
        return cost(view, [place for place in view if place.id in chosen])

    assert worth(places) == worth(mirrored)


@given(plain_rooms, st.integers(1, 7), st.data())
def test_a_seat_that_becomes_free_removes_no_offer(places, quantity, data):
    taken = [place for place in places if not place.free]
    assume(taken)
    freed = data.draw(st.sampled_from(taken))
    roomier = [replace(place, free=place.free or place == freed) for place in places]
    try:
        best_available(places, quantity=quantity, gap_rule=False)
    except NoSeatsTogether:
        return
    assert best_available(roomier, quantity=quantity, gap_rule=False)


# No single gap


@settings(max_examples=300)
@given(choices())
def test_gaps_match_their_definition(case):
    places, chosen = case
    assert set(new_gaps(places, chosen)) == gaps_after(places, set(chosen))


@settings(max_examples=400)
@given(choices())
def test_a_choice_is_refused_exactly_when_another_like_it_leaves_no_gap(case):
    places, chosen = case
    assert bool(alternatives(places, chosen)) is not is_accepted(places, chosen)


@settings(max_examples=400)
@given(choices(rooms("SSSSSs", lines=2, width=9)))
def test_a_refusal_names_alternatives_that_are_accepted(case):
    places, chosen = case
    try:
        refuse_gap(places, chosen)
    except SingleSeatGap as refusal:
        others = refusal.facts["alternatives"]
        assert 1 <= len(others) <= 3
        assert len({frozenset(other) for other in others}) == len(others)
        for other in others:
            assert len(set(other)) == len(chosen)
            assert is_accepted(places, other)
            refuse_gap(places, other)
    else:
        assert is_accepted(places, chosen)


@settings(max_examples=400)
@given(choices(rooms("SSSSPsWC.", lines=1, width=11)))
def test_alternatives_are_the_nearest(case):
    places, chosen = case
    expected = []
    for run in runs_by_hand(places):
        selection = [place for place in run if place.id in chosen]
        better = better_in_run(run, chosen) if gaps_after(run, set(chosen)) else []
        expected.append(sorted(moved(seats, selection) for seats in better) or [0])
    found = alternatives(places, chosen, limit=3)
    if found:
        nearest = sorted(sum(distances) for distances in product(*expected))[:3]
        by_id = {place.id: place for place in places}
        assert [
            sum(
                moved(
                    [seat for seat in map(by_id.get, other) if seat in run],
                    [seat for seat in run if seat.id in chosen],
                )
                for run in runs_by_hand(places)
            )
            for other in found
        ] == nearest


@given(choices(), st.randoms())
def test_the_order_of_the_seats_and_the_place_of_the_room_do_not_matter(case, chance):
    places, chosen = case
    moved_room = [replace(place, x=place.x + 7, y=place.y + 3) for place in places]
    chance.shuffle(moved_room)
    assert new_gaps(moved_room, chosen[::-1]) == new_gaps(places, chosen)
    assert alternatives(moved_room, chosen[::-1]) == alternatives(places, chosen)
    for quantity, gap_rule in product((1, 2, 4), (False, True)):
        assert outcome(moved_room, quantity, gap_rule) == outcome(places, quantity, gap_rule)


def outcome(places, quantity, gap_rule):
    try:
        return best_available(places, quantity=quantity, gap_rule=gap_rule)
    except NoSeatsTogether as refusal:
        return refusal.facts


# Companion seats


@settings(max_examples=300)
@given(choices(rooms("SWCWCwc.", width=8)), st.data())
def test_companion_seats_need_a_bay_of_their_own(case, data):
    places, chosen = case
    owned = data.draw(st.lists(st.sampled_from([place.id for place in places]), unique=True))
    cells, mine = by_cell(places), {*chosen, *owned}
    lone = []
    for seat in places:
        if seat.id not in chosen or seat.category != "companion":
            continue
        bays = set()
        for step in (-1, 1):
            x, passed = seat.x, ["companion"]
            while (near := cells.get((x := x + step, seat.y))) and near.category in SPECIAL:
                if near.category == "companion" and "wheelchair" in passed:
                    break
                passed.append(near.category)
                if near.category == "wheelchair":
                    bays.add(near.id)
        if not bays & mine:
            lone.append(seat.id)
    found = lone_companions(places, chosen, owned=owned)
    assert [place.id for place in found] == lone
