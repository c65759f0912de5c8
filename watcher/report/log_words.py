"""The name, the level and the wording of every event in the log: they stand here, and nowhere else.

A name never becomes part of a wording: `log.hear` fills it in.
"""

from __future__ import annotations

from typing import Any

from watcher.core.events import (
    Acted,
    ChunkSent,
    Claimed,
    Crashed,
    Event,
    FileDelivered,
    FileFailed,
    FileRemoved,
    FileReturned,
    FileVanished,
    FolderCreated,
    HistoryRemoved,
    HoldBegan,
    HoldEnded,
    LargeBegan,
    LostToOther,
    NotifyFails,
    NotifyLost,
    NotifyWorks,
    ObserverRestarted,
    Progressed,
    ReloadAccepted,
    ReloadRefused,
    Resumed,
    SmallerChunks,
    Started,
    StartedOver,
    StatusPage,
    SteppedAside,
    Stopped,
    Stuck,
    StuckEnded,
    TookOver,
    TryingAgain,
    Warned,
)  # fmt: skip
from watcher.core.model import Row
from watcher.core.names import counted, some_of
from watcher.core.units import utc_text

Told = tuple[str, str, str, dict[str, Any]]  # level, name, wording, fields


def told(event: Event) -> Told:
    """Return what is logged of an event."""
    match event:
        case Resumed() | Claimed() | ChunkSent() | TryingAgain() | StartedOver() | FileRemoved():
            return _of_a_file(event)
        case LargeBegan() | Progressed():
            return _of_a_large_file(event)
        case FileDelivered() | FileFailed() | FileReturned() | FileVanished():
            return _of_its_end(event)
        case HoldBegan() | HoldEnded() | SmallerChunks() | SteppedAside():
            return _of_what_is_outside(event)
        case Stuck() | StuckEnded():
            return _of_stuck(event)
        case TookOver() | LostToOther():
            return _of_several_agents(event)
        case NotifyFails() | NotifyWorks() | NotifyLost():
            return _of_notices(event)
        case _:
            return _of_the_agent(event)


def _of_a_file(event: Resumed | Claimed | ChunkSent | TryingAgain | StartedOver | FileRemoved) -> Told:
    row, of = event.row, _of(event.row)
    match event:
        case Resumed():
            more: dict[str, Any] = {"state": str(row.state), "counted": counted(row.upload.chunks, "chunk")}
            return "INFO", "resumed", "{name}: goes on where it was ({state}, {counted} delivered)", of | more
        case Claimed():
            return "DEBUG", "claimed", "{name}: claimed for {route}, push token {push_token}", of
        case ChunkSent(_, start, end, last):
            words = "{name}: chunk {chunks} delivered, bytes {start} to {end}{which}"
            more = {"chunks": row.upload.chunks + 1, "start": start, "end": end}
            return "DEBUG", "chunk", words, of | more | {"which": ", the last one" if last else ""}
        case TryingAgain(_, reason, attempt, seconds):
            words = "{name}: {reason}; try {attempt} failed, next in {seconds} s"
            more = {"reason": reason, "attempt": attempt, "seconds": round(seconds, 1)}
            return "WARNING", "trying_again", words, of | more
        case StartedOver():
            words = "{name}: an answer was lost: begins again under push token {push_token}"
            return "WARNING", "start_over", words, of
        case FileRemoved():
            words = "{name}: {state} since {since}, kept long enough: removed {target}"
            more = {"state": str(row.state), "since": row.outcome.finished_at, "target": row.place.target}
            return "INFO", "removed", words, of | more


def _of_a_large_file(event: LargeBegan | Progressed) -> Told:
    match event:
        case LargeBegan(row, total, chunks):
            words = "{name}: large, begins for {route}: {total} bytes in about {chunks} chunks, push token"
            fields = _of(row) | {"total": total, "chunks": chunks}
            return "INFO", "large_began", words + " {push_token}", fields
        case Progressed(row, done, total, speed):
            words = "{name}: {done} of {total} bytes delivered, {percent} %, {speed} bytes/s, {left} s left"
            more: dict[str, Any] = {"done": done, "total": total, "percent": 100 * done // max(total, 1)}
            more |= {"speed": round(speed), "left": round((total - done) / max(speed, 1))}
            return "INFO", "progress", words, _of(row) | more


def _of_its_end(event: FileDelivered | FileFailed | FileReturned | FileVanished) -> Told:
    row, outcome = event.row, event.row.outcome
    target = row.place.target or row.file.source
    match event:
        case FileDelivered(_, seconds):
            notes = "; ".join(filter(None, (outcome.reason, outcome.note)))
            words = "{name}: delivered to {route}, {bytes} bytes, {counted}, {seconds} s, push token"
            more: dict[str, Any] = {
                "counted": counted(row.upload.chunks, "chunk"),
                "seconds": round(seconds, 3),
            }
            more |= {"target": target, "note": f" ({notes})" if notes else ""}
            return "INFO", "delivered", words + " {push_token}, now {target}{note}", _of(row) | more
        case FileFailed():
            more = {"reason": outcome.reason, "what_to_do": outcome.what_to_do, "target": target}
            return "ERROR", "failed", "{name}: failed: {reason}; {what_to_do}; now {target}", _of(row) | more
        case FileReturned():
            words = "{name}: back in the drop folder: {reason}"
            return "WARNING", "returned", words, _of(row) | {"reason": outcome.reason}
        case FileVanished():
            return "WARNING", "vanished", "{name}: {reason}", _of(row) | {"reason": outcome.reason}


def _of_what_is_outside(event: HoldBegan | HoldEnded | SmallerChunks | SteppedAside) -> Told:
    match event:
        case HoldBegan(target, reason, check, seconds):
            words = "holding {target}: {reason}; next try in {seconds} s, and so on without end{hint}"
            fields: dict[str, Any] = {"target": str(target), "reason": reason, "seconds": round(seconds, 1)}
            fields["hint"] = f"; check: {check}" if check else ""
            return "WARNING", "hold_began", words, fields
        case HoldEnded(target, _, _, seconds, tries, is_back):
            back = "held no longer" if target.kind == "file" else "back"
            tried = "try" if tries == 1 else "tries"
            words = "{target} is " + back + " after {seconds} s and {tries} " + tried
            if not is_back:
                words = "{target}: nobody waits for it any more, after {seconds} s and {tries} " + tried
            fields = {"target": str(target), "seconds": round(seconds, 1), "tries": tries}
            return "INFO", "hold_ended", words, fields
        case SteppedAside(name):
            return "DEBUG", "stepped_aside", "{name}: lets others of its route go first", {"name": name}
        case SmallerChunks(route, limit):
            words = "{route}: the server refuses the size: chunks of at most {limit} bytes from now on;"
            fields = {"route": route, "limit": limit}
            return "WARNING", "smaller_chunks", words + " upload.chunk_bytes can say so", fields


def _of_stuck(event: Stuck | StuckEnded) -> Told:
    match event:
        case Stuck(name, why, check, since, blocks, blocked):
            words = "{name}: waits since {since}: {why}; {check}"
            fields: dict[str, Any] = {"name": name, "since": utc_text(since), "why": why, "check": check}
            if blocked:
                words += "; for it waits {behind}" if blocked == 1 else "; for it wait {behind}"
                fields["behind"] = some_of(blocks, blocked)
            return "WARNING", "stuck", words, fields
        case StuckEnded(name, seconds):
            words = "{name}: waits no longer for a reason of its own, after {seconds} s"
            return "INFO", "stuck_ended", words, {"name": name, "seconds": round(seconds, 1)}


def _of_several_agents(event: TookOver | LostToOther) -> Told:
    match event:
        case TookOver(row, agent, host, since, seconds):
            words = "{name}: taken over from agent {agent} on {host}, which gave no sign since {since};"
            if not agent:  # of whom we had it was not heard, or it was a command that did not come to its end
                words = "{name}: ours by the journal, and was not under way here;"
            more = {"agent": agent, "host": host, "since": since, "seconds": round(seconds, 1)}
            when = "in {seconds} s, when nothing of that one can be under way" if seconds else "now"
            return "WARNING", "took_over", f"{words} it goes on {when}", _of(row) | more
        case LostToOther(name, _, by):
            words = "{name}: another agent has it by now, for this one gave no sign of life for too long"
            return "WARNING", "lost_to_other", words, {"name": name, "agent": by}


def _of_notices(event: NotifyFails | NotifyWorks | NotifyLost) -> Told:
    match event:
        case NotifyFails(channel, why):
            words = "{channel}: a message cannot be sent: {why}; tried a few times more, and files go on;"
            fields: dict[str, Any] = {"channel": channel, "why": why}
            return "WARNING", "notify_fails", words + " `watcher check --notify` sends a test", fields
        case NotifyWorks(channel):
            words = "{channel}: messages get through again"
            return "INFO", "notify_works", words, {"channel": channel}
        case NotifyLost(number):
            words = (
                "{counted} failed and were not told: too many at once; `watcher history --failed` shows all"
            )
            return "WARNING", "notify_lost", words, {"counted": counted(number, "file")}


def _of_the_agent(event: Event) -> Told:
    match event:
        case Started(drop, server, version, routes, observe):
            words = "watcher {version} watches {drop} ({observe}) for {server}, {routes}"
            fields: dict[str, Any] = {"version": version, "drop": drop, "observe": observe, "server": server}
            return "INFO", "started", words, fields | {"routes": counted(routes, "route")}
        case StatusPage(url):
            return "INFO", "status_page", "the status page is at {url}", {"url": url}
        case Stopped(reason):
            return "INFO", "stopped", "stopped: {reason}", {"reason": reason}
        case ReloadAccepted():
            words = "the settings were read again: they take effect now, for uploads under way when they"
            return "INFO", "reload_accepted", words + " end or are held", {}
        case ReloadRefused(problems):
            words = "the settings were read again and refused; the old ones stay in force: {problems}"
            return "ERROR", "reload_refused", words, {"problems": "; ".join(problems)}
        case FolderCreated(folder):
            return "INFO", "folder_created", "created the folder {folder}", {"folder": folder}
        case ObserverRestarted():
            words = "the drop folder was replaced or the event source died: watching anew"
            return "INFO", "observer_restarted", words, {}
        case HistoryRemoved(number, before):
            words = "removed {counted} from the history: they ended before {before}"
            fields = {"counted": counted(number, "row"), "before": utc_text(before)}
            return "INFO", "history_removed", words, fields
        case Acted(action, name, by, outcome, done):
            words = "the status page, {by}: {action} {file}: {outcome}"
            fields = {"by": by, "action": action, "file": name, "outcome": outcome}
            return "INFO" if done else "WARNING", "acted", words, fields
        case Crashed(where):
            words = "a fault of watcher itself, please report it: {where}"
            return "CRITICAL", "crashed", words, {"where": where}
        case Warned(sentence):
            return "WARNING", "warning", "{sentence}", {"sentence": sentence}
    raise TypeError(f"{type(event).__name__} has no words")


def _of(entry: Row) -> dict[str, Any]:
    return {
        "name": entry.name,
        "route": entry.route or "no route",
        "bytes": entry.file.fingerprint.size,
        "chunks": entry.upload.chunks,
        "push_token": entry.push_token,
    }
