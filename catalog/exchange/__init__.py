"""Movies, screens and price cards as tables: exported to a spreadsheet, and taken back from one.

A row names an existing object by its `id`, or without one by what people know
it by; else it is new. All rows are taken, or none.
"""

from catalog.exchange.tables import TABLES, Change, Table
from catalog.exchange.taking import Flaw, Outcome, preview, take

__all__ = ["TABLES", "Change", "Flaw", "Outcome", "Table", "preview", "take"]
