"""Equal files under way at once in simulated time, with `duplicates: skip`: no content is completed twice.

A story is a seed, as in `test_stories`: three contents under many names and two routes to one endpoint, acts
that come back in any order, a server that loses answers, a process that dies between any two acts.
`python -m tests.agent.test_twin_stories SEED` tells one alone, with the log.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.agent.test_stories import POISON, ROUTES, once
from tests.simulation import Simulation, quiet_log, story_folder, trouble
from watcher.core.conversation import Reply, Request
from watcher.core.errors import Outside
from watcher.core.model import FileState
from watcher.report import log
from watcher.sandbox.server import Answer

STORIES = int(os.environ.get("WATCHER_TWIN_STORIES", "100"))
SLICES = 4
NAMES = ("stats_{}.csv", "queue_{}.csv")
HOLDS = [408, 425, 429, 503, 401, 403, 404]


class TwinStory:
    """One world, from a seed to its end."""

    def __init__(self, seed: int, root: Path) -> None:
        self.chance = random.Random(seed)
        self.agent = Simulation(root / "world", routes=ROUTES, more="duplicates: skip\n")
        self.agent.chance = self.chance
        self.agent.wire.script = self.serve
        self.agent.on_sleep = self.meanwhile
        self.contents = [
            b"".join(b"%06d,%02d,x\n" % (number, record) for record in range(self.chance.choice([1, 9, 20])))
            for number in range(3)
        ]
        if self.chance.random() < 0.3:
            self.contents[0] += POISON + b"\n"
        self.dropped: Counter[bytes] = Counter()
        self.trouble = self.chance.choice([0.0, 0.1, 0.4])
        self.waited = 0  # twins that were left out though they were there before the first was delivered

    def drop(self) -> None:
        """Somebody drops a file that others may have dropped before."""
        content = self.chance.choice(self.contents)
        self.agent.drop(self.chance.choice(NAMES).format(self.dropped.total()), content)
        self.dropped[content] += 1

    def meanwhile(self) -> None:
        """While the agent waits, people go on."""
        if self.dropped.total() < 14 and self.chance.random() < 0.3:
            self.drop()

    def serve(self, push: Request, take: object) -> Reply | Outside:
        """Answer one request, or not."""
        assert callable(take)
        complete = any(op.completed and push.body in op.chunks for op in self.agent.wire.operations())
        if POISON in push.body and not complete:
            return Reply(422, "poison")
        if self.chance.random() >= self.trouble:
            answer: Answer = take()
            return self.agent.wire.reply(answer)
        return trouble(
            self.chance, take, complete=complete, doubt=lambda: None, holds=HOLDS, waits=[None, 0.0, 3.0]
        )

    def tell(self) -> None:
        """Live some lives, mend the world, and see that all is well."""
        for _ in range(self.chance.randrange(2, 9)):
            self.drop()
        for _ in range(self.chance.randrange(1, 4)):
            crash_at = self.chance.choice([None, self.chance.randrange(400)])
            self.agent.run(seconds=self.chance.choice([5.0, 60.0, 600.0]), crash_at=crash_at)
        self.trouble, lives = 0.0, 0
        while self.agent.run(seconds=5000.0) not in (0, 1):
            lives += 1
            assert lives < 20, f"it does not drain: {self.agent.told()}"
            # One that is held because nobody shows whose fault it is goes on with the next delivery.
            content = b"of its own %d\n" % lives
            self.agent.drop(f"stats_own_{lives}.csv", content)
            self.dropped[content] += 1
        self.check()

    def check(self) -> None:
        """Each content was completed once, unless all of its files failed; each file is in one place."""
        operations = [operation for operation in self.agent.wire.operations() if operation.completed]
        completed = Counter(once(operation) for operation in operations)
        for content, number in self.dropped.items():
            places = self.agent.places_of(content)
            assert len(places) == number, (places, number)
            is_done = any(place.startswith("done/") for place in places)
            assert completed[content] == (1 if is_done else 0), (places, completed[content])
        rows = [row for row in self.agent.rows() if row.state is FileState.DONE]
        self.waited = sum(not row.upload.chunks for row in rows)


def told(seed: int) -> TwinStory:
    """Tell one story."""
    with story_folder(seed) as root:
        story = TwinStory(seed, root)
        story.tell()
    return story


@pytest.mark.parametrize("part", range(SLICES))
def test_no_content_is_completed_twice_however_many_have_it(part: int) -> None:
    with quiet_log():
        stories = [told(seed) for seed in range(part, STORIES, SLICES)]

    assert sum(story.waited for story in stories) > len(stories)


if __name__ == "__main__":
    log.setup("debug")
    for seed in sys.argv[1:]:
        told(int(seed))
