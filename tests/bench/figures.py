"""Samples to figures: medians with their spread, as a table or as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. Where a goal is set, `at_least` says from which side it is to be met."""

    what: str
    unit: str  # "x" is a ratio of two that were measured in turn
    samples: tuple[float, ...]
    goal: float | None = None
    at_least: bool = True

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None: there is none."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def as_json(self, row: str) -> dict[str, Any]:
        """For `--json`."""
        return {
            "row": row, "what": self.what, "unit": self.unit, "median": self.median, "low": min(self.samples),
            "high": max(self.samples), "runs": len(self.samples), "goal": self.goal, "met": self.met,
        }  # fmt: skip

    def as_cells(self) -> list[str]:
        """For the table."""
        goal = "" if self.goal is None else f"{'>=' if self.at_least else '<='} {_short(self.goal)}"
        verdict = {None: "", True: "met", False: "missed"}[self.met]
        spread = f"{_short(min(self.samples))} .. {_short(max(self.samples))}"
        return [self.what, _short(self.median), self.unit, spread, str(len(self.samples)), goal, verdict]


def ratio(
    what: str,
    over: Sequence[float],
    under: Sequence[float],
    *,
    goal: float | None = None,
    at_least: bool = True,
) -> Figure:
    """Divide samples that were taken side by side, pair by pair."""
    pairs = zip(over, under, strict=True)
    return Figure(what, "x", tuple(one / other for one, other in pairs), goal, at_least)


def table(rows: dict[str, list[Figure]]) -> str:
    """Return all figures as text, a block for each row."""
    head = ["", "median", "", "lowest .. highest", "runs", "goal", ""]
    cells = [head] + [figure.as_cells() for figures in rows.values() for figure in figures]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    lines = [_line(head, widths)]
    for name, figures in rows.items():
        lines += ["", name, *(_line(figure.as_cells(), widths) for figure in figures)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) if at in (0, 2) else cell.rjust(width) for at, (cell, width) in
              enumerate(zip(cells, widths, strict=True))]  # fmt: skip
    return ("  " + "  ".join(padded)).rstrip()


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
