"""Movies, screens and price cards as tables: exported to and imported from spreadsheets.

A row refers to an existing object by its `id`, or without one by its natural key; otherwise it
is new. Either all rows are imported or none.
"""
