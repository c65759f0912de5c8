"""Pure: the formats of JSON Schema (`format: date-time`), each as its RFC has it.

The package jsonschema checks most of them only with further packages, and passes them by without.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlsplit

_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_IS_TIME = re.compile(_TIME, re.ASCII)
_IS_DATE_TIME = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt ]{_TIME}", re.ASCII)
_IS_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_IS_DURATION = re.compile(
    r"P(?:\d+W|(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)", re.ASCII
)
_IS_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_IS_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_IS_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _date_time(text: str) -> bool:
    return bool(_IS_DATE_TIME.fullmatch(text)) and _date(text[:10])


def _date(text: str) -> bool:
    return bool(_IS_DATE.fullmatch(text)) and bool(date.fromisoformat(text))


def _uri(text: str) -> bool:
    return bool(urlsplit(text).scheme) and text.isascii() and " " not in text


# Each says whether a text is of its format, or raises ValueError or re.error.
CHECKS: Mapping[str, Callable[[str], object]] = {
    "date-time": _date_time,
    "date": _date,
    "time": _IS_TIME.fullmatch,
    "duration": _IS_DURATION.fullmatch,
    "email": _IS_EMAIL.fullmatch,
    "hostname": _IS_HOSTNAME.fullmatch,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "regex": re.compile,
    "uri": _uri,
    "uuid": _IS_UUID.fullmatch,
}
