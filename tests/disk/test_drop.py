"""The look into the drop folder, the questions to the kernel, and watchdog's hints, on a real file system."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.left_over import nothing_left_over
from watcher.core.errors import Outside
from watcher.disk.drop import Drop
from watcher.disk.leases import trial
from watcher.disk.mounts import cache_seconds, network_cache_seconds
from watcher.settings.settings import Settle

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases and inotify are Linux")
as_user = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
LONG = 10.0  # seconds to wait for what must happen


def names(folder: Path, *ignore: str, network: bool = False) -> list[str]:
    return sorted(found.name for found in Drop(folder, ignore, network=network).scan())


@pytest.mark.parametrize("network", [False, True])
def test_a_look_finds_regular_files_with_their_fingerprints(tmp_path: Path, network: bool) -> None:
    path = tmp_path / "agent_events.csv"
    path.write_bytes(b"a,1\n")

    (found,) = Drop(tmp_path, [], network=network).scan()

    status = path.stat()
    assert (found.name, found.odd) == ("agent_events.csv", "")
    assert found.look is not None
    assert (found.look.device, found.look.inode) == (status.st_dev, status.st_ino)
    assert (found.look.size, found.look.mtime_ns) == (4, status.st_mtime_ns)


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert names(tmp_path) == []


def test_names_that_are_no_utf8_and_names_with_line_breaks_are_found(tmp_path: Path) -> None:
    hostile = [os.fsdecode(b"\xff\xfe.csv"), "a\nb.csv", "{0}.csv", "-rf.csv", "\x1b[31m.csv"]
    for name in hostile:
        (tmp_path / name).write_bytes(b"x")

    assert names(tmp_path) == sorted(hostile)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden",
        "~$agent_events.xlsx",
        "agent_events.csv.tmp",
        "AGENT_EVENTS.CSV.TMP",
        "a.Part",
        "a.partial",
        "a.csv.filepart",
        "a.CRDOWNLOAD",
        "a.csv.error.txt",
        "thumbs.DB",
        "Desktop.ini",
        ".nfs000000001",
    ],
)
def test_what_the_default_settings_ignore(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "partial.tmp.csv").write_bytes(b"x")

    assert names(tmp_path, *Settle().ignore) == ["partial.tmp.csv"]


def test_globs_ignore_case_and_composition_but_match_whole_names(tmp_path: Path) -> None:
    drop = Drop(tmp_path, ["*.BAK", "B\u00fcro?.csv", "[!a-z]*.log"], network=False)

    assert drop.ignored("x.bak")
    assert drop.ignored("bu\u0308RO7.csv")  # as macOS writes the umlaut
    assert drop.ignored("7.log")
    assert not drop.ignored("x.bak.csv")
    assert not drop.ignored("seven.log")


def test_half_copied_files_of_our_own_are_ignored_whatever_the_settings_say(tmp_path: Path) -> None:
    drop = Drop(tmp_path, [], network=False)

    assert drop.ignored(".3f0e8a52.part")
    assert not drop.ignored(".hidden")
    assert not drop.ignored("a.part")


@pytest.mark.parametrize("network", [False, True])
def test_links_pipes_and_sockets_are_told_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool
) -> None:
    (tmp_path / "real.csv").write_bytes(b"x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.csv").symlink_to(tmp_path.parent)
    os.mkfifo(tmp_path / "pipe.csv")  # to open it would wait for ever
    with closing(socket.socket(socket.AF_UNIX)) as unix:
        monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
        unix.bind("socket.csv")
        found = {item.name: item for item in Drop(tmp_path, [], network=network).scan()}

    assert {name for name, item in found.items() if item.look} == {"real.csv"}
    for name in ("link.csv", "dangling.csv", "folder.csv"):
        assert "symbolic link" in found[name].odd
    for name in ("pipe.csv", "socket.csv"):
        assert "not a regular file" in found[name].odd


def test_a_folder_with_something_in_it_is_told_with_its_remedy_and_never_looked_into(tmp_path: Path) -> None:
    for name in ("sub.csv", "empty", ".uploading", "done"):
        (tmp_path / name).mkdir()
        if name != "empty":
            (tmp_path / name / "inner.csv").write_bytes(b"x")

    (found,) = Drop(tmp_path, [".*"], network=False, ours=[tmp_path / "done"]).scan()

    assert (found.name, found.look) == ("sub.csv", None)
    assert "move the files in it into the drop folder itself" in found.odd


def test_ignored_files_are_counted_by_the_pattern_that_ignores_them(tmp_path: Path) -> None:
    for name in ("a.TMP", "b.tmp", ".hidden", ".c.part", "real.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".uploading").mkdir()

    assert Drop(tmp_path, ["*.tmp", ".h*"], network=False).ignored_files() == {
        "*.tmp": 2, ".h*": 1, "a half-copied file of our own": 1,
    }  # fmt: skip


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_folder_that_is_away_is_outside_and_never_an_empty_folder(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "drop"
    if what == "file":
        folder.write_bytes(b"")

    with pytest.raises(Outside) as caught:
        Drop(folder, [], network=False).scan()

    assert str(caught.value.target) == f"folder {folder}"
    assert caught.value.check


def test_a_folder_that_comes_back_is_looked_into_again(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    drop = Drop(folder, [], network=False)
    with pytest.raises(Outside):
        drop.scan()
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"x")

    assert [found.name for found in drop.scan()] == ["a.csv"]


@as_user
def test_on_a_network_share_a_file_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch(mode=0)

    (found,) = Drop(tmp_path, [], network=True).scan()

    assert found.look is None
    assert "permission" in found.odd


MOUNTS = r"""
21 26 0:19 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /srv rw shared:2 master:1 - xfs /dev/sdb1 rw
23 22 0:21 / /srv/acd rw - cifs //acd/export rw,vers=3.1.1,cache=strict,actimeo=30
24 23 0:22 / /srv/acd/local rw - tmpfs tmpfs rw
25 21 0:23 / /mnt/two\040words rw - nfs4 nas:/vol rw,vers=4.2,hard,acregmin=3,acregmax=20,acdirmax=90
26 21 0:24 / /mnt/new\012line\134 rw - nfs nas:/vol rw
27 21 0:25 / /mnt/smb rw - smb3 //acd/x rw
28 21 0:26 / /mnt/ssh rw - fuse.sshfs me@host:/ rw
29 21 0:27 / /mnt/disk rw - fuse.ntfs-3g /dev/sdc1 rw,actimeo=99
29 21 0:31 / /mnt/usb rw - fuseblk /dev/sdc2 rw
29 21 0:32 / /mnt/container rw - fuse.fuse-overlayfs fuse-overlayfs rw
29 21 0:33 / /mnt/bind rw - fuse.bindfs /srv rw
29 21 0:34 / /mnt/old-bind rw - fuse bindfs rw
29 21 0:35 / /mnt/s3 rw - fuse.s3fs s3fs rw
29 21 0:36 / /mnt/vbox rw - vboxsf export rw
29 21 0:37 / /mnt/vmware rw - vmhgfs .host:/ rw
29 21 0:38 / /mnt/vmware-fuse rw - fuse.vmhgfs-fuse vmhgfs-fuse rw
29 21 0:39 / /mnt/parallels rw - prl_fs none rw
30 21 0:28 / /mnt/covered rw - nfs nas:/vol rw
31 30 0:29 / /mnt/covered rw - ext4 /dev/sdd1 rw
"""


@pytest.mark.parametrize(
    ("folder", "seconds"),
    [
        ("/home/acd", None),
        ("/srv/drop", None),
        ("/srv/acd", 30),
        ("/srv/acd/drop", 30),
        ("/srv/acd-old", None),  # no folder of /srv/acd
        ("/srv/acd/local/drop", None),
        ("/mnt/two words/drop", 20),
        ("/mnt/new\nline\\/drop", 60),
        ("/mnt/smb", 5),
        ("/mnt/ssh/a", 5),
        ("/mnt/disk", None),
        ("/mnt/usb", None),
        ("/mnt/container", None),
        ("/mnt/bind", 5),
        ("/mnt/old-bind", 5),
        ("/mnt/s3", 5),
        ("/mnt/vbox", 5),
        ("/mnt/vmware", 5),
        ("/mnt/vmware-fuse", 5),
        ("/mnt/parallels", 5),
        ("/mnt/covered/drop", None),  # the last one mounted is the one that is seen
        ("/", None),
    ],
)
def test_how_long_sizes_may_be_stale_is_read_from_the_mounts(folder: str, seconds: float | None) -> None:
    assert cache_seconds(MOUNTS.strip(), folder) == seconds


def test_links_to_a_share_are_followed_and_none_within_it_is_asked_for(tmp_path: Path) -> None:
    """One that is away does not answer."""
    share, local = tmp_path / "share", tmp_path / "local"
    for folder in (share / "acd", local):
        folder.mkdir(parents=True)
    (share / "elsewhere").symlink_to(local)
    (local / "by link").symlink_to("../share/acd")
    (tmp_path / "round").symlink_to("round")
    mounts = MOUNTS.strip() + f"\n32 21 0:30 / {share} rw - nfs4 nas:/export rw,actimeo=7"

    assert cache_seconds(mounts, str(local)) is None
    assert cache_seconds(mounts, str(share / "acd")) == 7
    assert cache_seconds(mounts, str(local / "by link" / "drop")) == 7
    assert cache_seconds(mounts, str(local / ".." / "share" / "acd")) == 7
    assert cache_seconds(mounts, str(share / "elsewhere")) == 7
    assert cache_seconds(mounts, str(tmp_path / "round" / "drop")) is None


def test_the_mounts_of_this_machine_can_be_read(tmp_path: Path) -> None:
    assert network_cache_seconds(tmp_path) is None


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Another process that opens a file as told, says so, and keeps it until a line comes."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "a.csv")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.communicate(timeout=LONG)


def trial_open(path: Path) -> str | None:
    """Why a file that is still cannot be taken, or None."""
    return trial(path).why or None


@linux
@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_a_file_that_another_process_has_open_for_writing_is_in_use(
    tmp_path: Path, writer: Callable[..., subprocess.Popen[str]], mode: str
) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,1\n")
    process = writer(f"import sys; f = open(sys.argv[1], {mode!r}); print('ready', flush=True); input()")

    assert trial_open(tmp_path / "a.csv") == "a program has it open for writing"
    process.communicate("go\n", timeout=LONG)
    assert trial_open(tmp_path / "a.csv") is None


@linux
def test_readers_are_not_in_the_way(tmp_path: Path, writer: Callable[..., subprocess.Popen[str]]) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,1\n")
    process = writer("import sys; f = open(sys.argv[1], 'rb'); print('ready', flush=True); input()")

    with (tmp_path / "a.csv").open("rb"):
        assert trial_open(tmp_path / "a.csv") is None
    process.communicate("go\n", timeout=LONG)


def test_a_trial_leaves_no_descriptor_behind_and_opens_no_link_or_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")

    with nothing_left_over():
        for name in ("a.csv", "link.csv", "pipe.csv", "gone.csv"):
            assert trial_open(tmp_path / name) is None


@as_user
def test_a_file_that_we_may_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch(mode=0)

    assert trial_open(tmp_path / "a.csv") == "no permission to read it"


@linux
def test_a_writer_that_opens_the_file_during_the_trial_does_not_kill_us(tmp_path: Path) -> None:
    """The kernel signals the holder of a lease that is broken; by default that signal ends the process."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,1\n")
    opener = (
        "import os, sys\nprint('ready', flush=True)\n"
        "while os.getppid() == int(sys.argv[2]): os.close(os.open(sys.argv[1], os.O_WRONLY))\n"
    )
    trier = (
        "import subprocess, sys, os; from pathlib import Path; from watcher.disk.leases import trial\n"
        f"other = subprocess.Popen([sys.executable, '-c', {opener!r}, sys.argv[1], str(os.getpid())],"
        " stdout=subprocess.PIPE)\n"
        "other.stdout.readline()\n"
        "answers, tries = set(), 0\n"
        "while tries < 10_000 or (len(answers) < 2 and tries < 1_000_000):\n"
        "    answers.add(trial(Path(sys.argv[1])).why); tries += 1\n"
        "other.kill(); other.wait()\nprint(len(answers))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", trier, str(path)], capture_output=True, text=True, timeout=30
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2\n"  # both answers came: they did meet
