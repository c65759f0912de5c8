"""The settings of what is in a CSV file: `columns` and `lines` of a route."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from watcher.core.expressions import line_expression
from watcher.core.shape import Lines, Shape
from watcher.settings.setting_types import Count, Duration, Model, Pattern, Text, TimeZone, Truth, named
from watcher.settings.wrong import WRONG, where_known

Kind = Literal["text", "integer", "number", "utc_time", "uuid", "one_of", "pattern"]
TIME_WORDS = ("epoch", "epoch_ms", "excel")
_MOST_COLUMNS = 100_000  # what is between them is gone through one by one
# Keys that say what is made of a field: of one field one thing is made.
_MAKING = ("map", "time", "duration", "decimal")
# That each part of a time survives: a format with %I needs %p, one with %d needs %m.
_NO_WHOLE_DATE = "names no whole date; it needs day, month and year (%d, %m and %Y)"
_PROBES = (datetime(2021, 11, 23, 15, 42, 57), datetime(1998, 2, 3, 4, 5, 6))  # noqa: DTZ001 - of no zone


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _source(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('must be the name of a column in the header, such as "Agent Name", or its number')
    if (isinstance(value, str) and not value.strip()) or (isinstance(value, int) and value < 1):
        raise ValueError("must be the name of a column in the header, or its number from 1")
    if isinstance(value, int) and value > _MOST_COLUMNS:
        raise ValueError(f"is more than {_MOST_COLUMNS:,}, which no header has; write the column's number")
    return value


def _time_format(value: str) -> str:
    if value in TIME_WORDS:
        return value
    if "%" not in value:
        known = ", ".join(TIME_WORDS)
        raise ValueError(f'must be a format such as "%d/%m/%Y %H:%M:%S", or one of {known}')
    if "%Z" in value:
        raise ValueError("names of time zones (%Z) are not clear; leave that out, and set timezone")
    for probe in _PROBES:
        # Not asked of strptime: from Python 3.15 on it takes no day without a year.
        if probe.strftime(value) == probe.replace(year=probe.year + 4).strftime(value):
            raise ValueError(_NO_WHOLE_DATE)
        try:
            found = datetime.strptime(probe.strftime(value), value)  # noqa: DTZ007 - of no zone
        except ValueError as error:
            raise ValueError(f"is no format of a time: {error}; see Python's strptime") from None
        if found.date() != probe.date():
            raise ValueError(_NO_WHOLE_DATE)
        if "%I" in value and found.hour != probe.hour:
            raise ValueError("has hours from 1 to 12 (%I); it needs %p as well, or %H instead")
    return value


def _some_pattern(value: str) -> str:
    if not value:
        raise ValueError("matches every line; fill it in, or remove it")
    try:
        line_expression(value)
    except (ValueError, re.error) as error:
        raise ValueError(f"is no regular expression: {error}; put it in single quotes") from error
    return value


LinePattern = Annotated[str, AfterValidator(_some_pattern)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
Source = Annotated[str | int, BeforeValidator(_source)]
OneOrMany = BeforeValidator(_as_list)


class LinesSettings(Model):
    """Which lines of a file are records: `lines` of a route."""

    header: LinePattern | None = None
    footer: LinePattern | None = None
    comment: Annotated[str, Field(min_length=1)] | None = None
    header_lines: Annotated[Count, Field(ge=1, le=10)] = 1

    @property
    def lines(self) -> Lines:
        """As the content has it."""
        return Lines(self.header, self.footer, self.comment, self.header_lines)


class ColumnSettings(Model):
    """One item of a route's `columns`."""

    name: Text
    kind: Annotated[Kind | None, Field(alias="is")] = None
    required: Truth = False
    one_of: tuple[str, ...] = ()
    pattern: Pattern = ""
    not_future: Duration | None = None
    not_older: Duration | None = None
    source: Annotated[tuple[Source, ...], OneOrMany, Field(alias="from")] = ()
    value: str | None = None
    map: dict[str, str] = Field(default={})
    time: Annotated[tuple[TimeFormat, ...], OneOrMany] = ()
    timezone: TimeZone | None = None
    ambiguous: Literal["earlier", "later"] | None = None
    duration: Annotated[tuple[Literal["H:MM:SS", "MM:SS"], ...], OneOrMany] = ()
    decimal: Literal[",", "."] | None = None
    default: str | None = None
    optional: Truth = False

    @model_validator(mode="before")
    @classmethod
    def _rule_within(cls, data: Any) -> Any:
        """`is: {one_of: [...]}` is the same as `one_of: [...]`."""
        rule = data.get("is") if isinstance(data, dict) else None
        taken = {key for key in data if data[key] is not WRONG} if isinstance(rule, dict) else set()
        if isinstance(rule, dict) and len(rule) == 1 and set(rule) <= {"one_of", "pattern"} - taken:
            return rule | {key: data[key] for key in data if key != "is"}
        return data

    @model_validator(mode="after")
    @where_known
    def _fits_together(self) -> Self:
        for key in ("one_of", "pattern"):
            if key in self.model_fields_set and not getattr(self, key):
                raise ValueError(f"{key} is empty; fill it in, or remove it")
            if getattr(self, key) and self.kind not in (None, "text", key):
                raise ValueError(f"{key} and is: {self.kind} contradict each other; remove one")
            if self.kind == key and not getattr(self, key):
                raise ValueError(f"is: {key} needs {key}: …")
        if self.one_of and self.pattern:
            raise ValueError("give either one_of or pattern")
        if self.kind != "utc_time" and (self.not_future is not None or self.not_older is not None):
            raise ValueError("not_future and not_older need is: utc_time")
        return self

    @model_validator(mode="after")
    @where_known
    def _can_be_made(self) -> Self:
        making = [key for key in _MAKING if getattr(self, key)]
        if len(making) > 1:
            raise ValueError(f"{' and '.join(making)}: of a field one thing is made; remove all but one")
        for key in ("from", *_MAKING, "default", "optional"):
            if self.value is not None and getattr(self, "source" if key == "from" else key):
                raise ValueError(
                    f"value is the same for all records, and {key} is of no use then; remove one"
                )
        if "" in self.map:
            raise ValueError("map names an empty field; what becomes of those is said by default")
        local = [each for each in self.time if not each.startswith("epoch") and "%z" not in each]
        if local and self.timezone is None:
            raise ValueError(
                "time needs timezone: Europe/Prague, or that of the clock that wrote them, which may be UTC"
            )
        for key in ("timezone", "ambiguous"):
            if getattr(self, key) is not None and not self.time:
                raise ValueError(f'{key} needs time: "%d/%m/%Y %H:%M:%S", or however the export writes it')
        return self

    @property
    def rule(self) -> Kind:
        """What its fields must be, whichever key says so."""
        if self.one_of or self.pattern:
            return "one_of" if self.one_of else "pattern"
        return self.kind or "text"

    @property
    def shape(self) -> Shape:
        """Where its fields come from, and what is made of them."""
        return Shape(
            sources=self.source,
            value=self.value,
            mapped=tuple(self.map.items()),
            times=self.time,
            timezone=self.timezone,
            ambiguous=self.ambiguous,
            durations=self.duration,
            decimal=self.decimal,
            default=self.default,
            optional=self.optional,
        )


ColumnItem = Annotated[ColumnSettings, BeforeValidator(named)]
