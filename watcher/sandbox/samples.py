"""Sample exports, as an ACD server would drop them: the same bytes on every run of the same day.

The API's page says neither what the JSON bodies hold nor which columns the CSV has. Both are invented here:
the CSV is agent id, event type, reason code, start, end (ISO 8601, UTC) and a note, without a header line.
They are for trying the agent and the stand-in, not for a real WFM.
"""

import csv
import io
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

BROKEN_LINE = 17  # of adherence_broken.csv: the line, counted from 1, with the quote that is never closed

_DAILY_ROWS = 400
_DAILY_AGENTS = 25
_FULL_DAYS = 30  # the WFM keeps raw agent statuses this long, so a first upload goes back as far
_FULL_AGENT_BYTES = 80_000  # of one agent in the full export: about 14 days, so no row lies in the future
_BATCH_ROWS = 100  # rows encoded at once: the full export overshoots its size by less than about 10 KB

_EVENT_TYPES = {"READY": "Ready", "TALKING": "Talking", "WRAP_UP": "Wrap-up", "NOT_READY": "Not ready"}
_REASON_CODES = {"LUNCH": "Lunch break", "MEETING": "Team meeting", "TRAINING": "Training", "REST": "Rest"}
_NOTES = (
    "Team A, late shift",
    'Customer said "call me tomorrow"',
    "Handed over to Zoë Müller,\nBrno",
    "Callback; promised for 15:00",
)


def write_samples(folder: Path, *, big_bytes: int = 20_000_000, today: date | None = None) -> list[Path]:
    """Writes the samples into `folder` and returns their paths in the order of writing.

    Agent events come first, though the WFM wants them last: so the agent's own ordering shows. The full
    export has at least `big_bytes` bytes, with little more, and ends with a whole row. `today` (default: the
    date in UTC) is in the daily export's name; its rows are of the day before.
    """
    today = today or datetime.now(UTC).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    daily = islice(_rows(_DAILY_AGENTS, midnight - timedelta(days=1)), _DAILY_ROWS)
    full = _rows(1 + big_bytes // _FULL_AGENT_BYTES, midnight - timedelta(days=_FULL_DAYS))
    broken = _rows(_DAILY_AGENTS, midnight - timedelta(days=1))
    event_types = [{"code": code, "name": name} for code, name in _EVENT_TYPES.items()]
    reason_codes = [
        {"code": code, "name": name, "eventType": "NOT_READY"} for code, name in _REASON_CODES.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _drop(folder / f"agent_events_{today.isoformat()}.csv", _encoded(daily)),
        _drop(folder / "agent_events_full.csv", _up_to(big_bytes, _encoded(full))),
        _drop(folder / "adherence_broken.csv", _broken_lines(broken)),
        _drop(folder / "reason_codes.json", [_json({"acdType": "genesis", "reasonCodes": reason_codes})]),
        _drop(folder / "event_types.json", [_json({"acdType": "genesis", "eventTypes": event_types})]),
    ]


def _drop(path: Path, pieces: Iterable[bytes]) -> Path:
    """Writes beside the target and renames, as a careful exporter does: nobody sees half a file."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.writelines(pieces)
    return unfinished.replace(path)


def _rows(agents: int, begin: datetime) -> Iterator[list[str]]:
    """Endless rows, agents in turn; each event of an agent starts when the one before it ends."""
    chance = random.Random(agents)  # seeded, so that every run writes the same
    events, reasons = list(_EVENT_TYPES), list(_REASON_CODES)
    clocks = [begin] * agents
    shown = [_iso(begin)] * agents
    while True:
        for agent in range(agents):
            event = chance.choice(events)
            reason = chance.choice(reasons) if event == "NOT_READY" else ""
            note = chance.choice(_NOTES) if chance.random() < 0.1 else ""
            clocks[agent] += timedelta(seconds=chance.randint(20, 1800))
            start, shown[agent] = shown[agent], _iso(clocks[agent])
            yield [f"agent-{1001 + agent}", event, reason, start, shown[agent], note]


def _encoded(rows: Iterator[list[str]]) -> Iterator[bytes]:
    """Rows to CSV in UTF-8, a batch at a time; fields are quoted only where they need it."""
    while batch := list(islice(rows, _BATCH_ROWS)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(batch)
        yield text.getvalue().encode()


def _up_to(size_bytes: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    while size_bytes > 0:
        piece = next(pieces)
        size_bytes -= len(piece)
        yield piece


def _broken_lines(rows: Iterator[list[str]]) -> Iterator[bytes]:
    """Forty rows without notes, so that row and line numbers agree; one opens a quote and never closes it."""
    for line, row in enumerate(islice(rows, 40), start=1):
        note = '"Callback promised' if line == BROKEN_LINE else ""
        yield (",".join([*row[:-1], note]) + "\n").encode()


def _iso(moment: datetime) -> str:
    """A moment in UTC as the WFM's own examples have it: 2019-01-18T22:15:00Z."""
    return moment.isoformat()[:19] + "Z"  # half the time of strftime, which is most of it here


def _json(content: object) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
