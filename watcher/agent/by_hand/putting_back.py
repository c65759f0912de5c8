"""Moves failed files back into the drop folder, where the agent takes them again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from watcher.agent.queue.routing import routed
from watcher.core.errors import ConfigError, Outside
from watcher.core.model import FileState, Route, Row
from watcher.core.names import REPORT_SUFFIX, report_name, shown
from watcher.core.order import depth
from watcher.core.renaming import Keeps, keeping
from watcher.core.route import marker_of
from watcher.disk import files, filing
from watcher.disk.answering import require_answer
from watcher.disk.claim import marker_beside
from watcher.disk.failed import failed_files, is_report
from watcher.journal.reading import open_to_read
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

ANOTHER = "it is another file by now, or was changed, since it was shown; look again"
COMING = "it is just being put there, and has no report yet; try again in a moment"
# By `Upload.at_server`: why a file is not sent again unless it is named, and what to do first.
_LEFT = {
    "perhaps": "it may be complete at the server; look into the import history first",
    "all": "the server has it as it was before it changed; drop what is new, alone",
}


def retry(
    config: Config,
    names: Sequence[str],
    say: Callable[[str], None],
    *,
    everything: bool,
    is_it: Callable[[Path], bool] = lambda _path: True,
) -> int:
    """Move back the failed files of these names, or all; returns 0, or 1 where one was not there, or is left.

    A name is that of the file in the failed folder, or the one it had in the drop folder. With `everything`
    a file is left that the server may have: whoever wants it there twice names it. `is_it` is asked right
    before a file is moved: whether it is the one that is meant, and no newer one of its name. Raises
    `Outside`, `ConfigError`.
    """
    routes = build_routes(config)
    require_answer(config.folders.drop, acting=True)
    failed = sorted(failed_files(config.folders.failed, routes, lonely_reports=True, acting=True))
    exact = {path.name: path for path in failed}
    asked = [exact[name] for name in map(_file_name, names) if name in exact]
    # The journal is asked about the others only if a name is not that of a file in the folder.
    known = _rows(config, asked if len(asked) == len(names) and not everything else failed, needed=everything)
    original = {path: known[path].name if path in known else path.name for path in failed}
    if everything:
        chosen = [path for path in failed if path not in known or known[path].upload.at_server is None]
        # What is named like a report may be a failed file of that name; but a report that was left is none.
        chosen = [path for path in chosen if path in known or not is_report(path)]
        unmoved = _left(failed, known, say)
    else:
        chosen, unmoved = _named(config, names, original, say)
    keeps = keeping(lambda: routes)
    for path, route in _in_order(config, routes, chosen, original):
        if not is_it(path):
            unmoved += 1
            say(f"{shown(path.name)}: {ANOTHER}")
            continue
        if path in known and _is_coming(path, known[path]):
            unmoved += 1
            say(f"{shown(path.name)}: {COMING}")
            continue
        unmoved += not _put_back(config, path, original[path], route, routes, keeps, say)
    if everything and not failed:
        say("there are no failed files")
    return 1 if unmoved else 0


def _left(failed: Sequence[Path], known: Mapping[Path, Row], say: Callable[[str], None]) -> int:
    """Tell which files are not sent again without being named, and why; returns how many."""
    number = 0
    for path in failed:
        row = known.get(path)
        if row is not None and (why := row.upload.at_server) is not None:
            number += 1
            name, token = shown(path.name), row.push_token
            words = f"{_LEFT[why]} (push token {token})"
            say(f"{name}: left in the failed folder: {words}; `watcher retry {name}` sends it all the same")
    return number


def _named(
    config: Config, names: Sequence[str], original: Mapping[Path, str], say: Callable[[str], None]
) -> tuple[list[Path], int]:
    """Return the failed files that are meant by the names, and of how many names there is none: each is told.

    `original`: all of them, with their names in the drop folder.
    """
    chosen, missing = list[Path](), 0
    for wanted in map(_file_name, names):
        found = [path for path in original if path.name == wanted]
        found = found or [path for path in original if original[path] == wanted]
        if not found:
            missing += 1
            hint = "; name the file, not its report" if wanted.endswith(REPORT_SUFFIX) else ""
            say(f"{shown(wanted)}: not in {shown(str(config.folders.failed))}{hint}")
        chosen += [path for path in found if path not in chosen]
    return chosen, missing


def _put_back(
    config: Config,
    path: Path,
    name: str,
    route: Route | None,
    routes: Sequence[Route],
    keeps: Keeps,
    say: Callable[[str], None],
) -> bool:
    """Move a file into the drop folder under its old name, if need be with a stamp, then its marker, and
    remove its report; returns whether that was done. Raises `Outside` for a fault of the folders."""
    folder, drop = config.folders.failed, config.folders.drop
    marker = marker_beside(path, route, routes) if route else None
    try:
        back = filing.put_back(path, drop, name, datetime.now(UTC), keeps)
    except Outside as fault:
        if fault.target.kind != "file":
            raise
        say(f"{shown(path.name)}: {fault.reason}; {fault.check}")
        return False  # the others go on
    wanted = marker_of(back.name, route) if route else None
    more = ""
    # The file first: a marker that is there before it could vouch for another one of its name.
    if wanted is not None and marker is not None:
        with files.blame(drop, marker.name, tried="put back"), suppress(FileExistsError):
            files.move_new(marker, drop / wanted, part=files.part_name(), reserve=False)
    if wanted is not None and (drop / wanted).is_file() and not (drop / wanted).is_symlink():
        more = f", with its marker {shown(wanted)}"
    elif wanted is not None and os.path.lexists(back):
        more = f", where it waits for its marker {shown(wanted)}"
    with files.blame(folder):
        files.remove(folder / report_name(path.name))  # ours; the journal keeps what it said
    say(f"{shown(path.name)}: back in the drop folder as {shown(back.name)}{more}")
    return True


def _is_coming(path: Path, row: Row) -> bool:
    """Say whether the file is on its way here still: its report would be written for nobody."""
    return row.state is FileState.REJECTED and not os.path.lexists(path.with_name(report_name(path.name)))


def _in_order(
    config: Config, routes: Sequence[Route], chosen: Sequence[Path], original: Mapping[Path, str]
) -> list[tuple[Path, Route | None]]:
    """Sort files as they are to go, each with its route: an agent that looks between two moves must find
    those that others wait for, and a file that has moved can be claimed at once."""
    after = {route.name: route.after for route in routes}
    by_path = {path: routed(path, routes, original[path]) for path in chosen}

    def key(path: Path) -> tuple[int, int, str]:
        found = by_path[path]
        # One of which there is no telling counts for every route; what no route matches, for none.
        depths = depth(found.route.name, after) if found.route else len(routes)
        place = -1 if found.unknown else depths
        return place, path.stat().st_mtime_ns, path.name

    with files.blame(config.folders.failed):
        return [(path, by_path[path].route) for path in sorted(chosen, key=key)]


def _file_name(name: str) -> str:
    return Path(name).name


def _rows(config: Config, failed: Sequence[Path], *, needed: bool) -> Mapping[Path, Row]:
    """Return the rows of those files that the journal knows. A damaged one is no reason not to move files,
    unless it is `needed`. Raises `Outside`, `ConfigError`."""
    try:
        journal = open_to_read(config.folders.state, config.journal_url)
    except ConfigError as error:
        if not needed:
            return {}
        why = "so there is no telling which files the server may have: name those that are to be sent again"
        raise ConfigError([*error.problems, f"--all: the journal cannot be read, {why}"]) from error
    if journal is None:
        return {}
    try:
        return journal.archive.failed_among(failed)
    finally:
        journal.close()
