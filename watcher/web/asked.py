"""What somebody asks for on the page, and what they are told: apart from how it comes and goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

Told = tuple[int, str]  # an HTTP status, and words


class BrokenOff(Exception):
    """The connection ended before the body of the request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for."""

    action: str  # retry, withdraw, upload
    name: str  # of the file
    by: str  # the address
    length: str = ""  # bytes that are to come, as the request says
    key: str = ""  # of the file that was shown, where several may have the name: `chosen`
    pieces: AsyncIterator[bytes] | None = None  # raises `BrokenOff`
