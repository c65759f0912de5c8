"""Pure but for rich's texts: a table that fits the terminal, in columns where there is room, else beneath.

In a pipe or a file there is always room: every value stands in its column, whole.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

Row = Sequence[object]  # None is an empty cell; whole numbers go to the right; a `Text` brings its colour
GAP, INDENT = 2, 4  # columns between two columns; before what stands beneath
SHORTEST_NAME = 12  # columns: less of a name says nothing
LONGEST_EXTENSION = 16
_NOTHING: Mapping[str, str] = {}


def cut_name(name: str, width: int) -> str:
    """Return `name` in at most `width` columns of a terminal: cut in its middle, never in its extension.

    >>> cut_name("agent_events_of_the_day_of_rest.csv", 20)
    'agent_eve…f_rest.csv'
    """
    if cell_len(name) <= width:
        return name
    stem, dot, extension = name.rpartition(".")
    extension = dot + extension
    if not stem or len(extension) > min(LONGEST_EXTENSION, width // 2):  # no extension, just a dot
        stem, extension = name, ""
    room = max(width - cell_len(extension) - 1, 0)
    tail = stem[::-1]
    return set_cell_size(stem, room - room // 2) + "…" + set_cell_size(tail, room // 2)[::-1] + extension


def laid_out(
    columns: Sequence[str],
    rows: Sequence[Row],
    width: int,
    *,
    names: Sequence[str] = (),
    beneath: Mapping[str, str] = _NOTHING,
) -> list[Text]:
    """Return the lines of a table of at most `width` columns, as far as that can be.

    `names`: the columns that may be cut, as names are; `beneath`: those that stand in lines of their own
    below their row where there is no room beside it, each with the words that go before its value.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    shown = list(range(len(columns)))
    below: list[int] = []
    widths = _widths(columns, texts)
    if _total(widths, shown) > width and beneath:
        below = [index for index in shown if columns[index] in beneath]
        shown = [index for index in shown if index not in below]
    _narrow(widths, shown, [index for index in shown if columns[index] in names], width)
    right = {index for index in shown if rows and all(isinstance(row[index], int) for row in rows)}
    lines = [_line([Text(name) for name in columns], shown, widths, right)]
    for row in texts:
        lines.append(_line(row, shown, widths, right))
        for index in below:
            if row[index].plain:
                lines += _beneath(beneath[columns[index]], row[index], width)
    return lines


def _text(cell: object) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text("" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell))


def _widths(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> list[int]:
    return [
        max([cell_len(name), *(row[index].cell_len for row in rows)]) for index, name in enumerate(columns)
    ]


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] for index in shown) + GAP * (len(shown) - 1)


def _narrow(widths: list[int], shown: Sequence[int], names: Sequence[int], width: int) -> None:
    """Take from the widest column of names, a bit at a time, until the table fits."""
    while _total(widths, shown) > width and names:
        widest = max(names, key=lambda index: widths[index])
        if widths[widest] <= SHORTEST_NAME:
            return
        widths[widest] -= 1


def _line(row: Sequence[Text], shown: Sequence[int], widths: Sequence[int], right: set[int]) -> Text:
    line = Text()
    for index in shown:
        plain, style = row[index].plain, row[index].style
        if cell_len(plain) > widths[index]:
            plain = cut_name(plain, widths[index])
        blanks = " " * (widths[index] - cell_len(plain))
        line.append(" " * GAP if line.plain or index != shown[0] else "")
        if index in right:
            line.append(blanks)
        line.append(plain, style)
        if index not in right and index != shown[-1]:
            line.append(blanks)
    line.rstrip()
    return line


def _beneath(words: str, value: Text, width: int) -> list[Text]:
    lines = textwrap.wrap(words + value.plain, max(width - INDENT, SHORTEST_NAME), break_on_hyphens=False)
    return [Text(" " * INDENT + line, value.style) for line in lines]
