"""People beside a running agent in simulated time: they withdraw and retry files, and change its settings.

A story is a seed, as in `test_stories`: acts come back in any order, the server loses answers, disks fail,
the agent dies between any two acts. A command is a process of its own: the agent goes on between any two of
its effects, and it may be killed at each. `WATCHER_PEOPLE_STORIES=2000 python -m pytest
tests/agent/test_people_stories.py` tells more; `python -m tests.agent.test_people_stories SEED` tells one
alone, with the log.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

pytest.importorskip("greenlet")

from tests.agent.test_stories import HOLDS, KINDS, POISON, Order, once
from tests.simulated_people import Command, PeoplesEffects, beside
from tests.simulation import Simulation, disk_fault, quiet_log, story_folder, trouble
from watcher.agent.by_hand import withdrawing
from watcher.commands.retry import retry
from watcher.core.conversation import Reply, Request
from watcher.core.errors import ConfigError, Outside
from watcher.report import log
from watcher.sandbox.server import Answer

STORIES = int(os.environ.get("WATCHER_PEOPLE_STORIES", "60"))
SLICES = 4
ROUTES = """\
  - {{name: stats, match: "stats*.csv", endpoint: historical-data, parallel: {stats}}}
  - {{name: queues, match: "queue*.csv", endpoint: historical-data, parallel: {queues}}}
"""
MOST = 10  # files
BARRED = b"barred"  # the server takes nothing of it, and says that this is not the file's fault


class PeopleStory:
    """One world, from a seed to its end."""

    def __init__(self, seed: int, root: Path) -> None:
        self.chance = chance = random.Random(seed)
        self.lost_answer = chance.choice(["resend", "new_token"])
        self.agent = agent = Simulation(
            root / "world",
            lost_answer=self.lost_answer,
            routes=ROUTES.format(stats=3, queues=2),
            effects=PeoplesEffects,
        )
        self.settings = (agent.root / "config.yaml").read_text()
        effects = agent.effects
        assert isinstance(effects, PeoplesEffects)
        self.effects = effects
        agent.chance = chance
        agent.wire.script, agent.effects.fault = self.serve, self.disk
        self.broken: list[str] = []
        agent.on_event = Order(self.broken, lambda _owner: set()).hear
        agent.on_sleep = self.meanwhile
        self.dropped: list[tuple[str, bytes]] = []  # name and content of each file
        self.taken: set[bytes] = set()  # contents that a person took away, or wrote over
        self.commands: list[Command] = []
        self.trouble = chance.choice([0.0, 0.1, 0.4])
        self.disk_trouble = chance.choice([0.0, 0.0, 0.0, 0.05])
        self.activity = chance.choice([0.02, 0.1, 0.3])  # the chance of a command, each time the agent waits
        self.again: Counter[bytes] = Counter()  # contents that somebody had sent once more
        self.doubts: Counter[str] = Counter()
        self.begun = 0  # things that people did, or began to do
        self.withdrawn = self.retried = self.reloads = 0
        self.is_mended = False

    # -- the world -----------------------------------------------------------------------------------

    def drop(self, kind: str = "", *, good: bool = False) -> None:
        """Somebody drops a file."""
        kind, number = kind or self.chance.choice(list(KINDS)), len(self.dropped)
        # Now and then under a name that another one has, or had.
        serial = number if good or self.chance.random() < 0.8 else self.chance.randrange(number + 1)
        name = f"{kind}_{serial}.{KINDS[kind][0]}"
        if KINDS[kind][0] == "json":
            content = b'{"n": %d}' % number
        else:
            records = range(self.chance.choice([1, 12, 30]))
            content = b"".join(b"%06d,%02d,x\n" % (number, record) for record in records)
            odd = 1.0 if good else self.chance.random()
            content += POISON + b"\n" if odd < 0.1 else BARRED + b"\n" if odd < 0.25 else b""
        self.take(self.agent.root / "drop" / name)
        self.dropped.append((name, content))
        self.agent.drop(name, content)

    def take(self, path: Path) -> None:
        """Somebody is about to take away what lies there, or to write over it."""
        if path.is_file():
            self.taken.add(path.read_bytes())

    def serve(self, push: Request, take: Callable[[], Answer]) -> Reply | Outside:
        """Answer one request, or not."""
        complete = any(op.completed and push.body in op.chunks for op in self.agent.wire.operations())
        if POISON in push.body and not complete:
            return Reply(422, "poison")
        if BARRED in push.body and not complete and not self.is_mended:
            return Reply(403, "role")
        if self.chance.random() >= self.trouble:
            return self.agent.wire.reply(take())
        doubt = partial(self.doubts.update, [dict(push.params)["pushToken"]])
        return trouble(self.chance, take, complete=complete, doubt=doubt, holds=HOLDS, waits=[None, 0.0, 3.0])

    def disk(self, effect: str, path: str) -> OSError | None:
        """Fail some effects."""
        return disk_fault(self.chance, self.disk_trouble, effect, path)

    # -- people --------------------------------------------------------------------------------------

    def meanwhile(self) -> None:
        """While the agent waits, people go on."""
        chance = self.chance
        if len(self.dropped) < MOST and chance.random() < 0.1:
            self.drop()
        if self.dropped and len(self.commands) < 3 and chance.random() < self.activity:
            self.begin(chance.choice([self.withdraw, self.withdraw, self.retry, self.retry_all, self.reload]))
        if self.dropped and chance.random() < self.activity / 2:
            self.begun += 1
            chance.choice([self.copy_back, self.delete, self.rename, self.grow])()
        for command in list(self.commands):
            if chance.random() < 0.7 and not command.go_on():
                self.commands.remove(command)

    def copy_back(self) -> None:
        """Somebody moves a failed file back, and leaves its report."""
        if path := self.one_of("failed"):
            self.again.update([path.read_bytes()])
            self.take(self.agent.root / "drop" / path.name)
            path.rename(self.agent.root / "drop" / path.name)

    def delete(self) -> None:
        """Somebody has no need of a file any more."""
        if path := self.one_of(self.chance.choice(["drop", "failed"])):
            self.take(path)
            path.unlink()

    def rename(self) -> None:
        """Somebody gives a file that waits another name."""
        if path := self.one_of("drop"):
            path.rename(path.with_name(f"{path.stem}_{self.begun}{path.suffix}"))

    def grow(self) -> None:
        """Somebody writes more into a file that waits."""
        path = self.one_of("drop")
        if path and path.suffix == ".csv":
            self.take(path)
            with path.open("ab") as file:
                file.write(b"%06d,more\n" % self.begun)
            self.dropped.append((path.name, path.read_bytes()))

    def one_of(self, folder: str) -> Path | None:
        """One of the files there, if there are any."""
        found = sorted((self.agent.root / folder).glob("*_*"))
        found = [path for path in found if path.is_file() and not path.name.endswith(".error.txt")]
        return self.chance.choice(found) if found else None

    def begin(self, do: Callable[[], None]) -> None:
        """Begin a command."""
        self.begun += 1
        self.commands.append(Command(self.effects, do, chance=self.chance))

    def come_to_end(self) -> None:
        """What the commands that are under way have still to do, with no agent beside them."""
        with self.effects.installed():
            while self.commands:
                if not self.commands[0].go_on():
                    self.commands.pop(0)

    def withdraw(self) -> None:
        """Somebody takes a file out of the queue."""
        name, content = self.chance.choice(self.dropped)
        if (path := self.one_of("drop")) and self.chance.random() < 0.5:  # one that waits, mostly
            name, content = path.name, path.read_bytes()
        said: list[str] = []
        is_alone, begun = len(self.commands) == 1, self.begun
        try:
            code = withdrawing.withdraw(
                self.agent.config, [name], said.append, user="ann", running=self.agent.is_alive
            )
        except (Outside, ConfigError):
            return
        if code == 0:
            self.withdrawn += 1
            is_alone = is_alone and self.begun == begun  # else it may be on its way back already
            is_one = [known for known, _ in self.dropped].count(name) == 1 and content not in self.taken
            if is_alone and is_one and not self.agent.places_of(content)[0].startswith("failed/"):
                self.broken.append(f"{said}, but it is in {self.agent.places_of(content)}")

    def retry(self) -> None:
        """Somebody has a failed file sent again."""
        if path := self.one_of("failed"):
            self._retry([path.name])

    def retry_all(self) -> None:
        """Somebody has all of them sent again, but those that the server may have."""
        self._retry([])

    def _retry(self, names: list[str]) -> None:
        self.again.update((self.agent.root / "failed" / name).read_bytes() for name in names)
        try:
            retry(self.agent.config, names, lambda _words: None, everything=not names)
            self.retried += 1
        except (Outside, ConfigError):
            return

    def reload(self) -> None:
        """Somebody changes the settings, and tells the agent."""
        chance = self.chance
        self.write_settings(
            stats=chance.choice([1, 2, 3]),
            queues=chance.choice(["queue*.csv", "queue*.csv", "another*.csv"]),
            chunk_bytes=chance.choice([30, 60, 200]),
            done=chance.choice(["done", "done", "done-2"]),
            by=chance.choice(["none", "none", "day"]),
            unmatched=chance.choice(["fail", "ignore"]),
        )
        self.reloads += 1
        if self.agent.is_alive:
            signal.raise_signal(signal.SIGHUP)

    def write_settings(
        self, *, stats: int, queues: str, chunk_bytes: int, done: str, by: str, unmatched: str
    ) -> None:
        """Write the settings anew: how many of stats at a time, which files are queues, ..."""
        text = f"{self.settings}done: {{by: {by}}}\nunmatched: {unmatched}\n"
        for old, new in (
            ("parallel: 3", f"parallel: {stats}"),
            ("queue*.csv", queues),
            ("chunk_bytes: 60", f"chunk_bytes: {chunk_bytes}"),
            (f"done: {self.agent.done}", f"done: {done}"),
        ):
            assert old in text
            text = text.replace(old, new)
        with self.effects.paused():
            (self.agent.root / done).mkdir(exist_ok=True)  # the agent makes folders on its first start alone
            (self.agent.root / "config.yaml").write_text(text)

    # -- the telling ---------------------------------------------------------------------------------

    def tell(self) -> None:
        """Live some lives with people beside them, mend the world, and see that all is well."""
        agent, chance = self.agent, self.chance
        for _ in range(chance.randrange(1, 6)):
            self.drop()
        for _ in range(chance.randrange(1, 4)):
            crash_at = chance.choice([None, chance.randrange(400)])
            agent.once = chance.random() < 0.3
            agent.load()
            code = agent.run(seconds=chance.choice([5.0, 60.0, 600.0]), crash_at=crash_at)
            if code is None or self.disk_trouble:
                self.doubts.update(row.push_token for row in agent.rows() if row.state == "sending")
            self.come_to_end()
        mended_at = agent.now + chance.choice([0.0, 5.0, 60.0])
        agent.on_sleep = lambda: self.mend(agent.now >= mended_at)
        agent.once, lives = True, 0
        self.write_settings(
            stats=3, queues="queue*.csv", chunk_bytes=60, done="done", by="none", unmatched="fail"
        )
        agent.load()
        while agent.run(seconds=5000.0) not in (0, 1) or (agent.held and agent.now < mended_at):
            lives += 1
            assert lives < 6, f"it does not drain: {agent.told()}"
            self.mend(True)
            # One that is held because nobody shows whose fault it is goes on with the next delivery.
            for kind in KINDS:
                self.drop(kind, good=True)
        self.check()

    def mend(self, now: bool) -> None:
        """From now on everything works."""
        if now:
            self.trouble = self.disk_trouble = 0.0
            self.is_mended = True

    def check(self) -> None:
        """Every file is in one place, and at the server as often as somebody wanted it there."""
        agent = self.agent
        assert not self.broken, self.broken
        assert not agent.held, agent.held
        operations = agent.wire.operations()
        for name, content in self.dropped:
            places = self.places_of(content)
            assert len(places) == 1 or (not places and content in self.taken), (name, places)
            if not places:
                continue
            assert places[0].startswith(("done", "failed/")), (name, places)
            whole = [op for op in operations if op.completed and once(op) == content]
            if places[0].startswith("done"):
                assert whole, f"{name} is done, and the server has it not: {agent.rows()}"
            if self.lost_answer == "resend":
                assert len(whole) <= 1 + self.again[content], f"{name} was completed {len(whole)} times"
            if places[0].startswith("failed/"):
                self.check_report(agent.root / places[0])
        for row in agent.rows():
            assert row.state in ("done", "failed", "returned", "vanished"), row

    def places_of(self, content: bytes) -> list[str]:
        """Where files with this content are."""
        other = self.agent.root / "done-2"
        found = [path for path in other.rglob("*") if path.is_file() and path.read_bytes() == content]
        return self.agent.places_of(content) + [f"done-2/{path.name}" for path in found]

    def check_report(self, path: Path) -> None:
        """What a report says of the server is true."""
        report = path.with_name(path.name + ".error.txt")
        assert report.is_file(), path
        told = yaml.safe_load(report.read_text(encoding="utf-8-sig"))
        operations = [op for op in self.agent.wire.operations() if op.push_token == told.get("push_token")]
        reason = told["reason"]
        if "nothing of it" in reason:
            assert not operations, (path.name, reason)
        elif re.search("its upload not completed", reason):
            assert not any(op.completed for op in operations), (path.name, reason)


def told(seed: int) -> PeopleStory:
    """Tell one story."""
    with story_folder(seed) as root:
        story = PeopleStory(seed, root)
        with beside(story.agent):
            story.tell()
    return story


@pytest.mark.parametrize("part", range(SLICES))
def test_whatever_people_do_beside_the_agent_every_file_is_in_one_place_and_its_report_is_true(
    part: int,
) -> None:
    with quiet_log():
        stories = [told(seed) for seed in range(part, STORIES, SLICES)]

    assert sum(story.withdrawn for story in stories) > 0
    assert sum(story.retried for story in stories) > 0
    assert sum(story.reloads for story in stories) > 0


if __name__ == "__main__":
    log.setup("debug")
    for seed in sys.argv[1:]:
        told(int(seed))
