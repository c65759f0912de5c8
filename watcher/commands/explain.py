"""`watcher explain FILE`: what would happen to a file; sends and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from watcher import split
from watcher.assemble import build_drop, watching
from watcher.claim import open_still
from watcher.detect import trial_open
from watcher.errors import NotWhole, Unfit
from watcher.model import Route
from watcher.names import shown
from watcher.preflight import inspect, refuse_empty
from watcher.presets import build_routes
from watcher.route import is_marker, marker_of, route
from watcher.settings import Config


def explain(config: Config, files: Sequence[Path], say: Callable[[str], None]) -> int:
    """Say for each file what would happen. Returns 0, or 1 where one of them would not be delivered."""
    verdicts = [_explain(config, file, say) for file in files]
    return 0 if all(verdicts) else 1


def _explain(config: Config, path: Path, say: Callable[[str], None]) -> bool:
    routes = build_routes(config)
    say(shown(str(path)))
    if not os.path.lexists(path):
        say("  file:    there is no such file")
        return False

    def line(key: str, text: str) -> None:
        say(f"  {key + ':':<8} {text}")

    if build_drop(config).ignored(path.name):
        line("ignored", "its name is on settle.ignore; it stays where it is")
        return False
    if is_marker(path.name, routes):
        line("marker", "it says that another file is whole, and goes along with it")
        return True
    found = route(path.name, routes)
    if found is None:
        names = ", ".join(item.name for item in routes)
        fate = "moved to failed" if config.unmatched == "fail" else "left where it is"
        line("route", f"none of the routes ({names}) matches the name; it would be {fate}")
        return False
    for key, text in _route_lines(found):
        line(key, text)
    for reason in _not_ready(config, path, found):
        line("ready", reason)
    try:
        facts, chunks = _checked(path, found)
    except OSError as error:
        line("file", f"cannot be read: {error.strerror}")
        return False
    except NotWhole:
        line("file", "not a regular file, or it changes while it is read; it would wait")
        return False
    except Unfit as fault:
        line("checks", fault.reason)
        line("fate", f"moved to failed; {fault.what_to_do}")
        return False
    line("checks", facts)
    line("chunks", f"{chunks:,}, of at most {found.chunk_bytes:,} bytes" if found.format == "csv" else "1")
    line("fate", "delivered, then moved to done" if chunks else "moved to done, with nothing sent")
    return True


def _route_lines(found: Route) -> Iterator[tuple[str, str]]:
    acd_type = f", acdType {found.acd_type}" if found.acd_type else ""
    yield "route", f"{found.name}: POST {found.url} ({found.content_type}{acd_type})"
    if found.after:
        yield "order", f"waits while there are files of {', '.join(found.after)}"


def _not_ready(config: Config, path: Path, found: Route) -> Iterator[str]:
    in_use = trial_open(path)
    if in_use is not None:
        yield f"not now: {in_use}"
    marker = marker_of(path.name, found)
    if marker is not None and not os.path.lexists(path.with_name(marker)):
        yield f"not now: waits for its marker {shown(marker)}"
    yield f"once it is unchanged for {watching(config).quiet:g} s"


def _checked(path: Path, found: Route) -> tuple[str, int]:
    """Inspect and cut the file as the agent would; returns a line of facts and the number of chunks."""
    with open_still(path) as file:
        opening = split.opening(file, found)
        checked = inspect(file, found, start=opening.start, header=opening.header)
        facts = f"fit to send: {checked.size:,} bytes, UTF-8, sha256 {checked.sha256}"
        refuse_empty(checked, found)
        if checked.empty:
            return "empty", 0
        if found.format == "json":
            return facts, 1
        chunks, position, last = 0, opening.start, False
        while not last:
            chunk = split.cut(
                file, position, found.chunk_bytes, repeat=opening.repeat, max_record=found.max_record
            )
            chunks, position, last = chunks + 1, chunk.end, chunk.last
    return facts, chunks
