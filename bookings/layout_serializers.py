"""The JSON of a show's layout. `bookings.room_layout` builds it."""

from typing import Any

from rest_framework import serializers

from catalog.models import SeatCategory

Out = serializers.Serializer[Any]


class AreaSerializer(Out):
    """A rectangle of cells: `x` and `y` are its first cell."""

    x = serializers.IntegerField()
    y = serializers.IntegerField(min_value=-1, help_text="-1 in front of the first row.")
    width = serializers.IntegerField(min_value=0, help_text="0 in a room without seats.")
    height = serializers.IntegerField(min_value=1)


class PointSerializer(Out):
    """A point, in cells: the centre of the first cell is 0, 0."""

    x = serializers.FloatField()
    y = serializers.FloatField()


class LayoutSectionSerializer(Out):
    """A section that has a name, such as a balcony."""

    name = serializers.CharField()
    y = serializers.IntegerField(help_text="Its first line.")
    height = serializers.IntegerField(min_value=1, help_text="Its number of lines.")


class LayoutRowSerializer(Out):
    row = serializers.CharField(help_text="As in the seat map, e.g. `Balcony A`.")
    label = serializers.CharField(  # type: ignore[assignment] # DRF stores fields elsewhere
        help_text="Without the section, e.g. `A`."
    )
    section = serializers.CharField(allow_blank=True, help_text="Empty if it has no name.")
    x = serializers.IntegerField(help_text="Its leftmost seat.")
    y = serializers.IntegerField()
    width = serializers.IntegerField(min_value=1, help_text="From its first to its last seat.")


class LayoutSeatSerializer(Out):
    """A seat, seen from behind the last row, so that the screen is in front."""

    id = serializers.IntegerField()
    row = serializers.CharField(help_text="As in the seat map, e.g. `Balcony A`.")
    number = serializers.IntegerField()
    category = serializers.ChoiceField(
        SeatCategory.choices, help_text="`wheelchair` is a bay for a wheelchair."
    )
    x = serializers.IntegerField()
    y = serializers.IntegerField()
    aisle_left = serializers.IntegerField(
        min_value=1,
        help_text="Its position from the nearest aisle on the left, or from the end of the row:"
        " 1 for the seat at the aisle.",
    )
    aisle_right = serializers.IntegerField(
        min_value=1, help_text="Its position from the nearest aisle on the right, or from the end."
    )
    left_seat_id = serializers.IntegerField(
        allow_null=True, help_text="The seat next to it; null at an aisle or the end of the row."
    )
    right_seat_id = serializers.IntegerField(allow_null=True)
    bay_ids = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="For a companion seat: the wheelchair bays. One must be booked with the seat.",
    )
    companion_ids = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="For a wheelchair bay: its companion seats.",
    )


class LayoutSerializer(Out):
    """The seats of a show as a client draws them, without anything that sales change.

    Positions are cells: `x` grows to the right and `y` from the screen to the back. If a seat of
    the show has no position in the seat map, all seats are placed by row and number here.
    """

    show_id = serializers.IntegerField()
    fingerprint = serializers.CharField(
        help_text="Changes with the layout. It is also `layout_fingerprint` of the show and the"
        " header `Layout-Fingerprint` of its seat map."
    )
    width = serializers.IntegerField(help_text="Cells from 0 to the rightmost seat.")
    height = serializers.IntegerField(help_text="Lines from 0 to the last row.")
    screen = AreaSerializer(help_text="In front of the first row, as wide as the seats.")
    focal_point = PointSerializer(
        help_text="The middle of the room, two thirds of the way to the back. The best available"
        " seats are those nearest to it."
    )
    sections = LayoutSectionSerializer(many=True)
    rows = LayoutRowSerializer(many=True, help_text="From the screen to the back.")
    aisles = AreaSerializer(many=True, help_text="Areas between seats.")
    seats = LayoutSeatSerializer(
        many=True, help_text="From the screen to the back, and from left to right."
    )
