"""Best seats, the gap rule and companion seats, in drawn rooms."""

import pytest

from bookings.seat_choice import (
    CompanionRequired,
    NoSeatsTogether,
    SingleSeatGap,
    alternatives,
    best_available,
    new_gaps,
    places_from,
    refuse_gap,
    refuse_lone_companions,
)
from bookings.seat_choice.companions import lone_companions
from tests.bookings.seat_choice.drawings import canonical, drawn, marked, names, room, seats


def offered(drawing, quantity, *, category=None, accessible=False, gap_rule=True):
    places = room(drawing)
    chosen = best_available(
        places, quantity=quantity, category=category, accessible=accessible, gap_rule=gap_rule
    )
    return drawn(places, chosen)


def instead_of(drawing):
    """Return the rooms with the alternatives chosen, nearest first."""
    places = room(drawing)
    return [drawn(places, ids) for ids in alternatives(places, marked(drawing))]


def gaps_in(drawing):
    places = room(drawing)
    return names(places, new_gaps(places, marked(drawing)))


# Best available


def test_the_best_seats_are_in_the_middle_two_thirds_back():
    empty = """
        ..SSSS..SSSS..
        .SSSSS..SSSSS.
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        PPPPPPPPPPPPPP
    """
    assert offered(empty, 2, category="standard") == canonical("""
        ..SSSS..SSSS..
        .SSSSS..SSSSS.
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSS##..SSSSSS
        SSSSSS..SSSSSS
        PPPPPPPPPPPPPP
    """)
    assert offered(empty, 4, category="premium") == canonical("""
        ..SSSS..SSSS..
        .SSSSS..SSSSS.
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        PPPPP####PPPPP
    """)
    assert offered(empty, 10) == canonical("""
        ..SSSS..SSSS..
        .SSSSS..SSSSS.
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        SSSSSS..SSSSSS
        PP##########PP
    """)


def test_the_middle_is_that_of_each_line_with_its_taken_seats():
    assert offered("sssssSS", 1) == "sssss#S"
    assert offered(
        """
            SSSSS......
            SSSSS......
            sssssssssss
            """,
        1,
    ) == canonical("""
            SSSSS......
            SS#SS......
            sssssssssss
        """)


def test_of_seats_equally_near_the_one_further_back_is_taken_then_the_one_further_left():
    assert offered("SSS\nSSS\nsss\nSSS", 1) == "SSS\nSSS\nsss\nS#S"
    assert offered("SSSS", 1) == "S#SS"
    assert offered("SS.SS", 2) == "##.SS"


def test_a_block_without_a_gap_is_preferred_to_a_nearer_one():
    assert offered("SSSSSSSsSSSsSSSSSSS", 2) == "SSSSS##sSSSsSSSSSSS"
    assert offered("sSSSSSs", 2, gap_rule=False) == "s##SSSs"


def test_a_block_with_a_gap_is_preferred_to_two_parts():
    assert offered(
        """
            sSSSSSs
            sssssss
            SS.SSsS
            SS.SSsS
            """,
        4,
    ) == canonical("""
            s####Ss
            sssssss
            SS.SSsS
            SS.SSsS
        """)


def test_a_party_is_divided_between_neighbouring_lines_that_overlap():
    assert offered(
        """
            sssssss
            SSSssss
            SSSssSS
            sssssSS
            """,
        5,
    ) == canonical("""
            sssssss
            S##ssss
            ###ssSS
            sssssSS
        """)


@pytest.mark.parametrize(
    ("reason", "drawing", "quantity", "nearest"),
    [
        ("nearer blocks, no common column", "sSSsSS\nsSsSSS\nssSsSS", 5, "sSSsSS\nsSs###\nssSs##"),
        ("a nearer part, the other farther", "SSSS\nSSS.", 5, "S##S\n###."),
        ("the larger part in front", "sSSSSs\nSSSS..", 6, "s####s\nS##S.."),
        ("equal: further left", "SS.\nSSS", 4, "##.\n##S"),
        ("equal: another run further left", "SS.SS\nSS.SS", 4, "##.SS\n##.SS"),
        ("equal: more in the back", "s\nsSSS..s\nSSS\ns", 5, "s......\ns##S..s\n###....\ns......"),
        ("equal: further back", "s.\ns.\ns.\nSS\nSS\nSS\ns.", 4, "s.\ns.\ns.\nSS\n##\n##\ns."),
    ],
)
def test_the_nearest_two_parts_are_taken(reason, drawing, quantity, nearest):
    assert offered(drawing, quantity, gap_rule=False) == nearest, reason


@pytest.mark.parametrize(
    ("reason", "drawing", "quantity", "largest"),
    [
        ("a part of one", "SSSs\nsSss", 4, 3),
        ("no common column", "SSSsss\nsssSSS", 5, 3),
        ("a line between", "SSS\nsss\nSSS", 5, 3),
        ("an empty line between", "SSS\n...\nSSS", 5, 3),
        ("two parts in one line", "SSS.SSS", 4, 3),
        ("three parts", "SS\nSS\nSS", 5, 2),
        ("sold out", "ss\nss", 1, 0),
        ("bays and companion seats for nobody else", "WCCW", 1, 0),
    ],
)
def test_no_seats_together_names_the_largest_block(reason, drawing, quantity, largest):
    with pytest.raises(NoSeatsTogether) as refusal:
        best_available(room(drawing), quantity=quantity, gap_rule=False)
    assert refusal.value.facts == {"largest_block": largest}, reason


@pytest.mark.parametrize(
    ("reason", "drawing", "quantity", "largest"),
    [
        ("no bay", "SS\nSS", 4, 0),
        ("a companion seat without its bay", "WSCSS", 3, 2),
        ("two gaps are no bay", "sSSSSSsWW", 3, 2),
    ],
)
def test_no_seats_together_for_an_accessible_party(reason, drawing, quantity, largest):
    with pytest.raises(NoSeatsTogether) as refusal:
        best_available(room(drawing), quantity=quantity, accessible=True, gap_rule=True)
    assert refusal.value.facts == {"largest_block": largest}, reason


def test_an_empty_room_has_no_seats_together():
    with pytest.raises(NoSeatsTogether, match="2 seats together"):
        best_available([], quantity=2, gap_rule=True)
    with pytest.raises(NoSeatsTogether, match="No such seat"):
        best_available([], quantity=1, gap_rule=True)


@pytest.mark.parametrize(
    ("gap_in", "drawing", "quantity", "accessible", "without_the_rule"),
    [
        ("the front part", "sSSSsSSs\nsSSsssss", 4, False, "sS##sSSs\ns##sssss"),
        ("the back part", "sSSsssss\nsSSSsSSs", 4, False, "s##sssss\nsS##sSSs"),
        ("a part of four", "sSSSSSsSSSS\nsSSssssssss", 6, False, "sS####sSSSS\ns##ssssssss"),
        ("a part with a bay", ".SSWSs\nSSs...", 5, True, ".###Ss\n##s..."),
    ],
)
def test_dividing_a_party_does_not_bypass_the_gap_rule(
    gap_in, drawing, quantity, accessible, without_the_rule
):
    sold = offered(drawing, quantity, accessible=accessible, gap_rule=False)
    assert sold == without_the_rule, gap_in
    with pytest.raises(NoSeatsTogether):
        offered(drawing, quantity, accessible=accessible)


@pytest.mark.parametrize(
    ("the_other_has", "drawing", "accessible", "after"),
    [
        ("a gap, too", "sSSSs\nsSSss", False, "s##Ss\ns##ss"),
        ("premium seats", "sSSSsPPs\nsSSsssss", False, "sS##sPPs\ns##sssss"),
        ("another bay", "sSSWsSWs\nssSSssss", True, "sS##sSWs\nss##ssss"),
    ],
)
def test_a_part_is_exempt_from_the_gap_rule_when_no_other_is_like_it(
    the_other_has, drawing, accessible, after
):
    assert offered(drawing, 4, accessible=accessible) == after, the_other_has


@pytest.mark.parametrize(
    ("quantity", "before", "after"),
    [
        (1, "SSWCCSS", "SS#CCSS"),
        (2, "SSWCCSS", "SS##CSS"),
        (3, "SSWCCSS", "SS###SS"),
        (4, "SSWCCSS", "S####SS"),
        (2, "SSSSSSW", "SSSSS##"),
        (2, "WWCC", "W##C"),
        (4, "WWCC", "####"),
        (2, "WCSSSSCW", "##SSSSCW"),
        (2, "WCCWW", "WC##W"),
        (2, "WC" + "." * 40 + "SWS", "##" + "." * 40 + "SWS"),
    ],
)
def test_an_accessible_party_gets_a_bay_and_seats_beside_it(quantity, before, after):
    assert offered(before, quantity, accessible=True) == after


def test_an_accessible_party_may_want_bays_only_or_premium_company():
    assert offered("SWWWC", 2, accessible=True, category="wheelchair") == "S##WC"
    assert offered("PWS", 2, accessible=True, category="premium") == "##S"
    with pytest.raises(NoSeatsTogether):
        best_available(room("PwSS"), quantity=1, accessible=True, gap_rule=True)


def test_a_divided_accessible_party_has_a_bay_too():
    assert offered("SS\nSS\nWC\nss", 4, accessible=True) == "SS\n##\n##\nss"
    assert offered("WWS\nSSW", 5, accessible=True) == "W##\n###"


# No single gap


@pytest.mark.parametrize(
    ("gap", "drawing"),
    [
        ("A2", "sS#SSS"),
        ("A2", "#S#SSS"),
        ("A4", "SS#Ss"),
        ("A2 A4", "sS#Ss"),
        ("A2", "sP#SS"),
        ("A2", "wS#SSS"),
        ("", "S#SSSS"),
        ("", "S.S#SS"),
        ("", "s.S#SS"),
        ("", "sSSSS#"),
        ("", "sW#SSS"),
        ("", "sC#SSS"),
        ("", "sSs#SS"),
        ("", "sSss##"),
        ("", "ss#SSS"),
        ("", "s\nS\n#"),
    ],
)
def test_a_gap_is_a_free_seat_newly_alone_between_two_taken_ones(gap, drawing):
    assert gaps_in(drawing) == gap


@pytest.mark.parametrize(
    ("chosen", "instead"),
    [
        ("sS##SSSS", ["sSS##SSS", "s##SSSSS", "sSSS##SS"]),
        ("sS#SSs", ["s#SSSs", "sSSS#s"]),
        ("SSs#S#SS", ["SSs##SSS", "SSs#SS#S", "SSs#SSS#"]),
        ("sS#PPs", ["s#SPPs"]),
        ("sS#SSS.sS#SSS", ["sSS#SS.sSS#SS", "sSS#SS.s#SSSS", "s#SSSS.sSS#SS"]),
        ("sS#SSS\ns#Ssss", ["sSS#SS\ns#Ssss", "s#SSSS\ns#Ssss", "sSSS#S\ns#Ssss"]),
        ("#S###sS", ["S####sS", "###SSs#", "SS###s#"]),
        ("sS#SSS\nS#SSSS", ["sSS#SS\nS#SSSS", "s#SSSS\nS#SSSS", "sSSS#S\nS#SSSS"]),
    ],
)
def test_alternatives_are_the_nearest_choices_without_a_gap(chosen, instead):
    assert instead_of(chosen) == instead


@pytest.mark.parametrize(
    ("drawing", "chosen", "instead"),
    [
        ("SSSSPS", "A3 A5", ["A4 A5", "A2 A5", "A1 A5"]),
        ("PSPSPS", "A3 A5 A6", ["A3 A4 A5", "A1 A5 A6", "A1 A4 A5"]),
        ("SSSsPS", "A2 A3 A6", ["A1 A2 A3"]),
    ],
)
def test_alternatives_have_as_many_seats_of_each_category(drawing, chosen, instead):
    places = room(drawing)
    assert [names(places, ids) for ids in alternatives(places, seats(places, chosen))] == instead


@pytest.mark.parametrize(
    "exempt",
    [
        "s##Ss",
        "s#Ss",
        "s#S#s",
        "s##SsSs",
        "s##SsPPPP",
    ],
)
def test_a_choice_is_exempt_when_no_other_like_it_is_any_better(exempt):
    assert gaps_in(exempt)
    assert instead_of(exempt) == []


def test_no_alternative_changes_bays_because_of_a_gap():
    places = room("sSWS.WSS")
    assert new_gaps(places, seats(places, "A3")) == seats(places, "A2")
    assert alternatives(places, seats(places, "A3")) == []


def test_a_refusal_names_the_seats_left_alone_and_the_alternatives():
    places = room("sS#SSs")
    with pytest.raises(SingleSeatGap, match="taken ones: A2") as refusal:
        refuse_gap(places, marked("sS#SSs"))
    assert (refusal.value.code, refusal.value.status) == ("single_seat_gap", 422)
    assert refusal.value.facts == {
        "seat_ids": seats(places, "A2"),
        "alternatives": [seats(places, "A2"), seats(places, "A5")],
    }


def test_a_refusal_does_not_name_unavoidable_gaps():
    drawing = "sS#SSs\ns##Ss"
    with pytest.raises(SingleSeatGap) as refusal:
        refuse_gap(room(drawing), marked(drawing))
    assert refusal.value.facts["seat_ids"] == seats(room(drawing), "A2")


@pytest.mark.parametrize("accepted", ["s#SSS", "s##Ss", "S#S"])
def test_a_choice_without_a_gap_or_exempt_is_not_refused(accepted):
    refuse_gap(room(accepted), marked(accepted))


# Companion seats


@pytest.mark.parametrize(
    ("drawing", "chosen", "owned", "lone"),
    [
        ("WCC", "A2 A3", "", "A2 A3"),
        ("WCC", "A1 A3", "", ""),
        ("wCC", "A2 A3", "A1", ""),
        ("CCW", "A1", "A3", ""),
        ("WWCC", "A3", "A1", ""),
        ("WCSCW", "A2", "A5", "A2"),
        ("WSC", "A1 A3", "", "A3"),
        ("W.C", "A1 A2", "", "A2"),
        ("W\nC", "A1 B1", "", "B1"),
        ("WCCW", "A2 A3", "A4", ""),
        ("CC", "A1", "", "A1"),
        ("WSS", "A1 A2", "", ""),
        ("WC", "A1", "", ""),
    ],
)
def test_companion_seats_belong_to_the_bays_beside_them(drawing, chosen, owned, lone):
    places = room(drawing)
    found = lone_companions(places, seats(places, chosen), owned=seats(places, owned))
    assert " ".join(map(str, found)) == lone


def test_a_lone_companion_seat_is_refused_by_name():
    places = room("WCC")
    refuse_lone_companions(places, seats(places, "A1 A2"), owned=[])
    with pytest.raises(CompanionRequired, match="A2") as refusal:
        refuse_lone_companions(places, seats(places, "A2"), owned=[])
    assert (refusal.value.code, refusal.value.status) == ("companion_required", 422)
    assert refusal.value.facts == {"seat_ids": seats(places, "A2")}


# Places


def test_places_keep_the_cells_of_their_layout():
    (place,) = places_from([(7, "A", 1, 4, 0, "premium", True)])
    assert (place.id, place.x, place.y, place.category, place.free) == (7, 4, 0, "premium", True)
    assert str(place) == "A1"


@pytest.mark.parametrize("cell", [(None, None), (None, 3), (9, None)])
def test_if_one_seat_lacks_its_cell_all_are_placed_by_row_and_number(cell):
    places = places_from(
        [
            (1, "AA", 1, *cell, "standard", True),
            (2, "B", 2, 7, 5, "standard", True),
            (3, "B", 1, 9, 0, "standard", True),
            (4, "A", 1, 8, 3, "standard", False),
        ]
    )
    assert [(place.id, place.x, place.y) for place in places] == [
        (1, 1, 2),
        (2, 2, 1),
        (3, 1, 1),
        (4, 1, 0),
    ]


def test_a_party_is_not_divided_between_sections_whose_seats_lack_their_cells():
    places = places_from(
        (4 * y + x, row, x + 1, None, None, "standard", row in ("B", "Balcony A"))
        for y, row in enumerate(["A", "B", "Balcony A", "Balcony B"])
        for x in range(4)
    )
    assert [place.y for place in places[::4]] == [0, 1, 3, 4]
    with pytest.raises(NoSeatsTogether):
        best_available(places, quantity=6, gap_rule=False)
