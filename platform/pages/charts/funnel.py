"""What remains after each step of a recipe; the hatched end is what the step took away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pages.charts.frame import Chart, Table, empty
from pages.charts.scale import figure, linear
from pages.charts.svg import Drawing, line, mark, rect, text, wrapped

ROW, BAR, RIGHT, LINE = 40, 18, 56, 15


@dataclass(frozen=True)
class Stage:
    label: str
    count: int
    note: str = ""


def funnel(
    title: str,
    subtitle: str,
    stages: Sequence[Stage],
    *,
    unit: str = "rows",
    source: str = "",
    width: int = 360,
) -> Chart:
    """A bar a stage, all on the scale of the first; the note says why rows left."""
    table = Table(["step", unit, "left out", "why"], rows_of(stages))
    if not stages or not stages[0].count:
        return Chart(title, subtitle, empty(width, 150, f"No {unit} yet", title), table, source)

    left = round(width * 0.44)
    along = linear(0, max(stage.count for stage in stages), left, width - RIGHT)
    parts, before, y = [], stages[0].count, 0
    for stage in stages:
        heads, notes = wrapped(stage.label, left - 12), wrapped(note_of(stage, before), left - 12)
        height = max(ROW, LINE * (len(heads) + len(notes)) + 10)
        middle = y + (height - BAR) // 2 - 2
        words = f"{stage.label}: {figure(stage.count)} of {figure(before)} {unit}"
        box = [
            rect(left, middle, width - RIGHT - left, BAR, "well", round_by=2),
            rect(left, middle, along(stage.count) - left, BAR, "fl c4", round_by=2),
            *hatch(along(stage.count), along(max(before, stage.count)), middle),
            rect(0, y, width, height, "hit"),
        ]
        for i, line_of in enumerate([*heads, *notes]):
            parts.append(text(0, y + 16 + LINE * i, line_of, *(["v"] if i < len(heads) else [])))
        parts.append(text(width, middle + 14, figure(stage.count), "e v"))
        parts.append(mark(f"{words}{f', {stage.note}' if stage.note else ''}", box))
        before, y = stage.count, y + height
    label = f"{title}: {figure(stages[0].count)} {unit} become {figure(stages[-1].count)}"
    return Chart(title, subtitle, Drawing(width, y, "".join(parts), label), table, source)


def note_of(stage: Stage, before: int) -> str:
    gone = before - stage.count
    return ", ".join(filter(None, (f"−{gone:,}" if gone > 0 else "", stage.note)))


def hatch(start: float, end: float, y: float) -> list[str]:
    """Slanted hairlines between two x; drawn one by one, for a pattern needs an id that may clash."""
    out, x = [], start + 1
    while x < end:
        rise = min(BAR, (end - x) * 2)
        out.append(line(x, y + BAR, x + rise / 2, y + BAR - rise, "lost"))
        x += 5
    return out


def rows_of(stages: Sequence[Stage]) -> list[tuple[str, int, int, str]]:
    counts = [stage.count for stage in stages]
    gone = [0, *(max(a - b, 0) for a, b in pairwise(counts))]
    return [(s.label, s.count, lost, s.note) for s, lost in zip(stages, gone, strict=False)]
