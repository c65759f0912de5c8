"""One process per state folder: real locks, and real processes that hold and lose them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.left_over import nothing_left_over
from watcher.core.errors import ConfigError, Outside
from watcher.disk.files import replace_private
from watcher.journal.lock import Lock, is_held

if sys.platform != "win32":
    import fcntl

NAME = "agent.lock"
posix = pytest.mark.skipif(sys.platform == "win32", reason="flock and limits are POSIX")
LONG = 10.0  # seconds of real time to wait for what must happen
HOLDER = """
import sys; from pathlib import Path; from watcher.journal.lock import Lock
with Lock(Path(sys.argv[1]), "agent.lock", holder="another agent"):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start a process that holds the lock until a line comes."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=LONG)


def take(folder: Path, holder: str = "an agent") -> Lock:
    return Lock(folder, NAME, holder=holder)


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        take(folder)
    return str(caught.value)


def test_a_second_holder_is_refused_and_told_who_has_it(
    tmp_path: Path, hold: Callable[[], subprocess.Popen[str]]
) -> None:
    process = hold()

    words = refusal(tmp_path)

    assert f"(process {process.pid})" in words
    assert str(tmp_path) in words
    assert "stop it first" in words


def test_the_same_process_is_refused_as_well_and_only_until_the_release(tmp_path: Path) -> None:
    with take(tmp_path):
        assert f"an agent (process {os.getpid()}) is running" in refusal(tmp_path)

    with take(tmp_path):
        pass


def test_two_names_are_two_locks(tmp_path: Path) -> None:
    with take(tmp_path), Lock(tmp_path, "upload.lock", holder="an upload"):
        assert is_held(tmp_path, NAME)
        assert is_held(tmp_path, "upload.lock")


@posix
def test_a_lock_file_that_was_removed_lets_no_second_agent_in(
    tmp_path: Path, hold: Callable[[], subprocess.Popen[str]]
) -> None:
    hold()
    (tmp_path / NAME).unlink()

    assert is_held(tmp_path, NAME)
    assert "is running with the state folder" in refusal(tmp_path)
    assert not (tmp_path / NAME).exists()
    (tmp_path / NAME).write_text("1\n")  # and put back from a copy
    assert is_held(tmp_path, NAME)
    assert "is running with the state folder" in refusal(tmp_path)


@posix
def test_whoever_locks_the_folder_as_older_versions_did_is_seen_as_well(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("w") as older:
        fcntl.flock(older, fcntl.LOCK_EX)
        assert is_held(tmp_path, NAME)
        assert "is running" in refusal(tmp_path)
    assert not is_held(tmp_path, NAME)


def test_a_process_that_is_killed_leaves_no_lock(
    tmp_path: Path, hold: Callable[[], subprocess.Popen[str]]
) -> None:
    process = hold()
    assert is_held(tmp_path, NAME)

    os.kill(process.pid, signal.SIGKILL)
    process.wait(LONG)

    assert not is_held(tmp_path, NAME)
    with take(tmp_path):
        assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"


def test_a_shorter_process_id_leaves_no_digits_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("99999999999\nmore\n")

    with take(tmp_path):
        assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", [b"", b"\xff\x00\x1b[2J\n123"])
def test_a_damaged_process_id_does_not_reach_the_terminal(tmp_path: Path, text: bytes) -> None:
    with take(tmp_path):
        (tmp_path / NAME).write_bytes(text)
        assert refusal(tmp_path).isprintable()


def test_a_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = take(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    assert child.stdout is not None
    child.stdout.readline()

    lock.release()

    assert not is_held(tmp_path, NAME)
    child.communicate(b"\n", timeout=LONG)


def test_the_lock_survives_that_its_file_is_opened_and_closed_elsewhere(tmp_path: Path) -> None:
    """POSIX locks would be lost here."""
    with take(tmp_path):
        (tmp_path / NAME).read_bytes()
        with (tmp_path / NAME).open("r+b"):
            pass
        assert is_held(tmp_path, NAME)

        assert "is running" in refusal(tmp_path)


def test_a_lock_is_not_held_where_there_is_no_file_or_no_holder(tmp_path: Path) -> None:
    assert not is_held(tmp_path, NAME)
    assert not is_held(tmp_path / "missing", NAME)
    take(tmp_path).release()
    assert not is_held(tmp_path, NAME)
    assert not list(tmp_path.parent.glob("missing"))


@posix
def test_looking_takes_no_notice_of_others_that_look(tmp_path: Path) -> None:
    take(tmp_path).release()

    with (tmp_path / NAME).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # another `watcher status`, in the middle of its look
        assert not is_held(tmp_path, NAME)


@posix
def test_an_agent_that_starts_waits_out_the_instant_of_a_look(tmp_path: Path) -> None:
    take(tmp_path).release()
    with (tmp_path / NAME).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        over = threading.Timer(0.1, other.close)
        over.start()

        with take(tmp_path):
            assert is_held(tmp_path, NAME)
        over.join(LONG)


def test_looking_all_the_time_keeps_no_agent_from_starting(tmp_path: Path) -> None:
    over, free = threading.Event(), threading.Event()
    take(tmp_path).release()

    def look() -> None:
        while not over.is_set():
            if not is_held(tmp_path, NAME):
                free.set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(20):
            take(tmp_path).release()
        assert free.wait(LONG), "the looks saw nothing but a lock that is held"
    finally:
        over.set()
        thread.join(LONG)


def test_looking_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    with take(tmp_path), nothing_left_over():
        for _ in range(20):
            is_held(tmp_path, NAME)
        refusal(tmp_path)


@posix
def test_a_full_disk_is_outside_and_leaves_the_lock_free(tmp_path: Path) -> None:
    script = """
import resource, sys; from pathlib import Path
from watcher.core.errors import Outside; from watcher.journal.lock import Lock, is_held
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try: Lock(Path(sys.argv[1]), "agent.lock", holder="an agent")
except Outside as fault: print(fault.target, is_held(Path(sys.argv[1]), "agent.lock"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=LONG
    )

    assert (done.stdout, done.stderr) == (f"folder {tmp_path} False\n", "")


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_state_folder_that_is_away_is_outside(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "state"
    if what == "file":
        folder.touch()

    with pytest.raises(Outside) as caught:
        take(folder)

    assert str(caught.value.target) == f"folder {folder}"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_in_the_state_folder_is_its_owners(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)

    take(tmp_path).release()
    replace_private(tmp_path / "withdraw.1", b"{}")

    for name in (NAME, "withdraw.1"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (4711, 4712, 0o600)
