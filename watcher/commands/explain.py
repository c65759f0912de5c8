"""`watcher explain FILE`: what would happen to a file; sends and changes nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from watcher.agent.queue.doubts import Doubts
from watcher.agent.queue.routing import routed
from watcher.agent.start.folders import build_drop
from watcher.agent.start.watching import watching
from watcher.content import split
from watcher.content.content import Content
from watcher.content.inspect import prepare, refuse_empty
from watcher.content.records import first_boundary
from watcher.content.rows import as_csv
from watcher.core.errors import NotWhole, Outside, TooSlow, Unfit
from watcher.core.model import Fingerprint, Route
from watcher.core.names import counted, is_compressed, shown
from watcher.core.route import is_marker, marker_of
from watcher.core.settle import EMPTY_PATIENCE, in_doubt, remedy
from watcher.disk.answering import require_answer
from watcher.disk.claim import marker_beside, open_still
from watcher.disk.drop import oddity
from watcher.disk.leases import trial
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

SHOWN_CHARS = 300  # of the first record

Say = Callable[[str, str], None]  # a key and a text


def explain(config: Config, files: Sequence[Path], say: Callable[[str], None]) -> int:
    """Say for each file what would happen. Returns 0, or 1 where one of them would not be delivered."""
    verdicts = [_explain(config, file, say) for file in files]
    return 0 if all(verdicts) else 1


def _explain(config: Config, path: Path, say: Callable[[str], None]) -> bool:
    routes = build_routes(config)
    say(shown(str(path)))

    def line(key: str, text: str) -> None:
        say(f"  {key + ':':<8} {text}")

    try:
        require_answer(path.parent)
    except Outside as fault:
        line("file", f"{fault}; {fault.check}")
        return False
    if not os.path.lexists(path):
        line("file", "there is no such file")
        return False
    if build_drop(config).ignored(path.name):
        line("ignored", "its name is on settle.ignore; it stays where it is")
        return False
    if odd := oddity(os.lstat(path).st_mode):
        line("file", f"{odd}; it would stay where it is")
        return False
    routing = routed(path, routes)
    with suppress(TooSlow):
        if is_marker(path.name, routes):
            line("marker", "it says that another file is whole, and goes along with it")
            return True
    if routing.slow:
        line("route", f"{routing.slow}; it would wait: {remedy(routing.slow)}")
        return False
    found = routing.route
    if found is None:
        names = ", ".join(item.name for item in routes)
        fate = "moved to failed" if config.unmatched == "fail" else "left where it is"
        line("route", f"none of the routes ({names}) matches the name; it would be {fate}")
        return False
    for key, text in _route_lines(found):
        line(key, text)
    for reason in _not_ready(config, path, found, routes):
        line("ready", reason)
    return _told(path, found, line)


def _told(path: Path, found: Route, line: Say) -> bool:
    """Inspect and cut the file as the agent would, and tell of it; returns whether it would be delivered."""
    with ExitStack() as scratches:

        def scratch() -> BinaryIO:
            return cast(BinaryIO, scratches.enter_context(tempfile.TemporaryFile()))

        try:
            file = scratches.enter_context(open_still(path))
            content = prepare(file, path.name, found, scratch=scratch, now=datetime.now(UTC))
            for key, text in _content_lines(content, path.name):
                line(key, text)
            refuse_empty(content, found)
            chunks, first = _cut_up(content, found)
        except OSError as error:
            line("file", f"cannot be read: {error.strerror}")
        except NotWhole:
            line("file", "not a regular file, or it changes while it is read; it would wait")
        except Outside as held:
            line("checks", f"{held.reason}; it would be held: {held.check}")
        except Unfit as fault:
            line("checks", fault.reason)
            for problem in fault.problems:
                line("problem", shown(problem))
            line("fate", f"moved to failed; {fault.what_to_do}")
        else:
            _tell_chunks(content, found, chunks, first, line)
            return True
    return False


def _route_lines(found: Route) -> Iterator[tuple[str, str]]:
    acd_type = f", acdType {found.acd_type}" if found.acd_type else ""
    yield "route", f"{found.name}: POST {found.url} ({found.content_type}{acd_type})"
    if found.after:
        yield "order", f"waits while there are files of {', '.join(found.after)}"


def _not_ready(config: Config, path: Path, found: Route, routes: Sequence[Route]) -> Iterator[str]:
    answer, how = trial(path), watching(config)
    if answer.why:
        yield f"not now: {answer.why}"
    marker = marker_of(path.name, found)
    if marker is not None and marker_beside(path, found, routes) is None:
        yield f"not now: waits for its marker {shown(marker)}"
    quiet, doubt = how.quiet, None
    if marker is None and (doubt := Doubts().ask(path, Fingerprint.of(path.lstat()), found)) is not None:
        yield in_doubt(doubt)
        quiet *= EMPTY_PATIENCE
    still = f"once it is unchanged for {quiet:g} s"
    if how.network or not answer.told:
        still += f", or {max(quiet, how.unsure):g} s where the agent does not hear whether it is closed"
    yield still


def _content_lines(content: Content, name: str) -> Iterator[tuple[str, str]]:
    packed = "compressed, " if is_compressed(name) else ""
    yield "text", ", ".join(filter(None, (packed + content.encoding, content.dialect)))
    if content.opening.header:
        yield "header", _excerpt(content.opening.header)
    yield (
        "records",
        f"{content.records:,}" + (f", and {content.bad:,} bad ones set aside" * bool(content.bad)),
    )
    for problem in content.problems:
        yield "problem", shown(problem)
    changes = content.changes
    if changes.left_out:
        yield "dropped", changes.left_out
    if changes.padded:
        yield "filled", f"{counted(changes.padded, 'short record')} at the end"
    for before, after in zip(changes.before, changes.after, strict=True):
        yield "record", _excerpt(as_csv([before]).encode())
        yield "becomes", _excerpt(as_csv([after]).encode())


def _tell_chunks(content: Content, found: Route, chunks: int, first: bytes, line: Say) -> None:
    line("checks", f"fit to send: {content.size:,} bytes, sha256 of the file {content.source_sha256}")
    elements = f" and {found.split:,} elements" if found.split is not None else ""
    most = f", of at most {found.chunk_bytes:,} bytes{elements}" if content.cuttable else ""
    line("chunks", f"{chunks:,}{most}")
    if chunks:
        line("first", _excerpt(first))
    aside = "; the bad records to failed" if content.bad else ""
    line("fate", f"delivered, then moved to done{aside}" if chunks else "moved to done, with nothing sent")


def _cut_up(content: Content, found: Route) -> tuple[int, bytes]:
    """Return the number of chunks that would go out, and the first record as it would be sent."""
    number, first, position, last = 0, b"", content.opening.start, content.empty
    while not last:
        if content.cuttable:
            limit, count = found.chunk_bytes, found.split
            chunk = split.cut(
                content.file, position, limit, content.opening, max_record=found.max_record, count=count
            )
        else:
            chunk = split.whole(content.file, position, found.max_json, content.opening)
        if number == 0:
            first = _first_record(chunk.body, content, found)
        number, position, last = number + 1, chunk.end, chunk.last
    return number, first


def _first_record(body: bytes, content: Content, found: Route) -> bytes:
    if found.format == "json":
        return body
    data = body[len(content.opening.header) :] if found.header in ("first", "every") else body
    return data[: first_boundary(data) or None]


def _excerpt(record: bytes) -> str:
    text = record[: 4 * SHOWN_CHARS].decode("utf-8", "replace").strip()
    return shown(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…")
