"""Up to eight agents of one journal in PostgreSQL, in simulated time: a story is a seed.

Agents die, sleep and are cut off from the database, answers of it are lost, come late and have to be asked
for again; so do those of the server. In the end the world is mended, and everything must be where it belongs.
`WATCHER_AGENTS_STORIES=2000 python -m pytest tests/agent/test_agents_stories.py` tells more of them; a story
that fails names its seed: `python -m tests.agent.test_agents_stories SEED` tells it alone, with the log.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("greenlet")

from tests.agent.test_stories import once
from tests.postgres import database, database_of_tests, postgres_server, served
from tests.simulated_agents import CLOCK, CONNECT, Hub, ManyEffects, ManyWire, Process, simulated
from tests.simulation import SERVER, disk_fault, lost, never_sent, quiet_log, story_folder
from watcher.core.conversation import MOST_PATIENCE, Reply
from watcher.core.conversation import Request as Push
from watcher.core.errors import Outside
from watcher.core.events import Crashed, Event, HoldBegan, SteppedAside, TookOver
from watcher.core.model import UNDECIDED
from watcher.report import log
from watcher.sandbox.server import Answer
from watcher.wfm.bounds import seconds_for

__all__ = ["database", "database_of_tests", "postgres_server"]
STORIES = int(os.environ.get("WATCHER_AGENTS_STORIES", "10"))
SLICES = 2  # each with stories enough that somebody takes over in one
LEASE_SECONDS = 4.0
RETRY_CAP_SECONDS = 5.0
# A request is over before the lease of who sent it; or long after another agent took its file over.
TIMEOUTS = [0.5, 4.0]  # seconds
SETTINGS = """\
folders: {{drop: drop, done: done, failed: failed, state: {state}}}
journal: "{journal}"
lease: {lease:g}s
wfm: {{tenant: demo, api_url: {server}, token_url: {server}/token, client_id: a, client_secret: b,
  timeout: {timeout:g}s}}
routes:
  - {{name: event-types, match: "event?types*.json", endpoint: event-types}}
  - {{name: agent-events, match: "agent?events*.csv", endpoint: agent-events, acd_type: genesis}}
  - {{name: stats, match: "stats*.csv", endpoint: historical-data, parallel: 3}}
settle: {{quiet: 1s}}
observe: polling
rescan: 5s
upload: {{chunk_bytes: 60, lost_answer: resend, retry_cap: {retry_cap:g}s}}
"""  # fmt: skip
KINDS = {"event_types": "json", "agent_events": "csv", "stats": "csv"}
HOLDS = (408, 425, 429, 503, 401)
# A row, and what is before it in its own line, or in that of a route that goes first.
BEFORE = """
    SELECT other.route, other.name FROM files AS one JOIN files AS other ON other.id < one.id
    WHERE one.push_token = %s AND other.state = ANY(%s)
    AND other.route = ANY(CASE one.route WHEN 'agent-events' THEN ARRAY['event-types', 'agent-events']
        WHEN 'event-types' THEN ARRAY['event-types'] ELSE ARRAY[]::text[] END)
"""


class Story:
    """One world, from a seed to its end."""

    AGENTS: tuple[int, ...] = (2, 3, 3, 5, 8)

    def __init__(self, seed: int, root: Path, url: str) -> None:
        self.chance = chance = random.Random(seed)
        self.root, self.hub = root, Hub(chance)
        self.effects = ManyEffects(self.hub, root)
        self.effects.fault = self.disk
        self.timeout = chance.choice(TIMEOUTS)
        longest = seconds_for(60, self.timeout, MOST_PATIENCE)
        self.wire = ManyWire(self.effects, self.hub, longest)
        self.wire.script, self.wire.landed = self.serve, self.landed
        self.wire.guarded = lambda one, push: self.owned[dict(push.params)["pushToken"], one.number]
        for name in ("drop", "done", "failed"):
            (root / name).mkdir(mode=0o700)
        self.database = CONNECT(url, autocommit=True)
        self.database.execute(f"DROP SCHEMA IF EXISTS watcher CASCADE; {CLOCK}; SET search_path TO watcher")
        self.agents = [self.agent(number, url) for number in range(chance.choice(self.AGENTS))]
        self.contents: dict[str, bytes] = {}
        self.trouble = chance.choice([0.0, 0.0, 0.1])  # the share of requests that go wrong
        self.disk_trouble = chance.choice([0.0, 0.0, 0.0, 0.01])
        self.rate = chance.choice([1.0, 3.0, 8.0])  # seconds from one misfortune to the next
        self.doubts: Counter[str] = Counter()  # by push token: so many of its chunks may be there twice
        self.taken: Counter[str] = Counter()  # by push token: how often its file was taken over
        self.owned: Counter[tuple[str, int]] = Counter()  # the last time by this agent
        self.sent: Counter[str] = Counter()  # ... and had been when the last request went out
        self.senders: dict[str, list[int]] = {}  # by push token: who sent, one after the other
        self.restarts = chance.choice([0.5, 0.05])  # the chance of one that is dead, in each second
        self.out_until = 0.0  # the server asks everybody for patience
        self.aside: set[str] = set()  # names of files that let others of their route go first
        self.broken: list[str] = []

    def agent(self, number: int, url: str) -> Process:
        """One more of them, not yet started."""
        settings = self.root / f"config-{number}.yaml"
        text = SETTINGS.format(
            state=f"state-{number}",
            journal=url,
            server=SERVER,
            lease=LEASE_SECONDS,
            timeout=self.timeout,
            retry_cap=RETRY_CAP_SECONDS,
        )
        settings.write_text(text)
        settings.chmod(0o600)
        process = Process(self.hub, number, settings, self.effects, self.wire)
        process.hear, process.died = self.hear, self.in_doubt
        return process

    def hear(self, one: Process, event: Event) -> None:
        """Take note of what an agent tells."""
        match event:
            case SteppedAside(name):
                self.aside.add(name)
            case TookOver(row):
                self.taken[row.push_token] += 1
                self.owned[row.push_token, one.number] = self.taken[row.push_token]
            case Crashed(what, error):
                self.broken.append(f"{what}: {error!r}")

    # -- the world -----------------------------------------------------------------------------------

    def drop(self) -> None:
        """Somebody drops a file."""
        kind, number = self.chance.choice(list(KINDS)), len(self.contents)
        name = f"{kind}_{number}.{KINDS[kind]}"
        records = range(self.chance.choice([3, 20, 60]))
        content = b"".join(b"%06d,%02d,x\n" % (number, record) for record in records)
        content = b'{"n": %d}' % number if KINDS[kind] == "json" else content
        self.contents[name] = content
        with self.effects.paused():
            draft = self.root / f".{name}.draft"
            draft.write_bytes(content)
            draft.rename(self.root / "drop" / name)

    def people(self) -> None:
        """Drop files, now and then."""
        for _ in range(self.chance.choice([8, 16])):
            self.drop()
            self.hub.sleep(self.chance.choice([0.0, 3.0, 12.0]) * self.chance.random())

    def misfortunes(self) -> None:
        """Something happens to agents and their database, now and then."""
        faults: list[Callable[[], object]] = [
            self.kill, self.kill_at_a_point, self.freeze, self.cut_off, self.lose_answer, self.database_dies,
            self.server_asks_for_patience,
        ]  # fmt: skip
        for _ in range(self.chance.choice([6, 12, 24])):
            self.hub.sleep(self.rate * 2 * self.chance.random())
            self.chance.choice(faults)()

    def victim(self) -> Process:
        """Somebody, and mostly one who has something under way."""
        sending = "SELECT owner FROM files WHERE state = 'sending'"
        owners = [owner for (owner,) in self.rows(sending)] if self.has_tables else []
        busy_ones = [one for one in self.agents if one.agent_id in owners and not one.is_dead]
        return self.chance.choice(busy_ones if busy_ones and self.chance.random() < 0.8 else self.agents)

    def some_leases(self) -> float:
        """Seconds for which somebody gives no sign."""
        return self.chance.choice([0.5, 3.0, 10.0]) * self.chance.random() * LEASE_SECONDS

    def kill(self) -> None:
        """A process is killed; what it had on the wire may arrive all the same."""
        victim = self.victim()
        for landing in self.wire.under_way.pop(victim, []):
            if not landing.dead and self.chance.random() < 0.5:
                self.hub.cancel(landing)
        victim.kill()

    def kill_at_a_point(self) -> None:
        """A process will die at one of its next effects."""
        victim = self.victim()
        victim.points_left = self.chance.randrange(1, 60)

    def freeze(self) -> None:
        """A process is stopped for a while, and goes on."""
        victim = self.victim()
        victim.frozen_until = self.hub.now + self.some_leases()

    def cut_off(self) -> None:
        """A machine does not reach the database for a while."""
        victim = self.victim()
        victim.cut_off_until = self.hub.now + self.some_leases()

    def lose_answer(self) -> None:
        """The next answer of the database does not arrive, or the question; and maybe none for a while."""
        victim = self.victim()
        victim.lose = self.chance.choice(["before", "behind"])

    def database_dies(self) -> None:
        """It dies, and comes back."""
        until = self.hub.now + self.chance.choice([0.1, 3.0, 2 * LEASE_SECONDS])
        for one in self.agents:
            one.cut_off_until = max(one.cut_off_until, until)
            for connection in one.connections:
                connection.cut()
                connection.finish()

    def server_asks_for_patience(self) -> None:
        """It takes nothing for a while, of anybody."""
        self.out_until = self.hub.now + self.chance.choice([1.0, 10.0, 40.0])

    def supervisor(self) -> None:
        """Start again who is dead, as systemd does."""
        while True:
            self.hub.sleep(1.0)
            for one in self.agents:
                if one.is_dead and self.chance.random() < self.restarts:
                    one.start()

    def in_doubt(self, victim: Process) -> None:
        """This one died: what it was sending will be sent again."""
        if self.has_tables:
            sending = "SELECT push_token FROM files WHERE owner = %s AND sending_to IS NOT NULL"
            self.doubts.update(token for (token,) in self.rows(sending, victim.agent_id))

    @property
    def has_tables(self) -> bool:
        """Whether an agent made the tables yet."""
        [there] = self.database.execute("SELECT to_regclass('watcher.files')").fetchone() or (None,)
        return there is not None

    def disk(self, effect: str, path: str) -> OSError | None:
        """Fail some effects."""
        return disk_fault(self.chance, self.disk_trouble, effect, path)

    # -- the server ----------------------------------------------------------------------------------

    def landed(self, process: Process, push: Push, taken: int) -> None:
        """A request is there, by who has its file since it was taken over the so-manieth time. May it be?"""
        token = dict(push.params)["pushToken"]
        if taken < self.sent[token]:
            self.broken.append(f"{token}: {process.number} sent behind one that had taken it over")
        self.sent[token] = taken
        senders = self.senders.setdefault(token, [])
        if not senders or senders[-1] != process.number:
            senders.append(process.number)
        before = {name.decode() for _, name in self.rows(BEFORE, token, sorted(UNDECIDED))} - self.aside
        if before:
            self.broken.append(f"{token} was sent, though before it is {before}")

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What the journal says."""
        return self.database.execute(statement, values).fetchall()

    def serve(self, push: Push, take: Callable[[], Answer]) -> Reply | Outside:
        """Answer one request, or not."""
        token = dict(push.params)["pushToken"]
        if self.hub.now < self.out_until:
            return Reply(503, "no")
        if self.chance.random() >= self.trouble:
            return self.wire.reply(take())
        match self.chance.choice(["lost", "taken", "never", "hold"]):
            case "never":
                return never_sent()
            case "hold":
                return Reply(self.chance.choice(HOLDS), "no", self.chance.choice([None, 0.0, 3.0]))
            case kind:
                self.doubts.update([token])
                return lost(kind == "taken", take)

    # -- the telling ---------------------------------------------------------------------------------

    def tell(self) -> None:
        """Let it happen, mend the world, and see that all is well."""
        with simulated(self.hub, self.effects):
            for one in self.agents:
                one.start()
            doing = [self.hub.later(self.chance.random(), do) for do in (self.people, self.misfortunes)]
            watching = self.hub.later(1.0, self.supervisor)
            self.hub.run(lambda: all(each.dead for each in doing), seconds=600.0)
            self.trouble = self.disk_trouble = self.out_until = 0.0
            self.wire.is_slow = False
            assert self.hub.run(self.is_drained, seconds=2000.0), f"it does not drain: {self.told()}"
            self.hub.cancel(watching)
            assert self.hub.run(self.all_ended, seconds=120.0), "told to stop, and it does not"
        self.check()
        self.database.close()

    def all_ended(self) -> bool:
        """Tell each agent to end, once it listens; say whether all did."""
        for one in self.agents:
            one.terminate()
        return all(one.is_dead for one in self.agents)

    def is_drained(self) -> bool:
        """Whether every file came to its end."""
        with self.effects.paused():
            return all(
                place.split("/")[0] in ("done", "failed")
                for content in self.contents.values()
                for place in self.places_of(content)
            )

    def places_of(self, content: bytes) -> list[str]:
        """Where files with this content are."""
        found = []
        for folder in ("drop", "done", "failed"):
            for path in (self.root / folder).rglob("*"):
                if path.is_file() and path.read_bytes() == content:
                    found.append(str(path.relative_to(self.root)))
        return found

    def check(self) -> None:
        """Every file is done, and at the server once; a chunk is there twice only where that was in doubt."""
        assert not self.broken, self.broken
        operations = [operation for operation in self.wire.operations() if operation.completed]
        for name, content in self.contents.items():
            places = self.places_of(content)
            assert [place.split("/")[0] for place in places] == ["done"], (name, places, self.told())
            whole = [operation for operation in operations if once(operation) == content]
            assert len(whole) == 1, f"{name} was completed {len(whole)} times"
        for operation in operations:
            twice = len(operation.chunks) - len(dict.fromkeys(operation.chunks))
            token = operation.push_token
            assert twice <= self.doubts[token] + self.taken[token], (token, twice)
        for state, name in self.rows("SELECT state, name FROM files"):
            assert state in ("done", "vanished", "returned"), (state, name)

    def told(self) -> str:
        """The journal, for the report of a failing story."""
        rows = self.rows("SELECT id, owner, state, name, sending_to, reason FROM files ORDER BY id")
        return "\n".join(map(str, rows))


class Outage(Story):
    """Nothing happens to anybody, but that the server asks for patience; many have something to send."""

    AGENTS = (3, 4)
    SECONDS = 75.0
    SETTLED_SECONDS = 15.0  # from then on all have met the fault, and the steps are at their longest

    def __init__(self, seed: int, root: Path, url: str) -> None:
        super().__init__(seed, root, url)
        self.trouble = self.disk_trouble = 0.0
        self.wire.is_slow = False
        self.wire.guarded = self.goes_out
        self.probes: list[int] = []  # by whom, while the outage lasts and all know of it
        self.waiting: set[int] = set()  # who holds the server meanwhile
        self.settled_at = self.over_at = float("inf")

    def people(self) -> None:
        """Drop more than is through before it begins, and some after that."""
        for _ in range(14):
            self.drop()
            self.hub.sleep(2 * self.chance.random())

    def misfortunes(self) -> None:
        """The server is away."""
        self.hub.sleep(6.0)
        self.over_at = self.out_until = self.hub.now + self.SECONDS
        self.settled_at = self.hub.now + self.SETTLED_SECONDS
        self.hub.sleep(self.SECONDS)

    def hear(self, one: Process, event: Event) -> None:
        """Take note of who waits."""
        super().hear(one, event)
        if isinstance(event, HoldBegan) and event.target.kind in ("server", "endpoint"):
            self.waiting.add(one.number)

    def goes_out(self, one: Process, push: Push) -> int:
        """A request goes out."""
        if self.settled_at < self.hub.now < self.over_at:
            self.probes.append(one.number)
        return self.owned[dict(push.params)["pushToken"], one.number]


def told(seed: int, url: str, kind: type[Story] = Story) -> Story:
    """Tell one story."""
    with story_folder(seed) as root:
        story = kind(seed, root, url)
        story.tell()
    gc.collect()  # what those who died had open, and nobody could close for them
    return story


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("part", range(SLICES))
def test_whatever_happens_to_agents_and_database_each_file_is_delivered_once_and_in_order(
    part: int, database: str
) -> None:
    with quiet_log():
        stories = [told(seed, database) for seed in range(part, STORIES, SLICES)]

    assert any(story.taken for story in stories), "nobody took over"


def test_a_server_that_is_away_is_probed_by_one_agent_at_a_time_once_a_step(database: str) -> None:
    waited = []
    with quiet_log():
        for seed in (3, 8):
            story = told(seed, database, Outage)
            assert isinstance(story, Outage)
            steps = (story.SECONDS - story.SETTLED_SECONDS) / RETRY_CAP_SECONDS
            # As many as one agent alone would make.
            assert steps / 3 <= len(story.probes) <= 1.2 * steps, story.probes
            assert set(story.probes) == story.waiting, "they take turns"
            waited.append(len(story.waiting))

    assert max(waited) >= 3


def main() -> None:
    """Tell the stories of these seeds, with the log; or all of them, and count."""
    with served() as server:
        server.run("CREATE DATABASE journal")
        url = server.url("journal")
        if len(sys.argv) > 1:
            log.setup("debug")
            for seed in sys.argv[1:]:
                told(int(seed), url)
            return
        log.setup("critical")
        began, acts, switches, taken = time.perf_counter(), 0, 0, 0
        for seed in range(STORIES):
            story = told(seed, url)
            acts += sum(one.acts for one in story.agents)
            switches += story.hub.switches
            taken += sum(len(sent) > 1 for sent in story.senders.values())
        seconds = time.perf_counter() - began
        more = f"{switches:,} switches, {taken:,} files of several senders, {seconds:.0f} s"
        print(f"{STORIES:,} stories, {acts:,} acts, {more}")  # noqa: T201


if __name__ == "__main__":
    main()
