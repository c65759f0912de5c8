"""File names are data: how they are shown, stamped, shortened and compared.

Pure, and knows nothing of folders. Names are `str` as `os.scandir` gives them: bytes that are not UTF-8
arrive as surrogates (PEP 383), which `print`, SQLite and log files refuse, so `shown` goes in between.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime

# Linux, macOS and Windows all allow 255 per name (bytes on Linux, so bytes are what we count).
LONGEST_NAME_BYTES = 255

LONGEST_EXTENSION = 16

REPORT_SUFFIX = ".error.txt"


def shown(text: str) -> str:
    """Return `text` for people: control characters and undecodable bytes as escapes, on one line.

    >>> shown("a\\nb")
    'a\\\\nb'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # PEP 383: one raw byte
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def folded(name: str) -> str:
    """Return `name` for comparison: NFC and case-folded, as people on Windows and macOS expect."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def stamped(name: str, now: datetime, *, serial: int = 1) -> str:
    """Return `name` with a UTC stamp before its extension, for a target name that is taken.

    `agent_events.csv` becomes `agent_events.20261123T192439Z.csv`; `serial` above 1 adds `-2`, `-3`, ...
    """
    return next(stamped_names(name, now, serial=serial))


def stamped_names(name: str, now: datetime, *, serial: int = 1) -> Iterator[str]:
    """Yield `name` with a stamp: once, or, where it gets too long, cut in all ways, the first of which leaves
    out the end of its stem, the last the beginning."""
    stem, extension = os.path.splitext(name)
    if is_compressed(name):  # `.csv.gz`: the name of what is in it must still match its route
        stem, inner = os.path.splitext(stem)
        extension = inner + extension
    if len(extension) > LONGEST_EXTENSION:  # no extension, just a dot: it must not push the stem out
        stem, extension = name, ""
    more = f"-{serial}" if serial > 1 else ""
    suffix = f".{now:%Y%m%dT%H%M%SZ}{more}{extension}"
    yield fitted(stem, suffix)
    if _fits(stem + suffix):
        return
    for end in range(len(stem) - 1, 0, -1):
        start = end
        while start > 0 and not _fits(stem[:start] + stem[end:] + suffix):
            start -= 1
        if _fits(shorter := stem[:start] + stem[end:] + suffix):
            yield shorter


def _fits(name: str) -> bool:
    return len(os.fsencode(name)) <= LONGEST_NAME_BYTES


# As `stamped` makes them: the stamp, then an extension, and of a compressed file another one before it.
_STAMPED = re.compile(
    r"(?P<stem>.+)\.(?:\d{8}T\d{6}Z)(?:-[1-9]\d*)?(?P<extension>(?:\.[^.]+){0,2})", re.DOTALL | re.ASCII
)


def unstamped(name: str) -> str:
    """Return `name` without the stamps that `stamped` gave it; a name without any as it is.

    >>> unstamped("agent_events.20261123T192439Z-2.csv")
    'agent_events.csv'
    """
    while match := _STAMPED.fullmatch(name):
        stem, extension = match.group("stem", "extension")
        if extension.count(".") > 1 and not is_compressed(extension):
            break  # a stamp stands right before the extension
        name = stem + extension
    return name


_UNGUESSABLE = re.compile(r"[-.][1-9]\d{19}(?!\d)", re.ASCII)


def is_unguessable(name: str) -> bool:
    """Say whether a name has a random number of 20 digits, as ours have where nothing but that keeps a move
    from overwriting: nobody else comes upon it."""
    return _UNGUESSABLE.search(name) is not None


def report_name(name: str) -> str:
    """Return the name of the error report that belongs to the failed file `name`; where not all of that fits
    into it, it has a digest of it, for others may differ in nothing but what is cut."""
    if _fits(name + REPORT_SUFFIX):
        return name + REPORT_SUFFIX
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return fitted(name, f".{digest}{REPORT_SUFFIX}")


def is_half_copied(name: str) -> bool:
    """Say whether `name` is one that our own copies have until they are whole."""
    return name.startswith(".") and name.endswith(".part")


def is_compressed(name: str) -> bool:
    """Say whether a file of this name is taken for a compressed one."""
    return name.casefold().endswith((".gz", ".zip"))


def is_zip(name: str) -> bool:
    """Say whether a file of this name is taken for a zip."""
    return name.casefold().endswith(".zip")


def inner_name(name: str) -> str:
    """Return the name that a compressed file's own name gives to what is in it: `a.csv.gz` to `a.csv`."""
    return name.rpartition(".")[0] if is_compressed(name) else name


# What Windows takes in no name (a colon leads to another drive, or into a file), and what ends a path.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)


def is_portable(name: str) -> bool:
    """Say whether Windows too has files of this name, and shows it whole."""
    is_cut = name != name.strip(" .") and not name.startswith(".")
    is_odd = _NOT_IN_NAMES.search(name) or _DEVICES.fullmatch(name)
    return bool(name) and name.isprintable() and not is_cut and not is_odd


def is_usable(name: str) -> bool:
    """Say whether a file of ours may have a name that others chose, in a zip, say: one that every file system
    takes, and that is neither hidden nor that of a report."""
    is_hidden = name.startswith(".") or folded(name).endswith(REPORT_SUFFIX)
    return is_portable(name) and not is_hidden and not is_too_long(name)


def is_too_long(name: str) -> bool:
    """Say whether no file system takes a name, for its length, or this machine has no bytes for it."""
    try:
        return not _fits(name)
    except UnicodeEncodeError:  # where names are not UTF-8
        return True


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 chunk`, `1,234 chunks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some_of(names: Sequence[str], number: int, most: int = 5) -> str:
    """Return the first names of so many, for people: `a.csv, b.csv and 3 more`."""
    told = [shown(name) for name in names[:most]]
    more = f" and {number - len(told):,} more" if number > len(told) else ""
    return ", ".join(told) + more


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names for people, the first so many of them: `a, b, …`."""
    return ", ".join(map(shown, names[:most])) + (", …" if len(names) > most else "")


def fitted(stem: str, suffix: str) -> str:
    """Return `stem + suffix`, cut so that the whole is a name every file system takes: the stem first."""
    while not _fits(stem + suffix):
        stem, suffix = (stem[:-1], suffix) if stem else ("", suffix[:-1])
    return stem + suffix
