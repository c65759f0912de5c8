"""The speeds as one plot: an SVG, written as text, a bar for each contender."""

from __future__ import annotations

from html import escape

from tests.bench.figures import Figure

WIDTH, BAR, GAP, LABEL = 760, 20, 8, 300
PANELS = {
    "large": "one large CSV file, MB/s",
    "many": "small files, files/s",
    "distance": "a server 20 ms away",
    "checked": "CSV with checks, MB/s of one core",
}
OURS, THEIRS, INK = "#2b6cb0", "#a0aec0", "#1a202c"


def svg(found: dict[str, list[Figure]]) -> str:
    """Draw those of the rows that compare speeds."""
    parts: list[str] = []
    top = 10
    for name, title in PANELS.items():
        bars = [figure for figure in found.get(name, []) if figure.unit != "x"]
        if not bars:
            continue
        parts.append(_text(10, top + 16, title, bold=True))
        top += 28
        for unit in dict.fromkeys(figure.unit for figure in bars):
            same = [figure for figure in bars if figure.unit == unit]
            longest = max(figure.median for figure in same)
            for figure in same:
                parts += _bar(top, figure, longest)
                top += BAR + GAP
        top += 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="13">', f'<rect width="{WIDTH}" height="{top}" fill="white"/>',
                      *parts, "</svg>", ""])  # fmt: skip


def _bar(top: int, figure: Figure, longest: float) -> list[str]:
    ours = figure.what.startswith("the agent") or "parallel" in figure.what
    length = max(1.0, (WIDTH - LABEL - 110) * figure.median / longest)
    fill = OURS if ours else THEIRS
    return [
        _text(10, top + 15, figure.what),
        f'<rect x="{LABEL}" y="{top}" width="{length:.0f}" height="{BAR}" fill="{fill}"/>',
        _text(LABEL + int(length) + 6, top + 15, f"{figure.median:,.0f} {figure.unit}"),
    ]


def _text(left: int, top: int, words: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{left}" y="{top}" fill="{INK}"{weight}>{escape(words)}</text>'
