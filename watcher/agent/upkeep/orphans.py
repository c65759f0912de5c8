"""What lies in our part of the work folder though nothing that is under way is there.

A power cut may take back a rename that the journal already counts on: the file is there again, and its row
says done. What the row says holds: it goes where that put it, and is not sent again. Files that no row knows
(the journal was restored from a backup, say) go back into the drop folder: they must not lie there unseen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from watcher.core.errors import Gone, NotWhole, Outside
from watcher.core.life import IN_DOUBT, LOOK_FIRST, changed_since
from watcher.core.model import FINAL, FileState, Row
from watcher.core.names import shown
from watcher.core.steps import Relocate
from watcher.disk import files, filing
from watcher.disk.owner import OWNER_FILE
from watcher.disk.places import Places
from watcher.journal.protocol import Journal


def put_away(
    journal: Journal, places: Places, known: Callable[[], Collection[str]], now: datetime
) -> Iterator[str]:
    """Put away what is not in one of the folders `known`, which have the names of push tokens.

    `known` is asked behind the look at what is there: whatever is claimed has its row before its folder.
    Yields what became of each, for people. Raises `Outside`; may be repeated.
    """
    if not places.work.is_dir():
        return
    with files.blame(places.work):
        names = {path.name for path in places.work.iterdir()} - {OWNER_FILE}
        for token in sorted({_token(name) for name in names} - set(known())):
            own = places.work / token
            try:
                yield from _put_away(journal, places, own, now)
            except Outside as fault:
                if fault.target.kind != "file":
                    raise
                yield f"{own / fault.target.name}: in the work folder, and not under way; {fault.reason}"


def _token(name: str) -> str:
    for suffix in filing.DRAFTS:
        name = name.removesuffix(suffix)
    return name


def _put_away(journal: Journal, places: Places, own: Path, now: datetime) -> Iterator[str]:
    row = journal.archive.of_token(own.name)
    if row is not None and row.owner != journal.agent_id and row.state not in FINAL:
        return  # another agent has it by now, and comes for it
    if row is not None and (row := _with_verdict(row, own)) is not None:
        with suppress(Gone):
            if words := _filed_again(journal, places, row, now):
                yield words
    for path in (own, *(own.with_name(own.name + suffix) for suffix in filing.DRAFTS)):
        if os.path.lexists(path):
            yield from _put_back(path, places, now)


def _with_verdict(row: Row, own: Path) -> Row | None:
    """Return the row as it was before its file was moved, with the file where it is.

    None: it was not delivered, and goes back to be sent.
    """
    row = replace(row, file=replace(row.file, source=str(own / row.name)))
    upload, outcome = row.upload, row.outcome
    match row.state:
        case FileState.DONE:
            return replace(row, state=FileState.DELIVERED)
        case FileState.FAILED:
            return replace(row, state=FileState.REJECTED)
        case FileState.VANISHED if upload.at_server == "all":
            return replace(row, state=FileState.DELIVERED)
        # Rows of earlier versions have only the words for it.
        case FileState.VANISHED if upload.in_doubt or IN_DOUBT in (outcome.reason or ""):
            todo = LOOK_FIRST + "copy it into the drop folder again"
            outcome = replace(outcome, reason=IN_DOUBT, what_to_do=todo)
            return replace(row, state=FileState.REJECTED, outcome=outcome)
        case FileState.VANISHED if outcome.what_to_do is not None:
            return replace(row, state=FileState.REJECTED)
    return None


def _filed_again(journal: Journal, places: Places, row: Row, now: datetime) -> str:
    """Move a file to where its row says that it is; returns what there is to tell of it.

    Raises `Outside`, and `Gone` where it is in neither place.
    """
    source, draft = Path(row.file.source), filing.aside_draft(row.file.source)
    if not (os.path.lexists(source) or os.path.lexists(draft)):
        return ""
    lay_there, filed = os.path.lexists(source), _in_our_folders(places, row)
    while True:
        try:
            if filed.place.target is not None and filing.finish(places, filed):
                break
        except NotWhole as what:  # the power cut took its content, too, or a part of it
            filed = _changed(filed, what)
        chosen = filing.choose(places, filed, now)
        filed = replace(filed, place=replace(filed.place, target=chosen.target, aside=chosen.aside))
    if filed.place != row.place and row.owner == journal.agent_id:
        journal.apply([Relocate(row, row.file.source, filed.place.target, filed.place.aside)])
    if not lay_there:
        return ""
    return (
        f"{shown(row.name)}: it lay in the work folder again, and the journal says"
        f" {'delivered' if row.state is FileState.DELIVERED else 'failed'}"
        f"{'' if filed.state is row.state else f'; {filed.outcome.reason}'}: it was not sent again, and is at"
        f" {shown(str(filed.place.target))}"
    )


def _changed(row: Row, what: NotWhole) -> Row:
    """Return the row of a file that is not what was delivered."""
    why = changed_since(row, what)
    outcome = replace(row.outcome, reason=why.reason, what_to_do=why.what_to_do)
    return replace(row, state=FileState.REJECTED, outcome=outcome, place=replace(row.place, target=None))


def _in_our_folders(places: Places, row: Row) -> Row:
    """Forget a target that the settings do not name any more."""
    target = Path(row.place.target) if row.place.target else None
    ours = target is not None and (
        target.parent in (places.done, places.failed) or target.parent.parent == places.done
    )
    return row if ours else replace(row, place=replace(row.place, target=None))


def _put_back(own: Path, places: Places, now: datetime) -> Iterator[str]:
    with files.blame(own.parent, own.name):
        if own.is_symlink() or not own.is_dir():
            files.remove(own)  # the draft of a report, or bad records that are still in their file
            return
        for path in sorted(own.iterdir()):
            target = filing.put_back(path, places.drop, path.name, now, places.keeps)
            yield f"{path.name}: was in the work folder unknown to the journal; back at {target}"
        files.remove_folder(own)
