"""Pure: the hashes of a file's first and last line, for the receipt; two short reads, however large it is."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

STEP_BYTES = 1 << 16


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
