"""What Prometheus gets: counted from the events and read from the agent's signs of life.

Label values come from the settings and from fixed lists, never from a file's name or a server's words:
their number is bounded. Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from watcher import __version__
from watcher.agent.signs import Signs
from watcher.core.events import (
    ChunkSent,
    Event,
    FileDelivered,
    FileFailed,
    FileReturned,
    FileVanished,
    HoldBegan,
    HoldEnded,
    TryingAgain,
)  # fmt: skip
from watcher.core.holds import Hold
from watcher.core.model import Row

CONTENT_TYPE = CONTENT_TYPE_LATEST
OUTCOMES = {
    FileDelivered: "done", FileFailed: "failed", FileReturned: "returned", FileVanished: "vanished"
}  # fmt: skip
NO_ROUTE = "no route"
KINDS = ("login", "proxy", "server", "endpoint", "folder", "file", "route")
# Seconds: a small file takes tens of milliseconds, a large one over a slow line an hour.
DURATIONS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """All metrics of one agent, in a registry of their own."""

    def __init__(
        self,
        routes: Sequence[str],
        signs: Signs,
        *,
        holds: Callable[[], Sequence[Hold]],
        seconds_held: Callable[[Hold], float],
        token_renewals: Callable[[], int],
        agents: Callable[[], Mapping[str, int]],
    ) -> None:
        """`holds` gives those that last, `agents` how many share the journal, by their state."""
        # Otherwise each series gets a second one, with its birth, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._routes = frozenset(routes) | {NO_ROUTE}
        self._registry = CollectorRegistry()
        self._files = self._counter("files", "Files that came to their end.", ("route", "outcome"))
        self._bytes = self._counter("acknowledged_bytes", "Bytes that the server took.", ("route",))
        self._chunks = self._counter("acknowledged_chunks", "Chunks that the server took.", ("route",))
        self._retries = self._counter(
            "chunk_retries", "Server errors (HTTP 5xx) after which a chunk went out again.", ("route",)
        )
        self._holds = self._counter("holds", "Holds that began, by the kind of what is held.", ("kind",))
        self._durations = Histogram(
            "watcher_upload_duration_seconds",
            "From the claim of a delivered file to its place in done, holds included.",
            ("route",),
            buckets=DURATIONS,
            registry=self._registry,
        )
        self._begin_at_zero(self._routes)
        self._now = _Now(signs, holds, seconds_held, token_renewals, agents)
        self._registry.register(self._now)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def hear(self, event: Event) -> None:
        """Count an event."""
        match event:
            case ChunkSent(row, start, end):
                self._bytes.labels(self._route(row)).inc(end - start)
                self._chunks.labels(self._route(row)).inc()
            case TryingAgain(row):
                self._retries.labels(self._route(row)).inc()
            case HoldBegan(target):
                self._holds.labels(target.kind).inc()
            case HoldEnded(target):
                self._now.hold_ended(target.kind, event.seconds)
            case FileDelivered() | FileFailed() | FileReturned() | FileVanished():
                route = self._route(event.row)
                self._files.labels(route, OUTCOMES[type(event)]).inc()
                if isinstance(event, FileDelivered):
                    self._durations.labels(route).observe(event.seconds)

    def _route(self, row: Row) -> str:
        """A file of an earlier start may have a route that the settings do not have any more."""
        return row.route if row.route is not None and row.route in self._routes else NO_ROUTE

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        return Counter(f"watcher_{name}", text, labels, registry=self._registry)

    def _begin_at_zero(self, routes: Collection[str]) -> None:
        """A series that appears with its first failure shows no increase: all are there from the start."""
        for route in routes:
            for outcome in OUTCOMES.values():
                self._files.labels(route, outcome)
            for metric in (self._bytes, self._chunks, self._retries, self._durations):
                metric.labels(route)
        for kind in KINDS:
            self._holds.labels(kind)


class _Now:
    """A collector for what is not counted but read, at the moment of the scrape. It touches no disk."""

    def __init__(
        self,
        signs: Signs,
        holds: Callable[[], Sequence[Hold]],
        seconds_held: Callable[[Hold], float],
        token_renewals: Callable[[], int],
        agents: Callable[[], Mapping[str, int]],
    ) -> None:
        self._agents = agents
        self._signs = signs
        self._holds = holds
        self._seconds_held = seconds_held
        self._token_renewals = token_renewals
        self._over: dict[str, float] = dict.fromkeys(KINDS, 0.0)  # seconds of holds that ended
        self._told = dict.fromkeys(KINDS, 0.0)

    def hold_ended(self, kind: str, seconds: float) -> None:
        self._over[kind] += seconds

    def describe(self) -> list[Metric]:
        """Nothing: otherwise the registry would collect at its making."""
        return []

    def collect(self) -> Iterator[Metric]:
        held = self._holds()
        lasting = dict.fromkeys(KINDS, 0.0)
        number = dict.fromkeys(KINDS, 0)
        for hold in held:
            lasting[hold.target.kind] += self._seconds_held(hold)
            number[hold.target.kind] += 1
        seconds = CounterMetricFamily(
            "watcher_hold_seconds", "Seconds held, the holds that last included.", labels=("kind",)
        )
        targets = GaugeMetricFamily("watcher_held_targets", "What is held now.", labels=("kind",))
        for kind in KINDS:
            # A scrape in the instant between two notes of a hold's end must not see a counter fall.
            self._told[kind] = max(self._told[kind], self._over[kind] + lasting[kind])
            seconds.add_metric((kind,), self._told[kind])
            targets.add_metric((kind,), number[kind])
        yield seconds
        yield targets
        yield CounterMetricFamily(
            "watcher_token_renewals", "Access tokens got from the login server.", self._token_renewals()
        )
        signs = self._signs
        for name, text, value in (
            ("waiting_files", "Files in the drop folder, as of the last look.", signs.waiting()),
            ("files_under_way", "Files that were claimed and are not finished.", signs.under_way()),
            ("stuck_files", "Files that wait too long for a reason of their own.", signs.stuck()),
            ("stranded_files", "Files of agents that do not live, as of the last look.", signs.stranded()),
            (
                "oldest_waiting_file_age_seconds",
                "How long the oldest waiting file has been as it is; 0 if none waits.",
                signs.oldest_waiting_seconds(),
            ),
            ("heartbeat_age_seconds", "Seconds since the main loop turned.", signs.heartbeat_age()),
        ):
            yield GaugeMetricFamily(f"watcher_{name}", text, value)
        yield self._sharing()
        info = GaugeMetricFamily("watcher_build_info", "The version that runs.", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info

    def _sharing(self) -> Metric:
        """Without a series where the journal does not answer."""
        text = "Agents that share the journal, by their state, as of the last look."
        agents = GaugeMetricFamily("watcher_journal_agents", text, labels=("state",))
        for state, number in self._agents().items():
            agents.add_metric((state,), number)
        return agents
