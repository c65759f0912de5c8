"""The journal's file: readers beside a writer, damage, newer versions, faults of the disk."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from watcher.core.errors import ConfigError, Outside
from watcher.core.model import Claim, Fingerprint, Row
from watcher.core.steps import Ready, Sending
from watcher.journal.schema import MIGRATIONS
from watcher.journal.sqlite import SqliteJournal

LOOK = Fingerprint(device=1, inode=2, size=1000, mtime_ns=3)


def seen(journal: SqliteJournal, name: str = "a.csv") -> Row:
    """A new row, of a file that is about to be claimed."""
    claim = Claim(name, LOOK, "/w/t/a.csv", "t", "r", None, "drop", "2026-11-23T19:24:39.000Z")
    [row] = journal.claim([claim])
    return row


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """A new journal."""
    opened = SqliteJournal(tmp_path)
    yield opened
    opened.close()


def test_a_reader_works_beside_an_open_writer_and_changes_nothing(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    [row] = journal.apply([Ready(seen(journal))])
    reader = SqliteJournal(tmp_path, readonly=True)

    assert reader.history() == [row]
    assert reader.agent_id == journal.agent_id
    with pytest.raises(Outside, match="readonly"):
        seen(reader)
    [later] = journal.apply([Sending(row, 0, 0, 9, "ab", "d")])
    assert reader.history() == [later]
    reader.close()


def test_a_reader_of_a_folder_without_a_journal_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no journal yet"):
        SqliteJournal(tmp_path, readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_take_turns(journal: SqliteJournal, tmp_path: Path) -> None:
    """`watcher upload` writes beside the running agent."""
    other = SqliteJournal(tmp_path)
    rows = [seen(each, name) for name, each in zip("abcd", (journal, other) * 2, strict=True)]

    assert other.history() == journal.history() == rows[::-1]
    assert len({row.id for row in rows}) == 4
    other.close()


def test_the_journal_is_for_its_owner_alone(journal: SqliteJournal, tmp_path: Path) -> None:
    seen(journal)

    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM files")  # now SQLite's own rollback journal is there as well
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
        other.rollback()
    assert modes == {"journal.db": "0o600", "journal.db-journal": "0o600"}


def test_every_commit_is_durable_and_readable_by_whoever_may_read_the_file(journal: SqliteJournal) -> None:
    """Not WAL: there a reader needs write permission, and a commit may be lost with the power."""
    [mode] = journal._database.query("PRAGMA journal_mode")
    [synchronous] = journal._database.query("PRAGMA synchronous")

    assert (mode[0], synchronous[0]) == ("truncate", 2)


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def replaced_by_text(path: Path) -> None:
    path.write_bytes(b"this is a letter to the management\n" * 200)


def of_a_newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


@pytest.mark.parametrize(
    ("harm", "words", "readonly"),
    [
        (damaged, "is damaged", False),
        (truncated, "is damaged", False),
        (replaced_by_text, "is damaged", False),
        (replaced_by_text, "is damaged", True),
        (of_a_newer_version, "newer", False),
        (of_a_newer_version, "newer", True),
    ],
)
def test_a_journal_that_cannot_be_trusted_is_refused_and_not_touched(
    harm: Callable[[Path], None], words: str, readonly: bool, tmp_path: Path
) -> None:
    """A reader checks no pages, but what it can see at once it refuses as well."""
    first = SqliteJournal(tmp_path)
    for number in range(30):
        seen(first, name=f"{number}.csv" * 20)
    first.close()
    harm(tmp_path / "journal.db")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(ConfigError, match=words) as caught:
        SqliteJournal(tmp_path, readonly=readonly)
    assert "nothing was touched" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_journal_that_a_crash_left_empty_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch(0o600)

    journal = SqliteJournal(tmp_path)
    assert journal.history() == []
    seen(journal)
    journal.close()


def without_its_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def without_its_file(folder: Path) -> None:
    (folder / "journal.db").unlink()


def with_another_file(folder: Path) -> None:
    shutil.copyfile(folder / "journal.db", folder / "copy")
    (folder / "copy").replace(folder / "journal.db")


def with_an_older_one(folder: Path) -> None:
    with_another_file(folder)
    with closing(sqlite3.connect(folder / "journal.db")) as older:
        older.execute("DELETE FROM files")
        older.commit()


def with_an_empty_one(folder: Path) -> None:
    without_its_file(folder)
    SqliteJournal(folder).close()


def with_no_journal(folder: Path) -> None:
    without_its_file(folder)
    (folder / "journal.db").write_text("what is this?")


GONE, REPLACED = ("moved away, or removed", "bring journal.db back"), ("replaced", "restart")


@pytest.mark.parametrize(
    ("harm", "reason", "check"),
    [
        (without_its_folder, *GONE),
        (without_its_file, *GONE),
        (with_an_older_one, *REPLACED),
        (with_an_empty_one, *REPLACED),
        (with_no_journal, *REPLACED),
    ],
)
def test_a_journal_that_is_gone_or_another_one_holds_the_state_folder_until_it_is_back(
    harm: Callable[[Path], None], reason: str, check: str, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    journal = SqliteJournal(folder)
    row = seen(journal)
    os.link(folder / "journal.db", tmp_path / "kept")
    harm(folder)

    for _ in range(2):
        with pytest.raises(Outside) as caught:
            journal.apply([Ready(row)])
        assert str(caught.value.target) == f"folder {folder}"
        assert reason in caught.value.reason
        assert check in caught.value.check
    assert journal.under_way("drop") == [row]
    folder.mkdir(exist_ok=True)
    (tmp_path / "kept").replace(folder / "journal.db")
    [after] = journal.apply([Ready(row)])
    journal.close()
    with closing(SqliteJournal(folder, readonly=True)) as reader:
        assert reader.history() == [after]


def test_a_journal_that_a_copy_of_it_replaced_is_reopened_and_goes_on(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    row = seen(journal)
    with_another_file(tmp_path)

    with pytest.raises(Outside):
        journal.apply([Ready(row)])
    [after] = journal.apply([Ready(row)])

    journal.close()
    with closing(SqliteJournal(tmp_path, readonly=True)) as reader:
        assert reader.history() == [after]


def test_a_state_folder_that_is_away_is_outside_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Outside):
        SqliteJournal(tmp_path / "away")
    assert not (tmp_path / "away").exists()


def test_a_journal_of_an_older_version_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(MIGRATIONS[0] + ";PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO files (name, origin, source, state, push_token, device, inode, size, mtime_ns,"
            " started_at) VALUES (CAST('a.csv' AS BLOB), 'drop', CAST('/w/a.csv' AS BLOB), 'done', 't', '1',"
            " '2', 3, '4', '2026-11-23T19:24:39.000Z')"
        )
        old.commit()

    with pytest.raises(ConfigError, match="of an older version"):
        SqliteJournal(tmp_path, readonly=True)
    journal = SqliteJournal(tmp_path)
    reader = SqliteJournal(tmp_path, readonly=True)

    assert [(row.name, row.state, row.outcome.problems) for row in reader.history()] == [
        ("a.csv", "done", ())
    ]
    assert seen(journal).id == 2
    reader.close()
    journal.close()


def test_rows_of_version_4_get_an_owner_and_their_packed_lists_are_unpacked(tmp_path: Path) -> None:
    """Tokens had blanks between them, problems line ends; whoever is under way goes on."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as old:
        for migration in MIGRATIONS[:4]:
            assert isinstance(migration, str)
            old.executescript(migration)
        old.execute("PRAGMA user_version = 4")
        old.execute("INSERT INTO meta VALUES ('agent_id', 'agent-of-old')")
        for state, sending_to, problems, tokens in (
            ("sending", 9, None, "t1 t2"),
            ("failed", None, 'line 3: "\u00fc" is no number\nline 7: [x]', None),
        ):
            old.execute(
                "INSERT INTO files (name, origin, source, state, push_token, device, inode, size, mtime_ns,"
                " started_at, sending_to, problems, earlier_tokens) VALUES (CAST('a' AS BLOB), 'drop',"
                " CAST('/w/a' AS BLOB), ?, 't', '1', '2', 3, '4', '2026-11-23T19:24:39.000Z', ?, ?, ?)",
                (state, sending_to, problems, tokens),
            )
        old.commit()

    with closing(SqliteJournal(tmp_path)) as journal:
        failed, sending = journal.history()
        assert journal.agent_id == failed.owner == sending.owner == "agent-of-old"
        assert (sending.upload.earlier_tokens, sending.upload.sends) == (("t1", "t2"), 1)
        assert sending.outcome.problems == ()
        assert failed.outcome.problems == ('line 3: "\u00fc" is no number', "line 7: [x]")
        assert (failed.upload.earlier_tokens, failed.upload.sends) == ((), 0)
        assert journal.under_way("drop") == [sending]
        [again] = journal.apply([Sending(sending, 0, 0, 9, "ab", "d")])
        assert again.upload.sends == 2


def test_an_agents_own_id_is_made_once(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as first, closing(SqliteJournal(tmp_path)) as second:
        assert first.agent_id == second.agent_id
        assert first.agent_id.startswith("agent-")
