"""Moves failed files back into the drop folder, where the agent takes them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from watcher.agent.routing import routed
from watcher.core.errors import ConfigError
from watcher.core.names import REPORT_SUFFIX, report_name, shown
from watcher.core.order import depth
from watcher.disk import files, filing
from watcher.disk.failed import failed_files
from watcher.journal.reading import open_to_read
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

ANOTHER = "it is another file by now, or was changed, since it was shown; look again"


def retry(
    config: Config,
    names: Sequence[str],
    say: Callable[[str], None],
    *,
    everything: bool,
    is_it: Callable[[Path], bool] = lambda _path: True,
) -> int:
    """Move back the failed files of these names, or all; returns 0, or 1 where one was not there.

    A name is that of the file in the failed folder, or the one it had in the drop folder. `is_it` is asked
    right before a file is moved: whether it is the one that is meant, and no newer one of its name.
    """
    folder = config.folders.failed
    failed = sorted(failed_files(folder, lonely_reports=True))
    exact = {path.name: path for path in failed}
    asked = [exact[name] for name in map(_file_name, names) if name in exact]
    # The journal is asked about the others only if a name is not that of a file in the folder.
    original = _original_names(config, asked if len(asked) == len(names) and not everything else failed)
    chosen, missing = (failed if everything else []), 0
    if not everything:
        for name in names:
            wanted = _file_name(name)
            found = [exact[wanted]] if wanted in exact else []
            found = found or [path for path in failed if original[path] == wanted]
            if not found:
                missing += 1
                hint = "; name the file, not its report" if wanted.endswith(REPORT_SUFFIX) else ""
                say(f"{shown(wanted)}: not in {shown(str(folder))}{hint}")
            chosen += [path for path in found if path not in chosen]
    for path in _in_order(config, chosen, original):
        if not is_it(path):
            missing += 1
            say(f"{shown(path.name)}: {ANOTHER}")
            continue
        back = filing.put_back(path, config.folders.drop, original[path], datetime.now(UTC))
        with files.blame(folder):
            files.remove(folder / report_name(path.name))  # ours; the journal keeps what it said
        say(f"{shown(path.name)}: back in the drop folder as {shown(back.name)}")
    if everything and not chosen:
        say("there are no failed files")
    return 1 if missing else 0


def _in_order(config: Config, chosen: Sequence[Path], original: Mapping[Path, str]) -> list[Path]:
    """Sort files as they are to go: an agent that looks between two moves must find those that others wait
    for, and a file that has moved can be claimed at once."""
    routes = build_routes(config)
    after = {route.name: route.after for route in routes}

    def key(path: Path) -> tuple[int, int, str]:
        found = routed(path, routes, original[path])
        # One of which there is no telling counts for every route; what no route matches, for none.
        depths = depth(found.route.name, after) if found.route else len(routes)
        place = -1 if found.unknown else depths
        return place, path.stat().st_mtime_ns, path.name

    with files.blame(config.folders.failed):
        return sorted(chosen, key=key)


def _file_name(name: str) -> str:
    return Path(name).name


def _original_names(config: Config, failed: Sequence[Path]) -> dict[Path, str]:
    """Return the name that each file had in the drop folder, as the journal has it."""
    try:
        journal = open_to_read(config.folders.state, config.journal_url)
    except ConfigError:
        journal = None  # a damaged journal is no reason not to move files
    if journal is None:
        return {path: path.name for path in failed}
    try:
        rows = {path: journal.archive.failed_at(path) for path in failed}
    finally:
        journal.close()
    return {path: row.name if row else path.name for path, row in rows.items()}
