"""The kinds of values that settings have: what is taken, what is refused, and with which words.

Each check raises ValueError with the remedy; the key and the line come from `config`.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from watcher.core.expressions import expression
from watcher.core.units import byte_count, seconds, seconds_with_unit
from watcher.settings.strict_yaml import TRUTHS, Given
from watcher.settings.wrong import WRONG


def _whole_number(value: object) -> object:
    """Take a number, or a variable's text; Python has True for 1, and pydantic "2" and 2.0 for 2."""
    if isinstance(value, Given) and re.fullmatch(r"[-+]?[0-9]{1,18}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number" + _bare(value, r"[0-9]+"))
    return value


def _number(value: object) -> object:
    if isinstance(value, Given) and re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?", value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number such as 200" + _bare(value, r"[0-9.]+"))
    return value


def _truth(value: object) -> object:
    if isinstance(value, Given):
        value = TRUTHS.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("must be true or false" + _bare(value, "true|false|yes|no|on|off"))
    return value


def _bare(value: object, sound: str) -> str:
    """Return the remedy for a value that is sound but for its quotes."""
    quoted = isinstance(value, str) and not isinstance(value, Given) and re.fullmatch(sound, value.lower())
    return "; take the quotes away" if quoted else ""


def home_problem(path: str) -> str:
    """Say what is wrong with a path that begins with `~`, or "": shells fill that in, we do not."""
    if not path.startswith("~"):
        return ""
    return "begins with ~, which is no home folder here; write the whole path"


def _some_path(value: object) -> object:
    if isinstance(value, str) and not value.strip():  # which `Path` takes for the folder that it is in
        raise ValueError("is empty; write a path")
    return value


def _absolute(value: Path, info: ValidationInfo) -> Path:
    if any(ord(char) < 32 for char in str(value)):
        raise ValueError(
            "has a control character in it; a Windows path in double quotes needs single ones: 'C:\\new'"
        )
    if words := home_problem(str(value)):
        raise ValueError(words)
    base: Path = (info.context or {}).get("base", Path())
    return Path(os.path.abspath(base / value))  # noqa: PTH100 - resolve() would follow links


def web_url(value: str) -> str:
    """Return a URL as the settings have it. Raises ValueError with the remedy."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no port
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", value) or re.search(r"[?#@]", value):
        raise ValueError("must be a URL such as https://host or https://host:port")
    if re.search(r"\{(?!tenant\})", value):
        raise ValueError("may hold {tenant}, and no other name in braces")
    return value.rstrip("/")


def kinds(annotation: Any) -> Iterator[type]:
    """Yield the types in a type: those in `tuple[Annotated[ColumnSettings, ...], ...] | None`, say."""
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from kinds(part)


def _proxy(value: SecretStr) -> SecretStr:  # it may hold a password
    if not re.fullmatch(r"https?://[!-~]+", value.get_secret_value()):
        raise ValueError("must be a URL such as http://proxy:3128 or http://user:password@proxy:3128")
    return value


def _journal_url(value: SecretStr) -> SecretStr:  # it may hold a password
    if not re.fullmatch(r"postgres(ql)?://[!-~]+", value.get_secret_value()):
        raise ValueError(
            "must be a URL such as postgresql://user@host/database, with %20 and the like for odd characters;"
            " without this key the journal is in the state folder"
        )
    return value


def _some_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("is empty; is the environment variable filled in?")
    return value


def header_text(value: str) -> str:
    """Return a text that can go into a header, as it is. Raises ValueError with the remedy."""
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("goes into a request header: plain ASCII text without line breaks")
    return value


def _plain_path(value: str) -> str:
    if not value.startswith("/") or not re.fullmatch(r"[!-~]+", value) or re.search(r"[?#]", value):
        raise ValueError("must begin with / and hold neither blanks nor a query (use params for that)")
    return value


def _content_type(value: str) -> str:
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(\s*;[ -~]*)?", value, re.ASCII):
        raise ValueError("must be a content type such as text/csv or application/json")
    charset = re.search(r";\s*charset\s*=\s*\"?([^;\"\s]*)", value, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise ValueError("names another charset than UTF-8, in which every file is sent; remove it")
    return value


def _marker(value: str) -> str:
    marker = "{name}" + value if value.startswith(".") and "{" not in value else value
    if (
        marker.count("{name}") + marker.count("{stem}") != 1
        or marker == "{name}"
        or re.search(r"[/\\]", marker)
    ):
        raise ValueError(
            "must hold {name} or {stem} once, such as '{name}.ok', or be an ending such as '.ok'; no folder"
        )
    return marker


def _delimiter(value: str) -> str:
    one = len(value) == 1 and value.isascii() and not value.isalnum() and value not in '"\r\n \0'
    if not one and value != "auto":
        raise ValueError('must be one character such as ",", ";" or "\\t" (in double quotes), or auto')
    return value


def _escape(value: str) -> str:
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in '"\r\n \t\0,;|':
        raise ValueError("must be one character: \"\\\\\" (in double quotes) or '\\' (in single ones)")
    return value


def _codec(value: str) -> str:
    try:
        found = codecs.lookup(value)
        if not getattr(found, "_is_text_encoding", True):  # as open() asks
            raise LookupError
        "a".encode(value)
    except (LookupError, UnicodeError):
        raise ValueError("is no text encoding that Python knows; cp1252, utf-16-le, ... are") from None
    if found.name in ("utf-16", "utf-32"):
        raise ValueError(
            f"needs no setting with a byte order mark; without one, say {value}-le or {value}-be"
        )
    if found.name in ("idna", "punycode", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape"):
        raise ValueError("is no encoding of text files; cp1252, utf-16-le, ... are")
    return value


def named(value: object) -> object:
    """Take a bare text for an item that has nothing but a name."""
    if isinstance(value, int | float):
        raise ValueError("must be text; put it in quotes")
    return {"name": value} if isinstance(value, str) else value


def _some_text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _timeout(value: float) -> float:
    if value > 86_400:  # sockets wait for some weeks at most, and a request waits several times as long
        raise ValueError("is more than a day; write a shorter time, such as 60s")
    return value


def _pattern(value: str) -> str:
    try:
        expression(value, dot_all=True)
    except ValueError as error:
        raise ValueError(f"is no regular expression: {error}; put it in single quotes") from error
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # a folder of the database, a path out of it, a name not in it
        raise ValueError(
            "is no time zone that this machine knows; it must be a name such as Europe/Prague (if all names"
            " are unknown here: pip install tzdata)"
        ) from None
    return value


def _key_path(value: str) -> str:
    if not all(name.strip() for name in value.split(".")):
        raise ValueError("must be a name, or names with a point between them, such as data.conversations")
    return value


# What people write in the settings, for the JSON Schema, and what the manual calls it.
_DURATION = WithJsonSchema({"type": ["string", "number"], "x-kind": "duration"})
_LONG_DURATION = WithJsonSchema({"type": "string", "x-kind": "duration with its unit"})
_SIZE = WithJsonSchema({"type": ["string", "integer"], "x-kind": "size"})

Duration = Annotated[float, BeforeValidator(seconds), _DURATION]
LongDuration = Annotated[float, BeforeValidator(seconds_with_unit), _LONG_DURATION]
Count = Annotated[int, BeforeValidator(_whole_number)]
Number = Annotated[float, BeforeValidator(_number)]
Truth = Annotated[bool, BeforeValidator(_truth)]
Size = Annotated[int, BeforeValidator(byte_count), _SIZE]
FolderPath = Annotated[Path, BeforeValidator(_some_path), AfterValidator(_absolute)]
WebUrl = Annotated[str, AfterValidator(web_url)]
HeaderText = Annotated[str, AfterValidator(header_text)]
Secret = Annotated[SecretStr, AfterValidator(_some_secret)]
JournalUrl = Annotated[SecretStr, AfterValidator(_journal_url)]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
UrlPath = Annotated[str, AfterValidator(_plain_path)]
ContentType = Annotated[str, AfterValidator(_content_type)]
Marker = Annotated[str, AfterValidator(_marker)]
Delimiter = Annotated[str, AfterValidator(_delimiter)]
Escape = Annotated[str, AfterValidator(_escape)]
Codec = Annotated[str, AfterValidator(_codec)]
# Where nothing, or blanks alone, makes no sense.
Text = Annotated[str, Field(min_length=1), AfterValidator(_some_text)]
Timeout = Annotated[Duration, Field(gt=0), AfterValidator(_timeout)]
Pattern = Annotated[str, AfterValidator(_pattern)]
KeyPath = Annotated[str, AfterValidator(_key_path)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Model(BaseModel):
    """Frozen; unknown keys are errors; errors do not quote values, for one may be a secret.

    `WRONG` is taken for a value of any kind, and for a section.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _or_wrong(cls, data: Any, handler: Callable[[Any], Any]) -> Any:
        return data if data is WRONG else handler(data)

    @field_validator("*", mode="wrap")
    @classmethod
    def _each_or_wrong(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        return value if value is WRONG else handler(value)
