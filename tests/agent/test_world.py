"""A world in which everything goes wrong, step by step: hypothesis writes the story, the agent lives it.

People drop, rewrite, rename and delete files; the server gives every answer of the fault table, loses
requests and answers; folders vanish and return; disks fill up; clocks jump; the process crashes. In the
end the world is mended, and everything must drain to where it belongs. A failing story is printed as code.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from loguru import logger

from tests.simulation import Simulation, disk_fault, trouble
from watcher.core.conversation import Reply, Request
from watcher.core.errors import Outside
from watcher.report import log
from watcher.sandbox.server import Answer

NAMES = [
    "event_types.json",
    "reason_codes.json",
    *(f"agent_events_{letter}.csv" for letter in "abc"),
    "x.xls",
]
DISK_FAULTS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.ENOENT]
HOLDS = [408, 425, 429, 502, 503, 504, 401, 403, 404, 405, 302, 307]
POISON = b"poison"  # the server refuses files with this in them


class World(RuleBasedStateMachine):
    """What people, the server and the machine may do."""

    @initialize(lost_answer=st.sampled_from(["resend", "new_token"]), seed=st.integers(0, 2**32))
    def begin(self, lost_answer: str, seed: int) -> None:
        """An empty world."""
        fast = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=fast if fast.is_dir() else None))
        self.world = Simulation(self.root / "world", lost_answer=lost_answer)
        self.chance = random.Random(seed)
        self.alive: set[bytes] = set()  # the contents that people dropped and did not take back
        self.serial = 0
        self.resends = 0
        self.trouble = 0.0  # the share of requests that go wrong
        self.disk_trouble = 0.0
        self.away: set[str] = set()
        self.world.wire.script = self.serve
        self.world.effects.fault = self.disk
        self.world.on_sleep = self.meanwhile
        assert self.world.run(seconds=1) == 0

    # -- the server and the disk --------------------------------------------------------------------

    def serve(self, push: Request, take: Callable[[], Answer]) -> Reply | Outside:
        """Answer one request, or not."""
        # A server that took a whole file, and later refuses the same bytes, cannot be told from one that did
        # not: it would be this test's fault, not the agent's.
        complete = any(op.completed and push.body in op.chunks for op in self.world.wire.operations())
        if POISON in push.body and not complete:
            return Reply(422, "poison")
        if self.chance.random() >= self.trouble:
            return self.world.wire.reply(take())
        return trouble(
            self.chance, take, complete=complete, doubt=self.doubt, holds=HOLDS, waits=[None, 0.0, 3.0, 1e9]
        )

    def doubt(self) -> None:
        """A chunk may be there twice."""
        self.resends += 1

    def disk(self, effect: str, path: str) -> OSError | None:
        """Fail some effects."""
        return disk_fault(self.chance, self.disk_trouble, effect, path, DISK_FAULTS)

    def meanwhile(self) -> None:
        """While the agent waits, people go on."""
        if self.chance.random() < 0.1:
            self.people(self.chance.choice(NAMES), self.chance.choice(["drop", "grow", "rename", "delete"]))
        if self.chance.random() < 0.05:
            self.world.wall += timedelta(seconds=self.chance.choice([-86_400, -5, 5, 86_400]))

    # -- what people do -----------------------------------------------------------------------------

    def content(self, name: str) -> bytes:
        """Bytes that no other file has; some of them bad."""
        self.serial += 1
        if name.endswith(".json"):
            return b'{"n": %d}' % self.serial if self.chance.random() < 0.9 else b'{"n": %d' % self.serial
        body = b"".join(b"%06d,%02d,x\n" % (self.serial, row) for row in range(self.chance.randrange(1, 20)))
        odd = self.chance.random()
        return body + (POISON + b"\n" if odd < 0.05 else b'bad,"quote\n' if odd < 0.1 else b"")

    def people(self, name: str, what: str) -> None:
        """Do something with a file in the drop folder, if it is there, and keep in mind what must survive."""
        path = self.world.root / "drop" / name
        if "drop" in self.away or (what != "drop" and not path.is_file()):
            return
        before = path.read_bytes() if path.is_file() else None
        match what:
            case "drop":
                draft = path.with_name(f".{name}")
                draft.write_bytes(self.content(name))
                draft.rename(path)
            case "grow":
                with path.open("ab") as file:
                    file.write(b"%06d,9,more\n" % self.serial)
            case "rename":
                path.rename(path.with_name(f"agent_events_{self.serial}_{name}"))
                return
            case "delete":
                path.unlink()
        if before is not None:
            self.alive.discard(before)  # by a person's hand
        if what != "delete":
            self.alive.add(path.read_bytes())

    @rule(
        name=st.sampled_from(NAMES),
        what=st.sampled_from(["drop", "drop", "drop", "grow", "rename", "delete"]),
    )
    def somebody(self, name: str, what: str) -> None:
        """People act while the agent is not running, too."""
        self.people(name, what)

    # -- what happens to the machine ----------------------------------------------------------------

    @rule(share=st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    def server_trouble(self, share: float) -> None:
        """The server gets worse, or better."""
        self.trouble = share

    @rule(share=st.sampled_from([0.0, 0.0, 0.02, 0.2]))
    def bad_disk(self, share: float) -> None:
        """The disk gets worse, or better."""
        self.disk_trouble = share

    @rule(folder=st.sampled_from(["drop", "done", "failed"]))
    def folder_goes(self, folder: str) -> None:
        """A share is unmounted."""
        if folder not in self.away:
            (self.world.root / folder).rename(self.root / folder)
            self.away.add(folder)

    @precondition(lambda self: self.away)
    @rule()
    def folders_return(self) -> None:
        """... and mounted again."""
        for folder in self.away:
            (self.root / folder).rename(self.world.root / folder)
        self.away.clear()

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0]))
    def live(self, seconds: float) -> None:
        """The agent runs for a while, and is stopped."""
        assert self.world.run(seconds=seconds) is not None

    @rule(point=st.integers(0, 400))
    def crash(self, point: int) -> None:
        """The agent runs, and is killed."""
        if self.world.run(seconds=200, crash_at=point) is None:
            self.resends += 1

    # -- the end ------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Mend the world; then everything drains, and is where it belongs."""
        if not hasattr(self, "world"):
            return
        try:
            self.folders_return()
            self.trouble = self.disk_trouble = 0.0
            self.world.on_sleep = lambda: None
            lives = 0
            while self.world.run(seconds=3000) not in (0, 1):
                lives += 1
                assert lives < 3, f"it does not drain: {self.world.told()}"
            self.check()
        finally:
            shutil.rmtree(self.root)

    def check(self) -> None:
        """Every content that people left is in exactly one place, and the server has what is done."""
        for content in self.alive:
            found = self.world.places_of(content)
            assert len(found) == 1, f"{content!r} is in {found}"
            if POISON in content or b'bad,"quote' in content:
                assert found[0].startswith("failed/"), found
        self.world.check_quiet(resends=self.resends)


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("WATCHER_STORIES", "40")),
    stateful_step_count=40,
    deadline=None,
    derandomize="WATCHER_STORIES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    # A failing story is told as it is: making it shorter takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


class TestWorld(World.TestCase):  # type: ignore[name-defined,misc] - hypothesis makes it
    """What pytest runs."""

    @classmethod
    def setUpClass(cls) -> None:
        """Thousands of lives would fill the screen."""
        log.setup("critical")

    @classmethod
    def tearDownClass(cls) -> None:
        """The next tests have logs of their own."""
        logger.remove()
