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

STORIES = int(os.environ.get("WATCHER_PEOPLE_STORIES", "200"))
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
        effects = agent.effects
        assert isinstance(effects, PeoplesEffects)
        self.effects = effects
        agent.chance = chance
        agent.wire.script, agent.effects.fault = self.serve, self.disk
        self.broken: list[str] = []
        agent.on_event = Order(self.broken, lambda _owner: set()).hear
        agent.on_sleep = self.meanwhile
        self.contents: dict[str, bytes] = {}
        self.commands: list[Command] = []
        self.trouble = chance.choice([0.0, 0.1, 0.4])
        self.disk_trouble = chance.choice([0.0, 0.0, 0.0, 0.05])
        self.activity = chance.choice([0.02, 0.1, 0.3])  # the chance of a command, each time the agent waits
        self.again: Counter[bytes] = Counter()  # contents that somebody had sent once more
        self.doubts: Counter[str] = Counter()
        self.begun = self.asked = self.withdrawn = self.retried = self.reloads = 0
        self.is_mended = False

    # -- the world -----------------------------------------------------------------------------------

    def drop(self, kind: str = "", *, good: bool = False) -> None:
        """Somebody drops a file."""
        kind, number = kind or self.chance.choice(list(KINDS)), len(self.contents)
        name = f"{kind}_{number}.{KINDS[kind][0]}"
        if KINDS[kind][0] == "json":
            content = b'{"n": %d}' % number
        else:
            records = range(self.chance.choice([1, 12, 30]))
            content = b"".join(b"%06d,%02d,x\n" % (number, record) for record in records)
            odd = 1.0 if good else self.chance.random()
            content += POISON + b"\n" if odd < 0.1 else BARRED + b"\n" if odd < 0.25 else b""
        self.contents[name] = content
        self.agent.drop(name, content)

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
        if len(self.contents) < MOST and chance.random() < 0.1:
            self.drop()
        if self.contents and len(self.commands) < 3 and chance.random() < self.activity:
            self.begin(chance.choice([self.withdraw, self.withdraw, self.retry, self.retry_all, self.reload]))
        for command in list(self.commands):
            if chance.random() < 0.7 and not command.go_on():
                self.commands.remove(command)

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
        name = self.chance.choice(list(self.contents))
        said: list[str] = []
        self.asked += 1
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
            if is_alone and not self.agent.places_of(self.contents[name])[0].startswith("failed/"):
                self.broken.append(f"{said}, but it is in {self.agent.places_of(self.contents[name])}")

    def retry(self) -> None:
        """Somebody has a failed file sent again."""
        folder = self.agent.root / "failed"
        names = sorted(path.name for path in folder.glob("*_*")) if folder.is_dir() else []
        names = [name for name in names if not name.endswith(".error.txt")]
        if names:
            self._retry([self.chance.choice(names)])

    def retry_all(self) -> None:
        """Somebody has all of them sent again, but those that the server may have."""
        self._retry([])

    def _retry(self, names: list[str]) -> None:
        self.again.update((self.agent.root / "failed" / name).read_bytes() for name in names)
        try:
            retry(self.agent.config, names, lambda _words: None, everything=not names)
            self.retried += 1
        except (Outside, ConfigError, FileNotFoundError):
            return

    def reload(self) -> None:
        """Somebody changes the settings, and tells the agent."""
        chance, agent = self.chance, self.agent
        settings = agent.root / "config.yaml"
        told = yaml.safe_load(settings.read_text())
        routes = {route["name"]: route for route in told["routes"]}
        routes["stats"]["parallel"] = chance.choice([1, 2, 3])
        routes["queues"]["parallel"] = chance.choice([1, 2])
        told["upload"]["chunk_bytes"] = chance.choice([30, 60, 200])
        told["folders"]["done"] = chance.choice(["done", "done", "done-2"])
        with self.effects.paused():
            (agent.root / "done-2").mkdir(exist_ok=True)  # the agent makes folders on its first start alone
            settings.write_text(yaml.safe_dump(told))
            settings.chmod(0o600)
        self.reloads += 1
        if agent.is_alive:
            signal.raise_signal(signal.SIGHUP)

    # -- the telling ---------------------------------------------------------------------------------

    def tell(self) -> None:
        """Live some lives with people beside them, mend the world, and see that all is well."""
        agent, chance = self.agent, self.chance
        for _ in range(chance.randrange(1, 6)):
            self.drop()
        for _ in range(chance.randrange(1, 4)):
            crash_at = chance.choice([None, chance.randrange(400)])
            agent.once = chance.random() < 0.3
            code = agent.run(seconds=chance.choice([5.0, 60.0, 600.0]), crash_at=crash_at)
            if code is None or self.disk_trouble:
                self.doubts.update(row.push_token for row in agent.rows() if row.state == "sending")
            self.come_to_end()
        mended_at = agent.now + chance.choice([0.0, 5.0, 60.0])
        agent.on_sleep = lambda: self.mend(agent.now >= mended_at)
        agent.once, lives = True, 0
        while agent.run(seconds=5000.0) not in (0, 1):
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
        # What a file waited for that somebody took away is not known to be over before the next one.
        held = [target for target in agent.held if target.kind == "file" or not self.asked]
        assert not held, held
        operations = agent.wire.operations()
        for name, content in self.contents.items():
            places = self.places_of(content)
            assert len(places) == 1, (name, places)
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
        more = [f"done-2/{path.name}" for path in other.glob("*") if path.read_bytes() == content]
        return self.agent.places_of(content) + more

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
