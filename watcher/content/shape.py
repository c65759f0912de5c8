"""Pure: records as an export has them to records as the route's `columns` have them. Rows in, rows out.

A batch is shaped column by column; only where a field in it is bad each record is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watcher.content.columns import Row, problem_of
from watcher.content.convert import Converter, Unreadable
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route
from watcher.core.names import listed, shown


@dataclass(frozen=True, slots=True)
class _Making:
    """How the fields of one column come about."""

    column: Column
    place: str  # in the file, for people
    sources: tuple[int, ...]  # from 0; (): a constant, or a column that is not there
    converter: Converter
    constant: str = ""


class Shaper:
    """Shapes the records of one file; with a header, `header` comes before all else."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._columns = route.columns
        self._converters = [Converter(column.shape) for column in route.columns]
        self._makings: list[_Making] = []
        self._pick: Callable[[Sequence[Sequence[str]], int], list[Sequence[str]]]
        self.width: int | None = None  # fields of each record as they are looked at
        self.least = 0  # fields that no record may lack
        self.exact = True  # more fields are bad; else they are left out
        self.dropped: tuple[str, ...] = ()  # columns that are left out, by name
        if route.header == "none":
            self._without_header()

    @property
    def places(self) -> list[str]:
        """What each column that goes out is called in a problem."""
        return [making.place for making in self._makings]

    def header(self, names: Row, line: int) -> None:
        """Find the columns in the header, which begins on `line`. Raises `Unfit`."""
        plain = [name.strip() for name in names]
        found: list[tuple[int, ...]] = []
        missing: list[str] = []
        for column in self._columns:
            sources, lacks = _places(column, plain)
            if twice := [plain[at] for at in sources if plain.count(plain[at]) > 1]:
                _refuse_twice(column, twice[0], line)
            missing += lacks
            found.append(sources)
        if missing:
            raise _missing(missing, plain, line)
        unused = sorted(set(range(len(plain))) - {at for sources in found for at in sources})
        named = tuple(plain[at] or f"column {at + 1}, which has no name" for at in unused)
        if unused and self._route.others == "fail":
            raise Unfit(
                f"line {line}: the route does not name: {listed(named)}",
                what_to_do="add them to `columns`; `others: drop` of the route leaves them out",
                line=line,
            )
        self.dropped, self.width = named, len(plain)
        self._make(found, lambda at: f"column {at + 1} ({shown(plain[at])})")

    def columns(self, fields: Sequence[Sequence[str]], number: int) -> list[Sequence[str]]:
        """Return what goes out of `number` records, both column by column. Raises `Unreadable`."""
        made: list[Sequence[str]] = []
        for making in self._makings:
            match making.sources:
                case ():
                    made.append([making.constant] * number)
                case (at,):
                    made.append(making.converter.many(fields[at]))
                case several:
                    joined = map(" ".join, zip(*(fields[at] for at in several), strict=True))
                    made.append(making.converter.many(list(map(str.strip, joined))))
        return made

    def row(self, row: Row) -> tuple[list[str], list[str]]:
        """Return what goes out of one record of the right width, and what is wrong with it."""
        made, problems = [], []
        for making in self._makings:
            value = " ".join(row[at] for at in making.sources)
            try:
                made.append(making.converter.one(value) if making.sources else making.constant)
            except Unreadable as error:
                problems.append(problem_of(making.place, value, str(error)))
        return made, problems

    def fitted(self, row: Row) -> Row | None:
        """Return a record with as many fields as there are looked at; None where it has too few, or too
        many."""
        width = self.width or 0
        if len(row) == width:
            return row
        if len(row) > width:
            return None if self.exact else row[:width]
        return [*row, *[""] * (width - len(row))] if len(row) >= self.least else None

    def misfit(self, row: Row) -> str:
        """Say what is wrong with the number of fields of a record that does not fit."""
        width = self.width or 0
        if len(row) > width:
            behind = not any(row[width:]) and len(row) == width + 1
            hint = "; the line ends with a delimiter: `trailing_delimiter: true`" if behind else ""
            return f"{len(row)} fields where there are {width} columns{hint}"
        last = next(making for making in self._makings if making.sources and max(making.sources) >= len(row)
                    and not making.column.shape.optional)  # fmt: skip
        needed = f"{last.column.name} is not `optional: true`"
        return f"{len(row)} fields where there are {width} columns, and {needed}"

    def _without_header(self) -> None:
        from_file = [column for column in self._columns if column.shape.value is None]
        numbered = any(column.shape.sources for column in from_file)
        own = {id(column): (at,) for at, column in enumerate(from_file)}
        found: list[tuple[int, ...]] = []
        for column in self._columns:
            numbers = tuple(int(source) - 1 for source in column.shape.sources)
            found.append(numbers if numbered else own.get(id(column), ()))
        self.width = 1 + max((at for sources in found for at in sources), default=-1)
        self.exact = self._route.others == "fail"
        self._make(found, lambda at: f"column {at + 1}")

    def _make(self, found: Sequence[tuple[int, ...]], called: Callable[[int], str]) -> None:
        for column, sources, converter in zip(self._columns, found, self._converters, strict=True):
            shape = column.shape
            constant = shape.value if shape.value is not None else shape.default or ""
            places = " and ".join(
                called(at).removeprefix("column " if nth else "") for nth, at in enumerate(sources)
            )
            place = f"{places} as {column.name}" if sources else f"column {column.name}"
            self._makings.append(_Making(column, place, sources, converter, constant))
        needed = [at for making in self._makings if not making.column.shape.optional for at in making.sources]
        self.least = 1 + max(needed, default=-1)


def _places(column: Column, names: Sequence[str]) -> tuple[tuple[int, ...], list[str]]:
    """Return where the fields of a column stand, and what is missing of it."""
    shape = column.shape
    if shape.value is not None:
        return (), []
    places, lacks = [], []
    for source in shape.sources or (column.name,):
        at = source - 1 if isinstance(source, int) else _place(source, names, folded=not shape.sources)
        if at is None or at >= len(names):
            lacks.append(str(source))
        else:
            places.append(at)
    if lacks and shape.optional:
        return (), []
    return tuple(places), lacks


def _place(source: str, names: Sequence[str], *, folded: bool) -> int | None:
    """Return the place of a name; `folded`: it is the column's own name, whose case does not count."""
    wanted = source.strip()
    if folded:
        wanted, names = wanted.casefold(), [name.casefold() for name in names]
    return names.index(wanted) if wanted in names else None


def _refuse_twice(column: Column, name: str, line: int) -> None:
    """Raise `Unfit` for a name that stands there twice, unless the column is told by its number."""
    if not all(isinstance(source, int) for source in column.shape.sources or ("",)):
        raise Unfit(
            f"line {line}: the header has more than one column {shown(name)}",
            what_to_do=f"give the number of the one that is meant: `from: 3` for the column {column.name}",
            line=line,
        )


def _missing(missing: Sequence[str], names: Sequence[str], line: int) -> Unfit:
    there = listed([name for name in names if name])
    return Unfit(
        f"line {line}: the header has no column {listed(missing)}; it has {there}",
        what_to_do="correct `from` of the route's columns, or export the file with them; `optional: true`"
        " lets a column be missing",
        line=line,
    )
