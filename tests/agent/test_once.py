"""`watcher run --once`: what counts as progress, and when its patience is at an end."""

from __future__ import annotations

from tests.made import made_row
from watcher.agent.once import Once
from watcher.core.events import ChunkSent, Claimed
from watcher.core.model import FileState


def test_what_is_sent_again_from_the_start_is_no_progress() -> None:
    """A file that never comes to its end, under one new token after the other, does not keep it up."""
    now = 0.0
    once = Once(10.0, lambda: now)
    row = made_row(FileState.SENDING, id=7)

    once.hear(Claimed(row))
    now = 1.0
    once.hear(ChunkSent(row, 0, 100, last=False))
    now = 2.0
    once.hear(ChunkSent(row, 0, 100, last=False))
    assert once.gives_up_at(0.0) == 11.0

    now = 4.0
    once.hear(ChunkSent(row, 100, 200, last=False))
    once.hear(ChunkSent(made_row(FileState.SENDING, id=8), 0, 100, last=False))
    assert once.gives_up_at(0.0) == 14.0
