"""Sends one file's content under one push token: chunk by chunk, each in the journal before it goes out.

The glue between the pure parts (split, upload) and the edges (journal, client); all waiting happens in
`holds`. It moves nothing and decides nothing that is not in `upload`'s verdicts.
"""

from __future__ import annotations

import hashlib
import os
import random
import uuid
from pathlib import Path
from typing import BinaryIO

from watcher.agent.desk import Desk, destination
from watcher.content import split
from watcher.content.content import Content
from watcher.content.csv_text import line_list
from watcher.content.records import NEWLINE, line_at
from watcher.content.split import READ_BYTES
from watcher.core.backoff import backoff
from watcher.core.conversation import (
    Accepted,
    Again,
    Conversation,
    Hold,
    Refused,
    Smaller,
    Verdict,
)
from watcher.core.errors import NotWhole, Outside, Stopped, Unfit
from watcher.core.model import Chunk, Receipt, Route, Row
from watcher.core.names import counted
from watcher.core.steps import Retrying, Sending, StartOver, Step
from watcher.disk.claim import unchanged
from watcher.report import log


class Delivery:
    """One file on its way; `send` runs it to its end."""

    def __init__(
        self,
        desk: Desk,
        entry: Row,
        route: Route,
        source: BinaryIO,
        *,
        opened: os.stat_result,
        content: Content,
    ) -> None:
        """`source` is the open file, `opened` its `os.fstat` from before it was inspected."""
        self._desk = desk
        self._entry = entry
        self._route = route
        self._source = source
        self._opened = opened
        self._content = content
        self._destination = destination(route, desk.client.tenant, content)
        # The journal says "sending": a chunk may have arrived whose answer is not known.
        self._answer_open = entry.upload.sending_to is not None
        self._begin(entry.upload.position, entry.upload.chunks)

    def send(self) -> Receipt:
        """Send everything that was not sent yet.

        Raises `Unfit` where the server refuses the file, `NotWhole` where the file changed meanwhile (its
        operation is never completed then), `Stopped` where the agent stops; the journal knows how far it got.
        """
        try:
            return self._send()
        except (Outside, Stopped, OSError):
            # Not to be lost: otherwise the chunk that was acknowledged last would go out once more.
            self._write_down()
            raise

    def _send(self) -> Receipt:
        moved = self._entry.upload.destination not in (None, self._destination)
        if moved or (self._entry.upload.sending_to is not None and self._desk.lost_answer == "new_token"):
            # The settings changed meanwhile, and no operation is to have two halves; or a crash came between
            # a chunk and its answer.
            self._start_over()
        talk = self._conversation(unknown=self._entry.upload.sending_to is not None)
        while True:
            chunk = self._cut()
            self._check(chunk)
            match self._exchange(talk, chunk):
                case Accepted(note):
                    self._advance(chunk)
                    if chunk.last:
                        return self._delivered(note)
                case Hold(start_over=True):
                    self._start_over()
                    talk = self._conversation(unknown=False)
                case Hold():
                    self._write_down()
                case Again(attempt, reason):
                    self._write_down()
                    wait = backoff(attempt, cap=self._desk.retry_cap, jitter=random.random())
                    log.trying_again(self._entry, reason=reason, attempt=attempt, seconds=wait)
                    self._desk.holds.pause(wait)
                case Smaller(limit, start_over):
                    self._shrink(chunk, limit)
                    if start_over:
                        self._start_over()
                        talk = self._conversation(unknown=False)
                case Refused(reason, what_to_do, status, said):
                    raise Unfit(
                        reason, what_to_do=what_to_do, lines=self._lines(chunk), status=status, said=said
                    )

    def _delivered(self, note: str | None) -> Receipt:
        content = self._content
        if not content.bad:
            return Receipt(self._chunks, note, content.records)
        number = counted(content.records + content.bad, "record")
        return Receipt(
            self._chunks,
            note,
            content.records,
            reason=f"{content.bad:,} of {number} set aside: {content.problems[0]}",
            what_to_do="mend the records in this file, and copy it into the drop folder",
            lines=line_list(content.bad_lines),
            problems=content.problems,
        )

    def _begin(self, position: int, chunks: int) -> None:
        """Set the position: `position` is the byte behind the last acknowledged chunk, 0 for none."""
        self._position = max(position, self._content.opening.start)
        self._chunks = chunks
        self._sha256 = hashlib.sha256()  # of the content up to the position, as it was sent
        file = self._content.file
        file.seek(0)
        left = self._position
        while left and (block := file.read(min(READ_BYTES, left))):
            self._sha256.update(block)
            left -= len(block)

    def _conversation(self, *, unknown: bool) -> Conversation:
        return Conversation(
            self._route,
            self._entry.push_token,
            server=self._desk.client.server,
            attempts=self._desk.attempts,
            lost_answer=self._desk.lost_answer,
            unknown=unknown,
        )

    @property
    def _limit(self) -> int:
        return self._desk.limits.get(self._route.name, self._route.chunk_bytes)

    def _cut(self, limit: int | None = None) -> Chunk:
        """Cut the next chunk, or the one that went out before, byte for byte."""
        file, opening, route = self._content.file, self._content.opening, self._route
        if self._entry.upload.sending_to is not None and self._entry.upload.position == self._position:
            return split.exactly(file, self._position, self._entry.upload.sending_to, opening)
        if not self._content.cuttable:
            return split.whole(file, self._position, route.max_json, opening)
        return split.cut(
            file,
            self._position,
            limit or self._limit,
            opening,
            max_record=route.max_record,
            count=route.split,
        )

    def _check(self, chunk: Chunk) -> None:
        """Before the commit goes out: the bytes sent are those checked, and the file is as it was."""
        if not chunk.raw or chunk.end > self._content.size or chunk.last != (chunk.end == self._content.size):
            raise NotWhole
        if chunk.last:
            digest = self._sha256.copy()
            digest.update(chunk.raw)
            if digest.hexdigest() != self._content.sha256 or not self._as_opened():
                raise NotWhole

    def _exchange(self, talk: Conversation, chunk: Chunk) -> Verdict:
        """Wait until nothing is held, send the chunk, and tell `holds` what the answer says about whom."""
        client, holds = self._desk.client, self._desk.holds
        targets = [client.token_url, client.server, self._route.url]  # in the order a request meets them
        unsaid = targets
        try:
            if holds.held(targets):
                self._write_down()  # it may be a long wait
            for target in targets:
                holds.wait(target)
            self._announce(chunk)
            asked_at = holds.now()
            try:
                reply = client.push(talk.request(chunk))
            except Outside as fault:
                verdict: Verdict = talk.no_answer(fault)
            else:
                verdict = talk.answered(chunk, reply)
            self._answer_open = talk.unknown
            fault_at = len(targets)
            if isinstance(verdict, Hold):
                holds.failed(verdict.fault)
                fault_at = targets.index(verdict.fault.target)
            for target in targets[:fault_at]:
                holds.worked(target, asked_at=asked_at)
            unsaid = targets[fault_at + 1 :]
            return verdict
        finally:
            holds.give_up(unsaid)

    def _as_opened(self) -> bool:
        return unchanged(Path(self._entry.file.source), self._source, self._opened)

    def _announce(self, chunk: Chunk) -> None:
        """Write down, in one commit, what is acknowledged and what goes out now."""
        self._step(
            Sending(
                self._entry,
                position=self._position,
                chunks=self._chunks,
                end=chunk.end,
                sha256=self._content.source_sha256,
                destination=self._destination,
                total=self._content.size,
            )
        )
        self._answer_open = True

    def _write_down(self) -> None:
        """Write down what is acknowledged, where the journal still takes the last chunk for unanswered."""
        if self._entry.upload.sending_to is not None and not self._answer_open:
            self._step(Retrying(self._entry, self._position, self._chunks))

    def _step(self, step: Step) -> None:
        [self._entry] = self._desk.holds.insist(lambda: self._desk.journal.apply([step]))

    def _advance(self, chunk: Chunk) -> None:
        log.chunk_sent(self._entry, start=chunk.start, end=chunk.end, last=chunk.last)
        self._sha256.update(chunk.raw)
        self._position = chunk.end
        self._chunks += 1
        self._desk.on_chunk(self._entry, self._position)

    def _start_over(self) -> None:
        self._step(StartOver(self._entry, str(uuid.uuid4())))
        log.start_over(self._entry)
        self._answer_open = False
        self._begin(0, 0)

    def _shrink(self, chunk: Chunk, limit: int) -> None:
        """The server refuses the chunk's size: remember a smaller one for the route, if that can help."""
        self._answer_open = False
        self._write_down()
        if self._cut(limit).end >= chunk.end:
            raise Unfit(
                f"HTTP 413: one record of {len(chunk.raw):,} bytes is larger than the server takes",
                what_to_do="ask for a higher limit on the server or its proxy, or shorten the record",
                lines=self._lines(chunk),
                status=413,
            )
        self._desk.limits[self._route.name] = min(limit, self._limit)
        log.smaller_chunks(self._route.name, limit)

    def _lines(self, chunk: Chunk) -> str:
        """Return the lines of the dropped file that `chunk` has, or its elements, where it is an array."""
        begin = line_at(self._content.file, chunk.start)
        end = begin + chunk.raw.count(NEWLINE) - chunk.raw.endswith(NEWLINE)
        if self._content.opening.array:
            return f"elements {begin}-{end}" if end > begin else f"element {end}"
        first, last = map(self._content.line_in_source, (begin, end))
        return f"{first}-{last}" if last > first else str(first)
