"""The running agent: the main loop, the uploader threads, signals.

The main loop looks, settles and claims; one thread for each file under way carries it to its end. The
loop never waits on a hold, so that it can always stop: it waits on a queue that signals, watchdog and
finished threads write to.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from watcher.agent.crew import Crew, Join, in_thread
from watcher.agent.drop_watcher import Lookout
from watcher.agent.holds import Holds
from watcher.agent.hooks import Hooks
from watcher.agent.pipeline import Pipeline
from watcher.agent.publisher import Publisher
from watcher.agent.recovery import strangers
from watcher.agent.vitals import Vitals
from watcher.agent.wake import LONGEST_WAIT_SECONDS, Wake
from watcher.core.errors import NotWhole, Outside
from watcher.core.model import FileState, Route, Row
from watcher.core.order import Waiting, blocked, queues, route_name
from watcher.core.settle import Wait
from watcher.disk.files import folder_target
from watcher.disk.leases import trial_open
from watcher.disk.places import Places
from watcher.report import log
from watcher.report.status_file import SHOWN_WAITING

STRANGERS_TOLD = 20  # files of other agents named in the log at the start

# Exit codes; with RELIEVED another agent goes on in this process, under new settings.
STOPPED, FILE_FAILED, OUR_FAULT, STILL_HELD, RELIEVED = 0, 1, 3, 4, -1


class Agent:
    """One agent; `run` returns the exit code. Other threads call `progress` and `changed`, and no more."""

    def __init__(
        self,
        pipeline: Pipeline,
        lookout: Lookout,
        holds: Holds,
        wake: Wake,
        stop: threading.Event,
        *,
        places: Places,
        state: Path,
        servers: tuple[str, ...],
        once_patience: float | None = None,
        hooks: Hooks = Hooks(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Callable[[], None], str], Join] = in_thread,
    ) -> None:
        """`servers`: the targets of all routes, token endpoint included. `once_patience`: with `--once`,
        the seconds without any progress after which it gives up."""
        self._pipeline = pipeline
        self._crew = Crew(pipeline.carry, holds, wake=wake, spawn=spawn)
        self._lookout = lookout
        self._holds = holds
        self._wake = wake
        self._stop = stop
        self._places = places
        # A claim tries the first three; the other two are what its file will need.
        self._claim_targets = tuple(map(folder_target, (places.drop, places.work, state)))
        self._folder_targets = (*self._claim_targets, *map(folder_target, (places.done, places.failed)))
        self._servers = servers
        self._patience = once_patience
        self._hooks = hooks
        self._clock = clock
        self._waiting: dict[str, Waiting] = {}  # by name, as of the last look
        self.vitals = Vitals(lookout, self._crew, waiting=lambda: list(self._waiting), clock=clock)
        self._present: Counter[str | None] = Counter()  # how many of them, by route: kept, not counted anew
        self._queues: dict[str | None, list[Waiting]] = {}  # those that are ready, the next one last
        self._progress_at = clock()  # written by any thread
        self._resumed = False
        self._blind = False  # the last look met a fault
        self._failed = False
        self._stale = True  # something ended since the last look
        self._status = Publisher(state, holds, clock=clock)

    def progress(self) -> None:
        """Note that something moved; the uploader threads call it after each chunk."""
        self._progress_at = self._clock()

    def changed(self) -> None:
        """Note that a hold began or ended; any thread calls it."""
        self._status.has_news = True
        self._wake()

    def run(self) -> int:
        """Run until a signal, until it is relieved, or with `--once` until nothing is left to do."""
        code = STOPPED
        try:
            while not self._wake.told_to_stop and not self._stop.is_set():
                self.vitals.beat()
                self._collect()
                self._hooks.turn()
                if self._hooks.relieved() and self._crew.at_rest:
                    return RELIEVED
                self._resume()
                if self._resumed:
                    self._look()
                    self._start()
                self._publish()
                if self._patience is not None and (over := self._over()) is not None:
                    code = over
                    break
                self._wake.wait(self._pause())
        finally:
            self._shut_down(code)
        return OUR_FAULT if self._crew.faulty else code

    def _resume(self) -> None:
        """Take up what was under way at the last stop, before anything new; again if a folder is away."""
        if self._resumed or not all(map(self._holds.unattended, self._holds.held(self._claim_targets))):
            return
        try:
            entries = self._pipeline.recover()
        except Outside as fault:
            self._holds.failed(fault)
            return
        self._resumed = True
        self._reached()
        for path in islice(strangers(self._places), STRANGERS_TOLD):
            log.warn(
                f"{path} belongs to an agent with another state folder; if that one is gone, move it back"
                " into the drop folder"
            )
        for entry in entries:
            log.resumed(entry)
            self._crew.set_off(entry)

    def _look(self) -> None:
        self._lookout.soon()
        if self._clock() < self._lookout.due_at:
            return
        try:
            waiting = self._lookout.look()
        except Outside as fault:
            self._holds.failed(fault)
            self._blind = True
            self._lookout.due_at = self._clock() + (self._holds.next_probe() or 1.0)
            return
        self._queues = queues(waiting)
        if self._blind or not self._queues:
            # A hold that a claim began, while files wait for one, is ended by a claim.
            self._holds.worked(self._claim_targets[0])
            self._blind = False
        self._stale = False
        self._status.has_news = True
        self._waiting = {file.name: file for file in waiting}
        self._present = Counter(map(route_name, waiting))

    def _start(self) -> None:
        """Claim every file that may go now, and give each a thread."""
        for ready in self._queues.values():
            while ready and not self._wake.told_to_stop and self._reason(ready[-1].route) is None:
                try:
                    entry = self._take(ready[-1])
                except Outside as fault:
                    self._holds.failed(fault)
                    break
                ready.pop()
                if entry is not None:
                    self._crew.set_off(entry)

    def _take(self, file: Waiting) -> Row | None:
        """Claim a file that is ready; None: it is in use, or not what it was. Raises `Outside`."""
        why = trial_open(self._places.drop / file.name)
        if why is None:
            try:
                entry = self._pipeline.take(file)
            except NotWhole as changed:
                why = str(changed) or "it changed while it was looked at"
        if why is not None:
            self._waiting[file.name] = Waiting(file.name, file.look, file.route, Wait(why))
            self._lookout.again(file.name)
            return None
        self._reached()
        del self._waiting[file.name]
        self._status.has_news = True
        self._present[route_name(file)] -= 1
        self.progress()
        return entry

    def _reached(self) -> None:
        """The folders that a claim needs are all there."""
        for target in self._claim_targets:
            self._holds.worked(target)

    def _reason(self, route: Route | None) -> str | None:
        """Say why no file of this route may be claimed now, or None."""
        if self._hooks.relieved():
            return "the new settings wait for the uploads under way"
        if route is None:
            why = "behind another file" if self._crew.under_way[None] else None
            targets = self._folder_targets
        else:
            why = blocked(route, present=self._present, under_way=self._crew.under_way)
            targets = (*self._folder_targets, *self._servers, route.url)
        if why is not None:
            return why
        for hold in self._holds.held(targets):
            # A hold that nobody probes any more (its file changed, say) is probed by the next file.
            if not self._holds.unattended(hold):
                return f"held: {hold.target}: {hold.reason}"
        return None

    def _collect(self) -> None:
        """Take note of the files that came to their end."""
        for last in self._crew.collect():
            self._failed = self._failed or (last is not None and last.state is FileState.FAILED)
            self._stale = self._status.has_news = True
            if last is not None:
                self._hooks.outcome(last)
            self.progress()

    def _over(self) -> int | None:
        """With `--once`: return the exit code if this is the end."""
        if self._resumed and not self._waiting and self._crew.idle:
            if not self._stale:
                return FILE_FAILED if self._failed else STOPPED
            if not self._holds.held(self._claim_targets):
                self._lookout.due_at = self._clock()  # one more look: a file may have come meanwhile
        patience = float("inf") if self._patience is None else self._patience + self._settling()
        return STILL_HELD if self._clock() - self._progress_at > patience else None

    def _settling(self) -> float:
        """Return the seconds that must pass on top of our patience while nothing is held: what is read, tried
        again after a server error, or settling for longer than the patience, goes on."""
        if self._holds.active():
            return 0.0
        if not self._crew.idle:
            return float("inf")
        settling = any(
            isinstance(file.verdict, Wait) and file.verdict.until for file in self._waiting.values()
        )
        return self._lookout.longest_wait if settling else 0.0

    def _pause(self) -> float:
        """Return the seconds until the loop has something to do that no call of `wake` will tell."""
        times = [self._lookout.due_at] if self._resumed else [self._clock() + LONGEST_WAIT_SECONDS]
        if self._status.has_news:
            times.append(self._status.due_at)
        if (probe := self._holds.next_probe()) is not None:
            times.append(self._clock() + probe)
        now = self._clock()
        if self._patience is not None and self._progress_at + self._patience > now:
            times.append(self._progress_at + self._patience + 0.001)
        return min(times) - now

    def _publish(self) -> None:
        """Tell `watcher status` what waits, and why."""
        if not self._status.due:
            return
        reasons = {route: self._reason(ready[-1].route) for route, ready in self._queues.items() if ready}
        told = islice(self._waiting.values(), SHOWN_WAITING)  # not all: this runs four times a second
        waiting = [(file.name, route_name(file), self._why(file, reasons)) for file in told]
        waiting += [(name, None, why) for name, why in self._lookout.odd]
        self._status.tell(waiting, number=len(self._waiting) + len(self._lookout.odd))

    def _why(self, file: Waiting, reasons: dict[str | None, str | None]) -> str:
        if isinstance(file.verdict, Wait):
            return file.verdict.why
        return reasons.get(route_name(file)) or "next in line"

    def _shut_down(self, code: int) -> None:
        self._stop.set()
        self.vitals.end()
        self._holds.wake()
        self._crew.join()
        self._lookout.stop()
        self._pipeline.tidy()
        why = "new settings take effect" if self._hooks.relieved() else "nothing left to do"
        why = "out of patience, and something is still held" if code == STILL_HELD else why
        why = "asked to" if self._wake.told_to_stop else why
        log.stopped("a fault of ours" if self._crew.faulty else why)
