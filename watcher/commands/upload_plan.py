"""Which files `watcher upload` sends, by which routes and in which order; and which it leaves, and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from watcher.agent.queue.routing import Routed, routed
from watcher.agent.start.folders import build_drop
from watcher.core.errors import ConfigError
from watcher.core.model import Route
from watcher.core.names import shown
from watcher.core.order import depth
from watcher.disk.answering import require_answer
from watcher.disk.drop import Drop
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in the order in which the routes go."""

    files: list[tuple[Path, Route]]
    skipped: list[tuple[Path, str]]  # what lies in a folder that was named, and why it is not sent


def plan(
    config: Config, paths: Sequence[Path], route_name: str | None, acd_type: str | None, *, deep: bool
) -> Plan:
    """Find each file's route; of folders, those files that a route matches, with `deep` in all below, too.

    Raises `ConfigError` with all problems at once, for files that were named and cannot be sent; `Outside`
    for a folder of the agent that does not answer: whether they lie in it cannot be told then.
    """
    ours = config.folders
    require_answer(ours.drop, ours.work_folder, ours.done, ours.failed, acting=True)
    routes = build_routes(config)
    by_name = {item.name: item for item in routes}
    if route_name is not None and route_name not in by_name:
        raise ConfigError(
            f"--route {shown(route_name)}: there is no such route; there are {', '.join(by_name)}"
        )
    drop = build_drop(config)
    problems: list[str] = []
    found: list[tuple[Path, Route]] = []
    skipped: list[tuple[Path, str]] = []
    for path in paths:
        if (kept := _kept(config, path)) is not None:
            problems.append(
                f"{shown(str(path))}: a file in {kept.folder} is refused: {kept.why}; {kept.remedy}"
            )
        elif path.is_dir():
            for each in _in_folder(path, deep=deep):
                route, why = _of_folder(config, drop, each, routes, route_name)
                if route is None:
                    skipped.append((each, why))
                else:
                    found.append((each, route))
        elif path.is_symlink():
            problems.append(f"{shown(str(path))}: {_linked(path)}")
        elif not path.is_file():
            problems.append(f"{shown(str(path))}: there is no such file")
        else:
            routing = routed(path, routes) if route_name is None else Routed(by_name[route_name])
            if routing.route is not None:
                found.append((path, routing.route))
            else:
                problems.append(f"{shown(str(path))}: {_no_route(routing)} with --route")
    if problems:
        raise ConfigError(problems)
    after = {item.name: item.after for item in routes}
    found = list(_each_once(found, skipped))
    found = [(path, replace(route, acd_type=acd_type or route.acd_type)) for path, route in found]
    found.sort(key=lambda item: depth(item[1].name, after))
    return Plan(found, skipped)


def _each_once(
    found: Iterable[tuple[Path, Route]], skipped: list[tuple[Path, str]]
) -> Iterator[tuple[Path, Route]]:
    """Leave out what was named before, by whatever way; it is sent once."""
    seen: set[object] = set()
    for path, route in found:
        if (file := _identity(path)) in seen:
            skipped.append((path, "it was named before, and is sent once"))
        else:
            seen.add(file)
            yield path, route


def _identity(path: Path) -> object:
    """Return what tells a file from others, by whatever way or hard link it is named."""
    with suppress(OSError):  # gone by now, which is told when it is its turn
        look = path.stat()
        if look.st_nlink > 1:
            return look.st_dev, look.st_ino
    return os.path.realpath(path)


def _linked(path: Path) -> str:
    """Say that a file is a symbolic link, and what to do: whoever may make one would choose what is sent."""
    real = os.path.realpath(path)
    if not path.is_file():
        return f"a symbolic link to what is no file: {shown(real)}; name the file to send"
    return f"a symbolic link, which is never followed; name the file itself: {shown(real)}"


def _no_route(routing: Routed) -> str:
    return f"{routing.slow}; name a route" if routing.slow else "no route matches its name; name one"


def _in_folder(folder: Path, *, deep: bool) -> Iterator[Path]:
    """Return what lies in a folder: oldest first, then by name, as the agent goes. Raises `ConfigError`."""
    try:
        with os.scandir(folder) as entries:
            items = sorted((item.stat(follow_symlinks=False).st_mtime_ns, item.name) for item in entries)
    except OSError as error:
        raise ConfigError(f"{shown(str(folder))}: cannot be read: {error.strerror}") from error
    for _, name in items:
        path = folder / name
        if deep and path.is_dir() and not path.is_symlink():
            yield from _in_folder(path, deep=deep)
        else:
            yield path


def _of_folder(
    config: Config, drop: Drop, path: Path, routes: Sequence[Route], route_name: str | None
) -> tuple[Route | None, str]:
    """Return the route of something in a folder; or None, and why it is left there."""
    if drop.ignored(path.name):
        return None, "ignored by settle.ignore"
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return None, "a folder; its files go, too, with --recursive"
    if not stat.S_ISREG(mode):
        return None, "a link or no regular file"
    if (kept := _kept(config, path)) is not None:
        return None, f"a file in {kept.folder}: {kept.why}"
    routing = routed(path, routes)
    if routing.route is None:
        return None, routing.slow or "no route matches its name"
    if route_name not in (None, routing.route.name):
        return None, f"of route {routing.route.name}"
    return routing.route, ""


_BY_HAND = "to send it by hand, copy it to another folder"


@dataclass(frozen=True, slots=True)
class _Kept:
    """Why a file is not sent by hand from where it lies."""

    folder: str
    why: str
    remedy: str


def _kept(config: Config, path: Path) -> _Kept | None:
    """Say in which of the agent's folders it lies, by whatever way `path` leads there, if in any."""
    folders = config.folders
    real = Path(os.path.realpath(path))
    whole = (
        ("work", folders.work_folder, "the agent sends it", _BY_HAND),
        ("done", folders.done, "it was delivered", "to send it once more, copy it to another folder"),
        (
            "failed",
            folders.failed,
            "it failed",
            "mend it and `watcher retry` it, or copy it to another folder",
        ),
        ("state", folders.state, "what lies there is the agent's own", _BY_HAND),
    )
    for name, folder, why, remedy in whole:
        if any(_is_same(above, folder) for above in (real, *real.parents)):
            return _Kept(f"the {name} folder {shown(str(folder))}", why, remedy)
    drop = folders.drop
    if _is_same(real, drop) or (_is_same(real.parent, drop) and not real.is_dir()) or _is_linked(real, drop):
        return _Kept(f"the drop folder {shown(str(drop))}", "the agent sends it", _BY_HAND)
    # Behind the drop folder: what is claimed between the two looks is found by one of them.
    if _is_linked(real, folders.work_folder, deep=True):
        return _Kept(f"the work folder {shown(str(folders.work_folder))}", "the agent sends it", _BY_HAND)
    return None


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError):  # there is no such folder: nothing lies in it
        return one.samefile(other)
    return False


def _is_linked(path: Path, folder: Path, *, deep: bool = False) -> bool:
    """Say whether a file is a hard link of one in a folder; `deep`: or in those below it."""
    with suppress(OSError):
        look = path.stat()
        if path.is_file() and look.st_nlink > 1:
            return any(os.path.samestat(look, found) for found in _with_inode(look.st_ino, folder, deep=deep))
    return False


def _with_inode(inode: int, folder: Path, *, deep: bool) -> Iterator[os.stat_result]:
    """Yield the look of what has this inode in a folder; what went away meanwhile is not there."""
    with suppress(OSError), os.scandir(folder) as items:
        for item in items:
            with suppress(OSError):
                if item.inode() == inode:
                    yield item.stat(follow_symlinks=False)
                elif deep and item.is_dir(follow_symlinks=False):
                    yield from _with_inode(inode, Path(item.path), deep=True)
