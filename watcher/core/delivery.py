"""One upload as a script: chunk by chunk under one push token, each in the journal before it goes out.

It decides nothing that is not in the conversation's verdicts, and does nothing itself: see `life`.
"""

from __future__ import annotations

from dataclasses import replace

from watcher.core.acts import (
    Accuse,
    Aside,
    Both,
    Choose,
    Clear,
    Cut,
    Found,
    Free,
    Locate,
    Maybe,
    Pace,
    Pause,
    Piece,
    Push,
    Release,
    Tell,
    Turn,
)  # fmt: skip
from watcher.core.backoff import backoff
from watcher.core.conversation import (
    SMALLEST_CHUNK_BYTES,
    Accepted,
    Again,
    Conversation,
    OnHold,
    Refused,
    Smaller,
    Suspected,
    Verdict,
)  # fmt: skip
from watcher.core.errors import NotWhole, Outside, Proof, Unfit
from watcher.core.events import ChunkSent, SmallerChunks, StartedOver, TryingAgain
from watcher.core.model import FileState, Placement, Receipt, Row
from watcher.core.policy import Policy, plausible
from watcher.core.probing import Probing
from watcher.core.steps import Retrying, Sending, StartOver
from watcher.core.target import Target

_OWN_FAULT = (
    "what is special about this file, and what stands between here and the server (limits on size or time);"
    " `watcher withdraw` takes it out of the queue"
)
_ELSEWHERE = "its last chunk went out and had no answer, and server, tenant or route are others since then"
_BRING_BACK = (
    "bring the settings back until it is delivered; or look into the import history of the WFM, and take it"
    " out of the queue with `watcher withdraw`"
)


def as_delivered(row: Row, at: str) -> Row:
    """Return the row as it will be once it is delivered (`at`: UTC, ISO 8601), as far as its place depends on
    it."""
    return replace(row, state=FileState.DELIVERED, outcome=replace(row.outcome, finished_at=at))


class Delivery:
    """One file on its way to the server: chunk by chunk, each in the journal before it goes out."""

    def __init__(self, row: Row, found: Found, policy: Policy, *, moves: bool) -> None:
        """`moves`: its place in the done folder is chosen before its last chunk goes out."""
        self._row, self._found, self._policy, self._moves = row, found, policy, moves
        self._way = (*policy.way, Target("endpoint", found.route.url))
        self._probing = Probing(policy, self._way)
        self._file = policy.file(row)
        self._place, self._day = found.place, policy.day  # in the done folder, by the day that it was chosen
        self._own_limit: int | None = None  # bytes of a chunk, where larger ones of this file never pass
        self._position = max(row.upload.position, found.start)  # behind the last acknowledged chunk
        self._chunks = row.upload.chunks  # acknowledged
        self._talk = self._conversation(unknown=row.upload.sending_to is not None)

    async def run(self) -> tuple[Row, Receipt, Placement | None]:
        """Send everything that was not sent yet."""
        try:
            return await self._run()
        except (Outside, NotWhole, Unfit):
            # What was announced did not go out, or was answered: nothing of it is in doubt.
            await self._write_down()
            raise
        finally:
            self._probing.end()

    async def _first(self) -> Piece:
        """Return what goes out first; what was begun elsewhere, or cannot go on, begins again."""
        upload, found = self._row.upload, self._found
        elsewhere = upload.destination not in (None, found.destination)
        while elsewhere and upload.in_doubt:
            # Until it is known what became of it, it goes nowhere: least of all to another server.
            await Aside(Outside(self._file, _ELSEWHERE, check=_BRING_BACK))
            await Clear(targets=(self._file,))
        unknown = upload.sending_to is not None and not upload.in_doubt
        if elsewhere or (unknown and self._policy.lost_answer == "new_token"):
            # No operation is to have two halves; or a crash came between a chunk and its answer.
            await self._start_over()
        fresh = self._row.upload.sha256 is None
        return found.first if found.first and fresh else await self._cut()

    async def _run(self) -> tuple[Row, Receipt, Placement | None]:
        piece, found = await self._first(), self._found
        await Turn("upload")
        while True:
            chunk = piece.chunk
            await self._announce(piece)
            verdict, ahead = await self._exchange(piece)
            if verdict is None:  # something is held by now
                await self._write_down()
                continue
            await self._probing.over(verdict)
            match verdict:
                case Accepted(note):
                    await Tell(ChunkSent(self._row, chunk.start, chunk.end, chunk.last))
                    self._position, self._chunks = chunk.end, self._chunks + 1
                    if chunk.last:
                        await Release()
                        return self._row, replace(found.receipt, chunks=self._chunks, note=note), self._place
                    if ahead is None:
                        await self._write_down()  # it may be a long wait
                        ahead = await self._cut(piece)
                    piece = ahead
                case OnHold(start_over=True):
                    piece = await self._again_from_the_start()
                case OnHold():
                    await self._write_down()
                case Again(attempt, reason):
                    await self._write_down()
                    wait = backoff(attempt, cap=self._policy.retry_cap, jitter=self._policy.jitter())
                    await Tell(TryingAgain(self._row, reason, attempt, wait))
                    await Pause(wait)
                case Smaller():
                    piece = await self._smaller(piece, verdict)
                case Suspected():
                    piece = await self._suspected(piece, verdict)

    async def _announce(self, piece: Piece) -> None:
        """Write down, in one commit, what is acknowledged and what goes out now; before a wait, the first."""
        await self._choose(piece)
        if not await Free(targets=self._way):
            await self._write_down()
            await self._probing.clear()
            await Pace(targets=self._way)
            await self._choose(piece)
        step = Sending(
            self._row, self._position, self._chunks,
            end=piece.chunk.end, sha256=self._found.sha256, destination=self._found.destination,
            total=self._found.size,
        )  # fmt: skip
        self._row = await self._policy.commit(step)

    async def _choose(self, piece: Piece) -> None:
        """Choose where the file goes. Not behind the answer: what came of it must not wait for a folder."""
        if not (piece.chunk.last and self._moves):
            return
        today = self._policy.day
        if self._place is None or self._day != today:
            targets = (self._policy.done, self._file)
            delivered = as_delivered(self._row, self._policy.at)
            self._place, self._day = await Maybe(Choose(delivered, targets=targets)), today

    async def _write_down(self) -> None:
        """Write down what is acknowledged, where the journal still takes the last chunk for unanswered."""
        if self._row.upload.sending_to is not None and not self._talk.unknown:
            self._row = await self._policy.commit(Retrying(self._row, self._position, self._chunks))

    async def _start_over(self) -> None:
        """Begin again under a new token: an operation that is completed holds each record once."""
        self._row = await self._policy.commit(StartOver(self._row, self._policy.new_token()))
        await Tell(StartedOver(self._row))
        self._position, self._chunks = self._found.start, 0
        self._talk.renew(self._row.push_token)

    async def _again_from_the_start(self) -> Piece:
        await self._start_over()
        return await self._cut()

    async def _suspected(self, piece: Piece, met: Suspected) -> Piece:
        """Perhaps it is the file: others are asked. Returns what goes out next. Raises `Unfit`."""
        fault = (await Accuse(met.suspicion)).outside
        if fault is None:
            await self._write_down()
            if met.refused is not None:
                raise await self._unfit(piece, met.refused)
            # Others get through: perhaps it is the size of this one, and the server is not to be held for it.
            self._talk.blamed_at = piece.chunk.start
            smaller = await self._half(piece)
            if smaller is not None:
                return await self._again_from_the_start() if self._talk.unknown else smaller
            reason = f"{met.suspicion.reason}; other files get through"
            until = Proof.DELIVERY if piece.chunk.last else Proof.CHUNK
            fault = Outside(self._file, reason, check=_OWN_FAULT, until=until)
        # The hold first: nobody else is to probe while this is written down.
        await Aside(fault)
        await self._write_down()
        await Clear(targets=(self._file,))
        await Turn("upload")
        return await self._again_from_the_start() if met.start_over else piece

    async def _unfit(self, piece: Piece, refused: Refused) -> Unfit:
        """Return what the file fails with."""
        self._talk.unknown = self._talk.unknown or refused.in_doubt
        lines = await Locate(self._found, piece.chunk, targets=(self._policy.work, self._file))
        return Unfit(
            refused.reason,
            what_to_do=refused.what_to_do, lines=lines, status=refused.status, said=refused.said,
        )  # fmt: skip

    async def _half(self, piece: Piece) -> Piece | None:
        """Cut the chunk smaller, for this file alone; None where that cannot be."""
        chunk = piece.chunk
        size = len(chunk.body)
        if (chunk.last and self._talk.unknown) or size <= SMALLEST_CHUNK_BYTES:
            return None
        limit = max(SMALLEST_CHUNK_BYTES, size // 2)
        smaller = await self._cut(limit=limit)
        if smaller.chunk.end >= chunk.end:
            return None
        self._own_limit = limit
        return smaller

    async def _smaller(self, piece: Piece, met: Smaller) -> Piece:
        """The server refuses the chunk's size: remember a smaller one for the route, if that can help."""
        await self._write_down()
        route, limit = self._found.route, met.limit
        smaller = await self._cut(limit=limit)
        if smaller.chunk.end >= piece.chunk.end:
            return await self._suspected(piece, met.uncut)
        self._policy.limits[route.name] = min(limit, self._limit)
        await Tell(SmallerChunks(route.name, limit))
        return await self._again_from_the_start() if met.start_over else smaller

    def _cut(self, before: Piece | None = None, *, limit: int | None = None) -> Cut:
        """Return the act that cuts the next chunk, or the one that went out before, byte for byte."""
        start, upload = self._position, self._row.upload
        end = upload.sending_to if upload.position == start and limit is None else None
        return Cut(
            self._found, start, limit or self._limit, end, before,
            targets=(self._policy.work, self._file), seconds=plausible(self._row),
        )  # fmt: skip

    async def _exchange(self, piece: Piece) -> tuple[Verdict | None, Piece | None]:
        """Send a chunk, and meanwhile cut the next; the verdict is None where it did not go out."""
        chunk, found, policy = piece.chunk, self._found, self._policy
        seconds = policy.request_seconds * self._talk.patience(chunk)
        guard = found if chunk.last else None
        push = Push(self._row.id, self._talk, chunk, guard, targets=self._way, seconds=seconds)
        if chunk.last:
            return await push, None
        cut = Cut(found, chunk.end, self._limit, None, piece, targets=(policy.work, self._file))
        return await Both(push, Maybe(cut))

    @property
    def _limit(self) -> int:
        learned = self._policy.limit(self._found.route)
        return learned if self._own_limit is None else min(learned, self._own_limit)

    def _conversation(self, *, unknown: bool) -> Conversation:
        return Conversation(
            self._found.route,
            self._row.push_token,
            server=self._policy.way[-1],
            attempts=self._policy.attempts,
            lost_answer=self._policy.lost_answer,
            unknown=unknown,
            held_up_at=self._row.upload.position if self._row.upload.sends else None,
        )
