"""Taking a file over from the part of another agent's work folder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from watcher.core.errors import Outside
from watcher.disk import files
from watcher.disk.others import fetch


def test_a_file_that_was_away_for_a_moment_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = tmp_path / "agent-1" / "token", tmp_path / "agent-2"
    theirs.mkdir(parents=True)
    (theirs / "a.csv").write_text("a,1\n")

    def away(old: Path, _new: Path) -> None:
        raise FileNotFoundError(errno.ENOENT, "not there", str(old))

    with monkeypatch.context() as patch:
        patch.setattr(files, "rename_in", away)
        with pytest.raises(Outside, match="agent-1"):
            fetch(ours, "token")
    fetch(ours, "token")

    assert (ours / "token" / "a.csv").read_text() == "a,1\n"
    assert list(theirs.parent.iterdir()) == []


def test_a_file_is_found_with_whoever_fetched_it_before(tmp_path: Path) -> None:
    elsewhere = tmp_path / "agent-3" / "token"
    elsewhere.mkdir(parents=True)
    (tmp_path / "agent-1").mkdir()
    (elsewhere / "a.csv").write_text("a,1\n")

    fetch(tmp_path / "agent-2", "token")

    assert (tmp_path / "agent-2" / "token" / "a.csv").read_text() == "a,1\n"
