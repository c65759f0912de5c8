"""The agent with the largest values that its settings take: each is one that it can work with."""

from __future__ import annotations

from tests.conftest import World, rows


def test_a_file_is_delivered_with_the_longest_times_and_the_largest_sizes(world: World) -> None:
    """Sockets, clocks and memory take them all; the test's own server answers at once."""
    world.settings["upload"] = {
        **dict.fromkeys(("chunk_bytes", "max_record", "max_json", "max_expanded"), "1000TB"),
        "retry_cap": "36500d",
        "attempts": 10**17,
    }
    world.settings["log"] = {"file": "watcher.log", "rotate": "1000TB", "keep": 10**17}
    world.settings["wfm"]["timeout"] = "1d"
    world.settings["rescan"] = "36500d"
    world.settings["settle"]["patience"] = "36500d"
    world.settings["retention"] = dict.fromkeys(("done", "failed", "history"), "36500d")
    world.drop("agent_events.csv", rows(30))
    world.drop("event_types.json", b"[]")

    assert world.run_once() == 0
    assert set(world.files("done")) == {"agent_events.csv", "event_types.json"}
