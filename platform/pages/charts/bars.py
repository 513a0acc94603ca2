"""Bars from zero, one a day: how many answers came in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pages.charts.frame import Chart, Table, empty
from pages.charts.scale import figure, linear, tick_labels, ticks
from pages.charts.svg import Drawing, line, mark, rect, text, text_width

LEFT, RIGHT, TOP, BOTTOM = 38, 48, 8, 22


@dataclass(frozen=True)
class Bar:
    label: str
    value: float


def bars(
    title: str,
    subtitle: str,
    values: Sequence[Bar],
    *,
    target: float | None = None,
    unit: str = "answers",
    source: str = "",
    size: tuple[int, int] = (630, 190),
) -> Chart:
    """The last bar is the current one and stands out; `target` is the dotted line, named at its end."""
    width, height = size
    table = Table(["", unit], [(bar.label, bar.value) for bar in values])
    if not values:
        return Chart(title, subtitle, empty(width, height, f"No {unit} yet", title), table, source)

    heights = [bar.value for bar in values]
    marks = ticks(0, max([*heights, target or 0, 4]), zero=True)
    labels = tick_labels(marks)
    left = max(LEFT, max(text_width(label) for label in labels) + 10)
    along = linear(0, len(values), left, width - RIGHT)
    up = linear(marks[0], marks[-1], height - BOTTOM, TOP)
    wide = along(1) - along(0)
    parts = [
        *(line(left, up(t), width - RIGHT, up(t), "g") for t in marks),
        *(text(left - 6, up(t) + 4, label, "e") for t, label in zip(marks, labels, strict=True)),
    ]
    every = max(1, round(len(values) * 62 / (width - left - RIGHT) + 0.49))
    gap = min(1.5, wide * 0.1)
    for i, bar in enumerate(values):
        cls = "fl c4" if i == len(values) - 1 else "fl c4 past"
        box = rect(along(i) + gap, up(bar.value), wide - 2 * gap, up(0) - up(bar.value), cls, round_by=1.5)
        over = rect(along(i), TOP, wide, height - TOP - BOTTOM, "hit")
        parts.append(mark(f"{bar.label}: {figure(bar.value)} {unit}", [box, over]))
        if i % every == 0:
            parts.append(text(along(i) + 1, height - 6, bar.label))
    parts += end_words(heights[-1], target, up, (left, width - RIGHT))
    label = f"{title}: {len(values)} values from {figure(min(heights))} to {figure(max(heights))} {unit}"
    return Chart(title, subtitle, Drawing(width, height, "".join(parts), label), table, source)


def end_words(last: float, target: float | None, up: Callable[[float], float], span: tuple[float, float]) -> list[str]:
    """The last value and the target, beside the plot, never on top of each other."""
    x, y = span[1] + 6, up(last)
    if target is None:
        return [text(x, y + 4, figure(last), "v")]
    goal = up(target)
    if abs(y - goal) < 13:
        y, at = (goal - 6.5, goal + 6.5) if y <= goal else (goal + 6.5, goal - 6.5)
    else:
        at = goal
    return [
        line(span[0], goal, span[1] + 4, goal, "ref"),
        text(x + 2, at + 4, figure(target), "l"),
        text(x + 2, y + 4, figure(last), "v"),
    ]
