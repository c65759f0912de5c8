"""Moves a finished file to done, failed, or back to drop, and writes the report of a failed one.

Every step may be repeated: after a crash the journal knows the planned target, and a look at the disk
tells how far it got. Nothing is overwritten; the modification time is kept.

With `done: {by: day}` there is a folder for each UTC day. It is made when a file goes there, and made again
if somebody took it away meanwhile; what is wrong with one is wrong with the done folder, which is held then.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from watcher.core.errors import Gone, NotWhole
from watcher.core.model import FileState, Placement, Row
from watcher.core.names import fitted, folded, is_too_long, is_unguessable, report_name, shown
from watcher.core.renaming import Keeps, any_name, stamped
from watcher.disk import days, files
from watcher.disk.claim import is_gone, name_inside
from watcher.disk.faults import Tried
from watcher.disk.ours import require_ours
from watcher.disk.places import Places

_REPORT, _ASIDE = DRAFTS = (".report", ".aside")  # what lies beside the own folder of a file

_Anothers = Callable[[Path], bool]
SAID_CHARS = 2_000  # how much of a server's answer goes into a report


def plan(
    folder: Path, name: str, now: datetime, *, with_report: bool = False, keeps: Keeps = any_name,
    named: Path | None = None,
) -> Path:  # fmt: skip
    """Choose a free name in `folder` (`named`: as people know it) for `name`: itself, or with a UTC stamp
    before its extension, one that `keeps` takes. `with_report`: that of its report must be free, too."""
    candidate, serial = name, 0
    with files.blame(folder, named=named):
        folder.stat()
        while (
            _taken(folder / candidate)
            or (with_report and _taken(folder / report_name(candidate)))
            or (files.is_blind(folder) and not is_unguessable(candidate))
        ):
            serial = files.next_serial(folder, serial)
            candidate = stamped(name, now, serial, keeps)
    return folder / candidate


def choose(places: Places, row: Row, now: datetime) -> Placement:
    """Choose where a file with a verdict goes, and its bad records. Raises `Outside`."""
    day = days.day_for(places, row)
    if row.state is not FileState.DELIVERED:
        folder = places.failed if row.state is FileState.REJECTED else places.drop
        keeps = places.keeps if folder == places.drop else any_name
        target = plan(folder, row.name, now, with_report=row.state is FileState.REJECTED, keeps=keeps)
    elif day is None:
        target = plan(places.done, row.name, now)
    else:
        with days.made(day) as folder:
            target = day / plan(folder, row.name, now, named=places.done).name
    aside = None if row.place.aside is None else Path(row.place.aside)
    draft = aside_draft(row.file.source)
    with files.blame(draft.parent, row.name):
        left = row.state is FileState.DELIVERED and os.path.lexists(draft)
        name = name_inside(Path(row.file.source)) if left else ""  # not compressed: it is to be looked at
    with files.looking_at(places.failed):
        moved = left and aside is not None and os.path.lexists(aside) and files.is_moved(draft, aside)
    if left and not moved:
        aside = plan(places.failed, name, now, with_report=True)
    return Placement(str(target), None if aside is None else str(aside))


def finish(places: Places, entry: Row, *, is_anothers: _Anothers = lambda _place: False) -> bool:
    """Move the file of a row in `DELIVERED`, `REJECTED` or `CHANGED` to its target; write its report.

    `is_anothers`: whether a place is that of another row, too: what lies there with the same bytes may be a
    copy that a crash left of this one, or all that there is of the other.
    Returns False where another file has the target's name by now: plan another, and call again.
    Raises `Outside` for a fault of the folders, `Gone` where the file is in neither place, `NotWhole` where
    it was delivered and is not what was delivered any more; nothing was moved then.
    """
    assert entry.place.target is not None, "the target is planned before the move"
    target = Path(entry.place.target)
    named = target.parent
    if not days.is_in_done(places, named):
        return _finish(entry, target, named, None, places.drop, is_anothers)
    with days.made(named) as folder:  # in the done folder, or in one of earlier settings
        return _finish(entry, folder / target.name, named, named.parent, places.drop, is_anothers)


def _finish(
    entry: Row, target: Path, named: Path, within: Path | None, drop: Path, is_anothers: _Anothers
) -> bool:
    """Do what `finish` says; `named`: the target's folder by the path that people know; `within`: `blame`."""
    source = Path(entry.file.source)
    own, part = source.parent, f".{source.parent.name}.part"
    with files.blame(own.parent):
        require_ours(own.parent, own.name)
    with files.blame(target.parent, named=named, within=within):
        target.parent.stat()
    with files.blame(own.parent, entry.name):
        # Away? Then the file may be there as well, and come back with it.
        gone = is_gone(source, own.parent, drop=drop, device=entry.file.fingerprint.device)
    if gone:
        if not _taken(target):
            if entry.state is FileState.DELIVERED and not _set_aside(entry, own, part, is_anothers):
                return False
            raise Gone
    elif entry.state is not FileState.CHANGED:
        with files.blame(own.parent, entry.name):
            if not stat.S_ISREG(os.lstat(source).st_mode):
                raise Gone  # somebody put a link, say, in its place: what it points to is none of ours
            if entry.state is FileState.DELIVERED:
                _require_unchanged(entry, source)
    if entry.state is FileState.DELIVERED and not _set_aside(entry, own, part, is_anothers):
        return False
    reserve = target.parent != drop
    tried: Tried = "moved" if reserve else "put back"
    with files.blame(target.parent, entry.name, tried=tried, named=named, within=within):
        if _taken(source):
            try:
                known = partial(is_anothers, named / target.name)
                files.move_new(source, target, part=part, reserve=reserve, is_anothers=known)
            except FileExistsError:
                return False
        _move_companions(own, source.name, target, part, reserve=reserve)
        if entry.state is FileState.REJECTED:
            make_work_folder(own.parent)  # may be gone since a crash that came behind the move
            _write_report(entry, own, target, part)
    with files.blame(own.parent, entry.name):
        files.remove(aside_draft(entry.file.source))  # of an attempt that ended otherwise
        files.remove_folder(own)
    return True


def _require_unchanged(entry: Row, source: Path) -> None:
    """Raise `NotWhole` where a file is not what was inspected, and sent. Its time alone proves nothing: its
    content is read again then, and decides."""
    found, known = os.lstat(source), entry.file.fingerprint
    if found.st_size == known.size:
        if found.st_mtime_ns == known.mtime_ns or files.sha256(source) == entry.upload.sha256:
            return
        raise NotWhole(f"it still has {found.st_size:,} bytes, but others")
    raise NotWhole(f"it has {found.st_size:,} bytes by now")


def make_work_folder(work: Path) -> None:
    """Make our part of the work folder, if need be. Raises OSError where what it lies in is away, `Outside`
    where what stands there is not ours."""
    files.make_folder(work.parent)
    require_ours(work)  # nothing is made in a folder of others
    files.make_folder(work)
    require_ours(work)


def _set_aside(entry: Row, own: Path, part: str, is_anothers: _Anothers) -> bool:
    """Move the bad records of a delivered file to the failed folder, with their report; False: plan anew."""
    draft = aside_draft(entry.file.source)
    if entry.place.aside is None:
        return not _taken(draft)
    target = Path(entry.place.aside)
    with files.blame(target.parent, entry.name, tried="moved"):
        if _taken(draft):
            if is_too_long(target.name):
                return False  # planned by a version that took any name from a zip
            try:
                files.move_new(draft, target, part=part, is_anothers=partial(is_anothers, target))
            except FileExistsError:
                return False
        # No report without its file: somebody may have fetched it already, to mend it.
        report = target.with_name(report_name(target.name))
        if _taken(target) and (_taken(_report_draft(own)) or not _taken(report)):
            _write_report(entry, own, target, part)
    return True


def aside_draft(source: str) -> Path:
    """Return where the bad records of a claimed file lie, until they are moved to the failed folder."""
    own = Path(source).parent
    return own.with_name(own.name + _ASIDE)


def put_back(source: Path, folder: Path, name: str, now: datetime, keeps: Keeps = any_name) -> Path:
    """Move a file into `folder` as `name`, or with a stamp where that is taken: see `plan`. Returns where."""
    while True:
        target = plan(folder, name, now, keeps=keeps)
        with files.blame(folder, source.name, tried="put back"):
            try:
                files.move_new(source, target, part=files.part_name(), reserve=False)
            except FileExistsError:
                continue
        return target


def report_text(entry: Row) -> str:
    """Return the error report of a failed file: `key: value` lines, also valid YAML, Notepad's line ends."""
    outcome = entry.outcome
    values: dict[str, str | int | None] = {
        "file": shown(entry.name),
        "failed_at": outcome.finished_at,
        "reason": outcome.reason,
        "what_to_do": outcome.what_to_do,
        "route": entry.route,
        "push_token": entry.push_token,
        "chunks_delivered": entry.upload.chunks,
        "lines": outcome.lines,
        "status": outcome.status,
        "server_said": outcome.server_said[:SAID_CHARS] if outcome.server_said else None,
    }
    for number, problem in enumerate(outcome.problems, start=1):
        values[f"problem_{number}"] = problem
    return key_lines(values)


def key_lines(values: Mapping[str, str | int | None]) -> str:
    """Return `key: value` lines that open in Notepad and are valid YAML, whatever the values are."""
    return "".join(f"{key}: {_scalar(value)}".rstrip() + "\r\n" for key, value in values.items())


def _scalar(value: str | int | None) -> str:
    if value is None:
        return ""
    # A JSON string is a YAML double-quoted scalar, on one line; `shown` keeps what JSON leaves unescaped.
    return str(value) if isinstance(value, int) else shown(json.dumps(value, ensure_ascii=False))


def _write_report(entry: Row, own: Path, target: Path, part: str) -> None:
    """Write the report beside the failed file, whole or not at all; after a crash it is found there."""
    text = report_text(entry).encode("utf-8", "backslashreplace")
    draft = _report_draft(own)
    files.write_private(draft, io.BytesIO(text), like=_regular(target))
    _move_beside(draft, target.with_name(report_name(target.name)), part)


def _regular(path: Path) -> os.stat_result | None:
    """Return what a file is like; None where somebody took it, or put something else there."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _report_draft(own: Path) -> Path:
    return own.with_name(own.name + _REPORT)


def _move_companions(own: Path, name: str, target: Path, part: str, *, reserve: bool) -> None:
    """Move what was claimed with the file `name` (its marker) along with it.

    Where the file got a stamp, its marker gets it too: it must never vouch for another file.

    Somebody may have put something else in its place right before the claim. A link holds nothing, and cannot
    be copied to another disk: it ends here. A folder stays, and goes back into the drop folder at the next
    start, as all that nobody knows.
    """
    if not own.is_dir():
        return
    for companion in sorted(own.iterdir()):
        mode = os.lstat(companion).st_mode
        if stat.S_ISREG(mode):
            beside = _renamed(companion.name, name, target.name)
            _move_beside(companion, target.with_name(beside), part, reserve=reserve)
        elif not stat.S_ISDIR(mode):
            files.remove(companion)


def _renamed(companion: str, name: str, new: str) -> str:
    """Return the companion's name with `new` in the place of its file's old name, or of its stem."""
    for old, fresh in ((name, new), (name.rpartition(".")[0] or name, new.rpartition(".")[0] or new)):
        if folded(companion[: len(old)]) == folded(old):
            return fresh + companion[len(old) :]
        if folded(companion[-len(old) :]) == folded(old):
            return companion[: -len(old)] + fresh
    return companion


def _move_beside(source: Path, target: Path, part: str, *, reserve: bool = True) -> None:
    """Move a file that belongs to another one; a number tells it from one that has its name."""
    serial = 0
    while True:
        try:
            name = fitted(target.name, f".{serial}" if serial else "")
            # A report is written anew after a crash, and of equal markers one is enough.
            files.move_new(source, target.with_name(name), part=part, reserve=reserve, rewritten=True)
        except FileExistsError:
            serial = files.next_serial(target.parent, serial)
        else:
            return


def _taken(path: Path) -> bool:
    return os.path.lexists(path)
