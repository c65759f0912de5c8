"""Many uploads at once in simulated time: a story is a seed, and every seed is one interleaving.

The agent is built as `watcher run` builds it, with real files and a real journal; its acts take simulated
time and come back in any order, done when they begin or when they end. The server gives every kind of answer
and loses some, disks fail, the process dies between any two acts, a second agent takes files from the same
folder. In the end the world is mended, and everything must be where it belongs.
`WATCHER_STORIES=20000 python -m pytest tests/agent/test_stories.py` tells more of them; a story that fails
names its seed: `python -m tests.agent.test_stories SEED` tells it alone, with the log.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.simulation import Simulation, disk_fault, lost, quiet_log, story_folder, trouble
from watcher.core.conversation import Reply, Request
from watcher.core.errors import Outside
from watcher.core.events import (
    ChunkSent,
    Claimed,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
    Resumed,
    Started,
    SteppedAside,
)  # fmt: skip
from watcher.disk.files import is_half_written
from watcher.disk.owner import OWNER_FILE
from watcher.report import log
from watcher.sandbox.server import Answer, Operation

STORIES = int(os.environ.get("WATCHER_STORIES", "2000"))
SLICES = 20  # of them, so that several processes share the work
ROUTES = """\
  - {name: stats, match: "stats*.csv", endpoint: historical-data, parallel: 3}
  - {name: queues, match: "queue*.csv", endpoint: historical-data, parallel: 2}
"""
KINDS = {
    "event_types": ("json", "event-types"),
    "reason_codes": ("json", "reason-codes"),
    "agent_events": ("csv", "agent-events"),
    "stats": ("csv", "historical-data"),
    "queue": ("csv", "historical-data"),
}
POISON = b"poison"  # the server refuses what has this in it
CURSED = b"cursed"  # ... or fails on it each time
SEVERED = b"severed"  # ... or never answers, or holds it up, until the world is mended
BAD = (POISON, CURSED, b'bad,"')
# What everybody meets in an outage, and how many files of an endpoint may fail of it.
OUTAGES = {
    "500": (Reply(500, "database"), 0),
    "400": (Reply(400, "tenant"), 2),
    "502": (Reply(502, "gateway"), 0),
    "403": (Reply(403, "role"), 0),
    "503": (Reply(503, "maintenance"), 0),
    "page": (Reply(200, "<html>", html=True), 0),
    "closed": (None, 0),
}
HOLDS = [408, 425, 429, 503, 401, 403, 404]
KEPT = "retention: {done: 30d, failed: 30d}\n"  # longer than any story, whatever the clock says
# What the clock of a machine may be off by, from its start.
CLOCKS = [timedelta()] * 6 + [timedelta(days=-3650), timedelta(days=3650), timedelta(hours=-1)]


class Story:
    """One world, from a seed to its end."""

    def __init__(self, seed: int, root: Path) -> None:
        self.chance = random.Random(seed)
        self.lost_answer = self.chance.choice(["resend", "new_token"])
        self.first = Simulation(root / "world", lost_answer=self.lost_answer, routes=ROUTES, more=KEPT)
        self.agents = [self.first]
        self.broken: list[str] = []  # promises, as they were seen to be broken
        if self.chance.random() < 0.25:
            self.agents.append(Simulation(root / "world", beside=self.first))
        self.first.wire.clock = lambda: self.first.wall
        self.work, self.trap = root / "world/drop/.uploading", root / "trap"
        self.trap.mkdir()
        self.open: list[tuple[BinaryIO, bytes]] = []  # files that somebody still writes, and what is to come
        for agent in self.agents:
            agent.chance, agent.clock_error = self.chance, self.chance.choice(CLOCKS)
            agent.wire.script = self.serve
            agent.effects.fault = self.disk
            agent.on_sleep = self.meanwhile
            agent.on_event = Order(self.broken, self.left_by_others).hear
        self.contents: dict[str, bytes] = {}  # by name, of everything that was dropped
        self.most = self.chance.choice([2, 3, 8])  # files, until the world is mended
        self.trouble = self.chance.choice([0.0, 0.1, 0.4])  # the share of requests that go wrong
        self.disk_trouble = self.chance.choice([0.0, 0.0, 0.02, 0.1])
        self.outage = self.chance.choice(list(OUTAGES)) if self.chance.random() < 0.3 else ""
        self.outage_requests = self.chance.randrange(80) if self.outage else 0
        if self.outage:
            self.trouble = self.disk_trouble = 0.0
        self.severed = self.chance.choice(
            [None, None, Reply(403), Reply(404, retry_after=2.0), OUTAGES["page"][0]]
        )
        # By push token: lost answers and deaths. So many of its chunks may be there twice.
        self.doubts: Counter[str] = Counter()
        self.acts = self.most_at_once = 0
        self.is_mended = False

    # -- the world -----------------------------------------------------------------------------------

    def drop(self, kind: str = "", *, good: bool = False) -> None:
        """Somebody drops a file."""
        kind = kind or self.chance.choice(list(KINDS))
        number = len(self.contents)
        name = f"{kind}_{number}.{KINDS[kind][0]}"
        if KINDS[kind][0] == "json":
            content = b'{"n": %d}' % number if good or self.chance.random() < 0.9 else b'{"n": %d' % number
        else:
            records = range(self.chance.choice([1, 3, 12, 16]))
            content = b"".join(b"%06d,%02d,x\n" % (number, record) for record in records)
            odd = self.chance.random()
            odd = 1.0 if good else odd
            for share, what in ((0.05, POISON), (0.1, b'bad,"quote'), (0.14, CURSED), (0.17, SEVERED)):
                if odd < share:
                    content += what + b"\n"
                    break
        self.contents[name] = content
        if not good and self.chance.random() < 0.1:
            half = self.chance.randrange(len(content))
            self.open.append((self.first.begin(name, content[:half]), content[half:]))
        else:
            self.first.drop(name, content)

    def meanwhile(self) -> None:
        """While the agent waits, people go on."""
        if len(self.contents) < self.most and self.chance.random() < 0.2:
            self.drop()
        if self.open and self.chance.random() < 0.1:
            self.close(self.open.pop())
        if self.chance.random() < 0.02:
            self.swap()

    def close(self, writer: tuple[BinaryIO, bytes]) -> None:
        """A file is written to its end."""
        file, rest = writer
        with file:
            file.write(rest)

    def swap(self, *, back: bool = False) -> None:
        """Somebody puts a link in the place of the work folder; or it is put right."""
        aside = self.work.with_name(".mine")
        if self.work.is_symlink():
            self.work.unlink()
            aside.rename(self.work)
        elif self.work.is_dir() and not back:
            self.work.rename(aside)
            self.work.symlink_to(self.trap)

    def disk(self, effect: str, path: str) -> OSError | None:
        """Fail some effects."""
        return disk_fault(self.chance, self.disk_trouble, effect, path)

    def serve(self, push: Request, take: Callable[[], Answer]) -> Reply | Outside:
        """Answer one request, or not."""
        wire = self.first.wire
        complete = any(op.completed and push.body in op.chunks for op in wire.operations())
        if POISON in push.body and not complete:
            return Reply(422, "poison")
        token = dict(push.params)["pushToken"]
        if CURSED in push.body and not complete:
            return Reply(500, "cursed")
        if SEVERED in push.body and not self.is_mended and not complete:
            if self.severed is None:
                self.doubts.update([token])
            return self.severed or lost(False, take)
        if self.outage_requests > 0 and not complete:
            self.outage_requests -= 1
            reply = OUTAGES[self.outage][0]
            if reply is None or reply.status == 502:
                self.doubts.update([token])
            return reply or lost(False, take)
        if self.chance.random() >= self.trouble:
            return wire.reply(take())
        return trouble(
            self.chance, take, complete=complete, doubt=lambda: self.doubts.update([token]), holds=HOLDS,
            waits=[None, 0.0, 3.0],
        )  # fmt: skip

    def left_by_others(self, owner: str) -> set[str]:
        """The routes of files that lie in the work folder of the other agent, which does not run now."""
        with self.first.effects.paused(), self.agents[-1].effects.paused():
            parts = [
                path.relative_to(self.first.root).parts
                for path in self.first.root.glob("drop/.uploading/*/*/*")
            ]
        names = [parts[-1] for parts in parts if parts[2] != owner]
        return {kind.replace("_", "-") for kind in KINDS for name in names if name.startswith(kind)}

    # -- the telling ---------------------------------------------------------------------------------

    def tell(self) -> None:
        """Live some lives, mend the world, and see that all is well."""
        for _ in range(self.chance.randrange(1, 6)):
            self.drop()
        for _ in range(self.chance.randrange(1, 4)):
            agent = self.chance.choice(self.agents)
            crash_at = self.chance.choice([None, self.chance.randrange(400)])
            code = self.live(agent, seconds=self.chance.choice([5.0, 60.0, 600.0]), crash_at=crash_at)
            if code is None or self.disk_trouble:
                # It died, or could not write any more: of each file that was being sent, one chunk.
                self.doubts.update(row.push_token for row in agent.rows() if row.state == "sending")
        undrained, lives = list(self.agents), 0
        while undrained:
            # One may have to wait for files of the other.
            agent = undrained.pop(0)
            # The world is mended while the agent is at it: whatever is held then must end by itself.
            mended_at = agent.now + self.chance.choice([0.0, 5.0, 60.0])
            agent.on_sleep = lambda agent=agent, at=mended_at: self.mend(agent.now >= at)
            code = self.live(agent, seconds=5000.0)
            # One that is through before the world is mended may end with a hold that it tells nothing by.
            if code not in (0, 1) or (agent.held and agent.now < mended_at):
                lives += 1
                assert lives < 4 * len(self.agents), f"it does not drain: {agent.told()}"
                undrained.append(agent)
                self.mend(True)
                # One that is held because nobody shows whose fault it is goes on with the next delivery.
                for kind in KINDS:
                    self.drop(kind, good=True)
            self.mend(True)
        for agent in self.agents:
            assert not agent.held, f"held for ever: {agent.held}"
            assert not agent.ended_twice, f"over, and never begun: {agent.ended_twice}"
        self.check()

    def mend(self, now: bool) -> None:
        """From now on everything works; and nobody drops anything any more."""
        if now and not self.is_mended:
            self.trouble = self.disk_trouble = 0.0
            self.outage_requests, self.is_mended = 0, True
            while self.open:
                self.close(self.open.pop())
            self.swap(back=True)

    def live(self, agent: Simulation, *, seconds: float, crash_at: int | None = None) -> int | None:
        """One life of one agent's process."""
        code = agent.run(seconds=seconds, crash_at=crash_at)
        assert agent.workers is not None
        self.acts += agent.workers.acts
        self.most_at_once = max(self.most_at_once, agent.workers.most_at_once)
        return code

    def check(self) -> None:
        """Every file is in exactly one place, the right one, and the server has what is done, once."""
        assert not self.broken, self.broken
        assert not list(self.trap.iterdir()), "what lies behind a link is not ours"
        operations = [operation for operation in self.first.wire.operations() if operation.completed]
        for name, content in self.contents.items():
            (place,) = self.first.places_of(content)
            half = content.startswith(b"{") and not content.endswith(b"}")
            if half or any(bad in content for bad in BAD):
                assert place.startswith("failed/"), (name, place)
            if place.startswith("done/"):
                whole = [op for op in operations if once(op) == content]
                assert whole, f"{name} is done, and the server has it not: {self.first.rows()}"
                if self.lost_answer == "resend":
                    assert len(whole) == 1, f"{name} was completed {len(whole)} times"
        if self.outage:
            self.check_blame()
        self.check_repeats(operations)
        self.check_journals(operations)

    def check_blame(self) -> None:
        """Nothing outside a file failed it, but for the first ones of a refusal."""
        innocent: Counter[str] = Counter()
        for name, content in self.contents.items():
            (place,) = self.first.places_of(content)
            half = content.startswith(b"{") and not content.endswith(b"}")
            if place.startswith("failed/") and not half and not any(bad in content for bad in BAD):
                innocent[name.rpartition("_")[0]] += 1
        most = OUTAGES[self.outage][1] * len(self.agents)
        assert all(number <= most for number in innocent.values()), (self.outage, innocent)

    def check_repeats(self, operations: list[Operation]) -> None:
        """A chunk is there twice only where an answer was lost, or a process died."""
        for operation in operations:
            twice = len(operation.chunks) - len(dict.fromkeys(operation.chunks))
            allowed = 0 if self.lost_answer == "new_token" else self.doubts[operation.push_token]
            assert twice <= allowed, (operation.push_token, twice, allowed)

    def check_journals(self, operations: list[Operation]) -> None:
        """Every row came to its end, nothing lies in the drop folder, no report is without its file."""
        tokens = Counter(operation.push_token for operation in operations)
        for agent in self.agents:
            for row in agent.rows():
                assert row.state in ("done", "failed", "returned", "vanished"), row
                if row.state == "done" and row.upload.chunks:
                    assert tokens[row.push_token] == 1, row
        left = [path for path in (self.first.root / "drop").rglob("*") if path.is_file()]
        # These go for the eye alone, where the disk lets them.
        ours = (OWNER_FILE, ".watcher-probe-")
        left = [path for path in left if not path.name.startswith(ours)]
        assert not [path for path in left if not is_half_written(path.name)], left
        for report in (self.first.root / "failed").glob("*.error.txt"):
            assert report.with_name(report.name.removesuffix(".error.txt")).is_file(), report


class Order:
    """Watches over the order of routes, and over how many files of a route are uploaded at once."""

    BEFORE = {"reason-codes": {"event-types"}, "agent-events": {"event-types", "reason-codes"}}  # noqa: RUF012
    PARALLEL = {"stats": 3, "queues": 2}  # noqa: RUF012

    def __init__(self, broken: list[str], left_by_others: Callable[[str], set[str]]) -> None:
        self._broken, self._left_by_others = broken, left_by_others
        self._under_way: dict[str, str | None] = {}  # name and route of one agent's files
        self._sending: dict[str, str | None] = {}  # those with a chunk acknowledged, and not the last one

    def hear(self, event: Event) -> None:
        """Take note of an event of one agent."""
        match event:
            case Started():
                self._under_way, self._sending = {}, {}
            case Claimed(row):
                others = self._left_by_others(row.owner)
                if first := self.BEFORE.get(row.route or "", set()) & {*self._under_way.values(), *others}:
                    self._broken.append(f"{row.name} was claimed before the end of a file of {first}")
                self._under_way[row.name] = row.route
            case Resumed(row):
                self._under_way[row.name] = row.route
            case ChunkSent(row, last=last):
                self._sending[row.name] = row.route
                if last:
                    self._sending.pop(row.name)
                elif list(self._sending.values()).count(row.route) > self.PARALLEL.get(row.route or "", 1):
                    self._broken.append(f"{row.name}: too many of its route at once: {self._sending}")
            case SteppedAside(name):
                self._sending.pop(name, None)
            case FileDelivered(row) | FileFailed(row) | FileReturned(row) | FileVanished(row):
                self._under_way.pop(row.name, None)
                self._sending.pop(row.name, None)


def once(operation: Operation) -> bytes:
    """What the server has of an operation, each chunk once."""
    return b"".join(dict.fromkeys(operation.chunks))


def told(seed: int) -> Story:
    """Tell one story."""
    with story_folder(seed) as root:
        story = Story(seed, root)
        story.tell()
    return story


@pytest.mark.parametrize("part", range(SLICES))
def test_whatever_happens_every_file_is_in_one_place_and_at_the_server_once(part: int) -> None:
    with quiet_log():
        stories = [told(seed) for seed in range(part, STORIES, SLICES)]

    if len(stories) >= 100:  # fewer may be short ones
        assert max(story.most_at_once for story in stories) >= 5
        assert sum(story.acts for story in stories) >= 150 * len(stories)


@pytest.mark.parametrize("seed", [11447, 21698, 32594])
def test_a_story_that_once_ended_badly_ends_well(seed: int) -> None:
    """A folder that could not be made at the first start, and that nobody needed; a file that was written on
    while its claim failed, and was seen meanwhile, so that it stood in the queue twice; three bad files in a
    row, one of which had chunks at the server, so that no good one behind them was ever compared."""
    with quiet_log():
        told(seed)


def main() -> None:
    """Tell the stories of these seeds, with the log; or all of them, and count."""
    if len(sys.argv) > 1:
        log.setup("debug")
        for seed in sys.argv[1:]:
            told(int(seed))
        return
    log.setup("critical")
    began = time.perf_counter()
    stories = [told(seed) for seed in range(STORIES)]
    acts, seconds = sum(story.acts for story in stories), time.perf_counter() - began
    most = max(story.most_at_once for story in stories)
    print(f"{len(stories):,} stories, {acts:,} acts, up to {most} at once, {seconds:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
