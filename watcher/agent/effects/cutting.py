"""The next chunk of an open file, with the hash of everything that is sent up to its end."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO

from watcher.agent.effects.open_file import opened_of
from watcher.content import split
from watcher.core.acts import Cut, Piece
from watcher.core.errors import NotWhole, Unfit
from watcher.disk import files


def cut(act: Cut) -> Piece:
    """Cut the next chunk, or the one that went out before, byte for byte; hash everything up to its end.

    Raises what the act says.
    """
    opened = opened_of(act.found)
    content, route = opened.content, act.found.route
    file, opening = content.file, content.opening
    with files.blame(opened.folder, opened.path.name):
        try:
            if act.end is not None:
                chunk = split.exactly(file, act.start, act.end, opening)
            elif content.cuttable:
                chunk = split.cut(
                    file, act.start, act.limit, opening, max_record=route.max_record, count=route.split
                )
            else:
                chunk = split.whole(file, act.start, route.max_json, opening)
        except Unfit:
            opened.check()  # raises `NotWhole`: what was found may be half of what is being written
            raise
        digest = act.before.digest.copy() if act.before else _hashed(file, act.start)
    # The bytes sent are those that were inspected, all of them.
    digest.update(chunk.raw)
    if not chunk.raw or chunk.end > content.size or chunk.last != (chunk.end == content.size):
        raise NotWhole
    if chunk.last and digest.hexdigest() != content.sha256:
        raise NotWhole
    return Piece(chunk, digest)


def _hashed(file: BinaryIO, end: int) -> Any:
    """Return the hash of the first `end` bytes."""
    digest, left = hashlib.sha256(), end
    file.seek(0)
    while left and (block := file.read(min(split.READ_BYTES, left))):
        digest.update(block)
        left -= len(block)
    return digest
