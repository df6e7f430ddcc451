"""An invented programme: movies, theatres and rooms that look like real ones."""

from decimal import Decimal
from typing import NamedTuple


class DemoMovie(NamedTuple):
    title: str
    duration_minutes: int
    certificate: str
    language: str
    genres: list[str]
    description: str


class DemoTheatre(NamedTuple):
    name: str
    location: str
    timezone: str
    currency: str
    prices: dict[str, Decimal]  # by seat category


def _prices(standard: str, premium: str, wheelchair: str, companion: str) -> dict[str, Decimal]:
    return {
        "standard": Decimal(standard),
        "premium": Decimal(premium),
        "wheelchair": Decimal(wheelchair),
        "companion": Decimal(companion),
    }


THEATRES = (
    DemoTheatre(
        "Lantern Picture House",
        "12 Harbour Street, Bristol",
        "Europe/London",
        "GBP",
        _prices("9.50", "13.00", "7.00", "7.00"),
    ),
    DemoTheatre(
        "Donaulichtspiele",
        "Praterkai 4, Vienna",
        "Europe/Vienna",
        "EUR",
        _prices("11.00", "14.50", "8.00", "8.00"),
    ),
    DemoTheatre(
        "Orpheum on Ninth",
        "909 Ninth Avenue, New York",
        "America/New_York",
        "USD",
        _prices("15.00", "19.50", "12.00", "12.00"),
    ),
    DemoTheatre(
        "Southern Star Cinema",
        "3 Esplanade, Hobart",
        "Australia/Hobart",
        "AUD",
        _prices("19.00", "25.00", "15.00", "15.00"),
    ),
    DemoTheatre(
        "Cine Ipiranga Novo",
        "Rua das Palmeiras 220, São Paulo",
        "America/Sao_Paulo",
        "BRL",
        _prices("34.00", "46.00", "17.00", "17.00"),
    ),
    DemoTheatre(
        "Table Bay Bioscope",
        "41 Kloof Road, Cape Town",
        "Africa/Johannesburg",
        "ZAR",
        _prices("95.00", "130.00", "75.00", "75.00"),
    ),
    DemoTheatre(
        "Marigold Talkies",
        "7 Lake View Road, Kolkata",
        "Asia/Kolkata",
        "INR",
        _prices("220.00", "350.00", "180.00", "180.00"),
    ),
    DemoTheatre(
        "Aurora Kino",
        "Strandgata 18, Tromsø",
        "Europe/Oslo",
        "NOK",
        _prices("145.00", "185.00", "110.00", "110.00"),
    ),
)

ROOMS = (
    """\
A   ..SSSSS...SSSSS..
B   .SSSSSS...SSSSSS.
C   SSSSSSS...SSSSSSS
D   SSSSSSS...SSSSSSS

E   WC..SSS...SSS..CW
F   SSSSSSS...SSSSSSS
G   SSSSSSS...SSSSSSS
H   SSSSSSS...SSSSSSS
J   PPPPPPP...PPPPPPP
K   PPPPPPP...PPPPPPP
""",
    """\
A   ...SSSS..SSSSSSSS..SSSS...
B   ..SSSSS..SSSSSSSS..SSSSS..
C   .SSSSSS..SSSSSSSS..SSSSSS.
D   SSSSSSS..SSSSSSSS..SSSSSSS
E   SSSSSSS..SSSSSSSS..SSSSSSS

F   WC...SS..SSSSSSSS..SS...CW
G   SSSSSSS..SSSSSSSS..SSSSSSS
H   SSSSSSS..SSSSSSSS..SSSSSSS
J   SSSSSSS..SSSSSSSS..SSSSSSS
K   PPPPPPP..PPPPPPPP..PPPPPPP
L   PPPPPPP..PPPPPPPP..PPPPPPP
M   .PPPPPP..PPPPPPPP..PPPPPP.
""",
    """\
A   .SSSSSSSS.
B   SSSSSSSSSS
C   SSSSSSSSSS
D   WC.SSSSSSS
E   SSSSSSSSSS
F   PPPPPPPPPP
""",
    """\
A   ....SSSSSS..SSSSSSSSSS..SSSSSS....
B   ...SSSSSSS..SSSSSSSSSS..SSSSSSS...
C   ..SSSSSSSS..SSSSSSSSSS..SSSSSSSS..
D   .SSSSSSSSS..SSSSSSSSSS..SSSSSSSSS.
E   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS
F   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS

G   WCCW...SSS..SSSSSSSSSS..SSS...WCCW
H   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS
J   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS
K   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS
L   SSSSSSSSSS..SSSSSSSSSS..SSSSSSSSSS

M   PPPPPPPPPP..PPPPPPPPPP..PPPPPPPPPP
N   PPPPPPPPPP..PPPPPPPPPP..PPPPPPPPPP
""",
)

MOVIES = (
    DemoMovie(
        "The Salt Cartographer",
        128,
        "PG-13",
        "en",
        ["Adventure", "Drama"],
        "A mapmaker is hired to draw a coast that moves, and learns who profits from its moving.",
    ),
    DemoMovie(
        "Eleven Minutes to Midday",
        97,
        "R",
        "en",
        ["Thriller"],
        "A train dispatcher hears her own voice on the emergency line, eleven minutes from now.",
    ),
    DemoMovie(
        "Der letzte Leuchtturm",
        112,
        "PG",
        "de",
        ["Drama"],
        "Two sisters inherit a lighthouse, a debt, and a guest who will not leave.",
    ),
    DemoMovie(
        "Bolt and the Paper Dragon",
        88,
        "G",
        "en",
        ["Animation", "Family"],
        "A workshop robot folds a friend out of old blueprints, and the wind takes an interest.",
    ),
    DemoMovie(
        "Monsoon Ledger",
        146,
        "PG-13",
        "hi",
        ["Crime", "Drama"],
        "A retired accountant finds a murder in a column that adds up too well.",
    ),
    DemoMovie(
        "A Quiet Orbit",
        134,
        "PG-13",
        "en",
        ["Science Fiction"],
        "The last repair crew of a space mirror has one long night to decide who gets the sun.",
    ),
    DemoMovie(
        "Tango for Two Left Feet",
        101,
        "PG",
        "es",
        ["Comedy", "Romance"],
        "A bus driver and a judge are paired by mistake at the city's worst dancing school.",
    ),
    DemoMovie(
        "The Understudy's Revenge",
        109,
        "PG-13",
        "en",
        ["Comedy", "Mystery"],
        "On opening night everybody in the cast has a motive, and nobody has learned the lines.",
    ),
    DemoMovie(
        "Hundred Acre Static",
        93,
        "R",
        "en",
        ["Horror"],
        "A radio engineer restores a farm transmitter that has been answering for forty years.",
    ),
    DemoMovie(
        "Nordlicht Express",
        118,
        "PG",
        "no",
        ["Adventure", "Family"],
        "Three children and a runaway conductor chase a sleeping car to the edge of winter.",
    ),
    DemoMovie(
        "Copper Kings",
        155,
        "R",
        "en",
        ["Western", "Drama"],
        "Two rival foremen must run one mine when the owners vanish with the payroll.",
    ),
    DemoMovie(
        "The Bee Whisperer",
        84,
        "G",
        "en",
        ["Documentary"],
        "A year among beekeepers who read the weather, the soil and each other by ear.",
    ),
    DemoMovie(
        "Segunda Marea",
        106,
        "PG-13",
        "es",
        ["Drama", "Romance"],
        "When the tide gives back a wreck, a fishing village gives back an old promise.",
    ),
    DemoMovie(
        "Overtime at the Moon Hotel",
        99,
        "PG",
        "en",
        ["Comedy", "Science Fiction"],
        "The night porter of a failing resort hides a stowaway from the strictest inspector alive.",
    ),
    DemoMovie(
        "Glass Harbour",
        123,
        "R",
        "en",
        ["Crime", "Thriller"],
        "A customs diver keeps one parcel for herself and is followed by what was inside.",
    ),
    DemoMovie(
        "L'Horloger de Minuit",
        115,
        "PG",
        "fr",
        ["Fantasy", "Drama"],
        "A watchmaker can mend an hour of anybody's life, at the price of one of his own.",
    ),
    DemoMovie(
        "Kickabout",
        92,
        "PG",
        "en",
        ["Family", "Sport"],
        "A street team with nine players and one pair of boots enters a league by accident.",
    ),
    DemoMovie(
        "The Ninth Translation",
        138,
        "PG-13",
        "en",
        ["Mystery", "Thriller"],
        "Eight translators of one short letter are dead; the ninth has begun with the last word.",
    ),
    DemoMovie(
        "Rua do Sol",
        103,
        "PG-13",
        "pt",
        ["Drama", "Music"],
        "A street of rival bands has one summer to save its only rehearsal room.",
    ),
    DemoMovie(
        "Iron Petals",
        131,
        "R",
        "ja",
        ["Action"],
        "A florist with a past closes early on the day that her old clan orders a wreath.",
    ),
    DemoMovie(
        "Small Gods of the Ring Road",
        90,
        "PG",
        "en",
        ["Fantasy", "Comedy"],
        "Every roundabout has a deity, and the council has just voted for traffic lights.",
    ),
    DemoMovie(
        "The Long Way to Breakfast",
        95,
        "G",
        "en",
        ["Animation", "Comedy"],
        "A rooster who overslept walks around the world to be on time for once.",
    ),
    DemoMovie(
        "Winter Quarters",
        141,
        "PG-13",
        "en",
        ["Drama", "History"],
        "A travelling circus and a field hospital share one barn until the snow melts.",
    ),
    DemoMovie(
        "Signal Lost, Signal Found",
        107,
        "PG-13",
        "ko",
        ["Science Fiction", "Romance"],
        "Two operators on far ends of a dying network talk in the gaps between outages.",
    ),
)


def numbered(base: str, index: int, kinds: int) -> str:
    """Name the `index`-th thing of a series that has `kinds` names of its own, then counts."""
    return base if index < kinds else f"{base} {index // kinds + 1}"
