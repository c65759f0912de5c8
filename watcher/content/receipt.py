"""Pure: what there is to tell of a file once it is sent: how many records, which ones not, what was changed;
and the hashes of its first and last line, two short reads, however large it is."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from watcher.content.bad_records import line_list
from watcher.content.content import Content
from watcher.core.model import Receipt
from watcher.core.names import counted

STEP_BYTES = 1 << 16


def receipt_of(content: Content) -> Receipt:
    """Return what there will be to tell once it is sent."""
    changes = content.changes.words or None
    if not content.bad:
        return Receipt(0, records=content.records, changes=changes)
    number = counted(content.records + content.bad, "record")
    return Receipt(
        0, records=content.records,
        reason=f"{content.bad:,} of {number} set aside: {content.problems[0]}",
        what_to_do="mend the records in this file, and copy it into the drop folder",
        lines=line_list(content.bad_lines),
        problems=content.problems,
        changes=changes,
    )  # fmt: skip


def line_digests(file: BinaryIO) -> tuple[str, str]:
    """Return the SHA-256 of the first and of the last line, in hex, each with its line end.

    They are what `head -n 1 FILE | sha256sum` and `tail -n 1 FILE | sha256sum` print.
    """
    return _first(file), _last(file)


def _first(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.readline(STEP_BYTES):
        digest.update(piece)
        if piece.endswith(b"\n"):
            break
    return digest.hexdigest()


def _last(file: BinaryIO) -> str:
    end = file.seek(0, io.SEEK_END)
    start = max(0, end - 1)  # the line break at the very end ends the last line, and begins none
    while start > 0:
        begin = max(0, start - STEP_BYTES)
        file.seek(begin)
        found = file.read(start - begin).rfind(b"\n")
        if found >= 0:
            start = begin + found + 1
            break
        start = begin
    file.seek(start)
    digest = hashlib.sha256()
    while piece := file.read(STEP_BYTES):
        digest.update(piece)
    return digest.hexdigest()
