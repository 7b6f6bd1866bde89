"""The table in the terminal, drawn by rich."""

import sys

from . import _display
from ._errors import require
from ._judge import UNCLEAR

# Piped output has no width of its own: nothing is left out or cut into lines.
PIPE_WIDTH = 1000

GAP = 2
SHORT = {UNCLEAR: "not clear"}


def print_comparison(comparison):
    """Print the table, what its columns mean, the advice and the notes to standard output."""
    console = _console()
    console.print(_table(comparison, console.width))
    prose = {} if console.is_terminal else {"soft_wrap": True}
    console.print()
    for line in comparison.explanation:
        console.print(line, style="dim", **prose)
    console.print()
    console.print(comparison.advice, style="bold", **prose)
    for note in comparison.notes:
        console.print(f"Note: {note}", style="dim", **prose)


def _console():
    """A console that takes text as it is."""
    console = require("rich.console", "The table").Console
    plain = {"highlight": False, "markup": False, "emoji": False}
    return console(**plain) if sys.stdout.isatty() else console(**plain, width=PIPE_WIDTH)


def _table(comparison, width):
    rich = require("rich.table", "The table")
    box = require("rich.box", "The table").SIMPLE_HEAD
    text = require("rich.text", "The table").Text
    columns, rows = fitting(_display.columns(comparison), _display.rows(comparison), width)
    table = rich.Table(box=box, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for column in columns:
        justify = "right" if column.is_number else "left"
        table.add_column(column.title, justify=justify, vertical="bottom", no_wrap=True)
    for row in rows:
        style = "bold" if row[0] == comparison.chosen.name else ""
        table.add_row(*(text(cell, style=style) for cell in row))
    return table


def fitting(columns, rows, width):
    """The table in at most `width` characters, as far as it can be made to fit.

    Titles are set in two lines, then long cells are shortened, then columns of the highest rank
    are left out.
    """
    if _width(columns, rows) > width:
        columns = [column._replace(title=column.title.replace(" ", "\n")) for column in columns]
        rows = [[SHORT.get(cell, cell) for cell in row] for row in rows]
    while _width(columns, rows) > width and any(column.rank for column in columns):
        last = max(range(len(columns)), key=lambda i: columns[i].rank)
        columns = [*columns[:last], *columns[last + 1 :]]
        rows = [[*row[:last], *row[last + 1 :]] for row in rows]
    return columns, rows


def _width(columns, rows):
    titles = [max(map(len, column.title.split("\n"))) for column in columns]
    cells = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return sum(map(max, titles, cells)) + GAP * (len(columns) - 1)
