"""Biases or benchmarks in rows, with the line that a fair judge would stand on."""

from __future__ import annotations

from collections.abc import Sequence

from pages.charts.frame import Chart, Key, Rated, empty
from pages.charts.scale import figure, linear, tick_labels, ticks
from pages.charts.svg import Drawing, line, link, mark, shorten, text, text_width
from pages.charts.whiskers import beside, interval, rated_table

ROW, TOP, BOTTOM, RIGHT = 34, 22, 24, 18


def dots(
    title: str,
    subtitle: str,
    rows: Sequence[Rated],
    *,
    fair: tuple[float, str],
    chance: float | None = None,
    unit: str = "%",
    source: str = "",
    width: int = 520,
) -> Chart:
    """A row a bias: people above, judge below. `fair` is (value, name) of the true reference line."""
    known = [one for row in rows for one in (row.people, row.judge) if one]
    table = rated_table(rows)
    if not known:
        return Chart(title, subtitle, empty(width, 150, "Nothing measured yet", title), table, source)

    height = TOP + ROW * len(rows) + BOTTOM
    notes = max(text_width(row.note) for row in rows)
    left = min(max(text_width(row.name) for row in rows) + notes + 28, width * 0.5)
    edges = [v for one in known for v in (one.low, one.high)] + [fair[0]] + ([chance] if chance is not None else [])
    marks = ticks(min(edges), max(edges), 5)
    along = linear(marks[0], marks[-1], left, width - RIGHT)
    at = along(fair[0])
    parts = [line(along(t), TOP, along(t), height - 22, "g") for t in marks]
    parts += [
        text(along(t), height - 7, f"{words}{unit}", "m") for t, words in zip(marks, tick_labels(marks), strict=True)
    ]
    parts += [
        line(at, TOP - 6, at, height - 22, "ax"),
        text(at, TOP - 10, fair[1], f"v {beside(at, width)[:-2]}"),
    ]
    if chance is not None:
        x = along(chance)
        parts += [line(x, TOP, x, height - 22, "ref")]
        if abs(x - at) > 90:  # else the two names would touch
            parts.append(text(x, TOP - 10, "coin toss", "m"))
    for i, row in enumerate(rows):
        y = TOP + ROW * i + ROW / 2
        if i < len(rows) - 1:
            parts.append(line(0, y + ROW / 2, width - RIGHT, y + ROW / 2, "g"))
        name = mark(row.name, [text(0, y + 4, shorten(row.name, left - notes - 20), "l")])
        parts += [link(row.href, name) if row.href else name, text(left - 14, y + 4, row.note, "e")]
        for one, shift, who, colour in ((row.people, -5, "people", "c4"), (row.judge, 6, "judge", "c1")):
            if one:
                parts.append(interval(one, y + shift, along, f"{row.name}, {who}", colour, judge=who == "judge"))
    legend = [Key("disc", "c4", "people"), Key("ring", "c1", "judge")]
    shown = [key for key in legend if any(getattr(row, key.name) for row in rows)]
    label = f"{title}: {len(rows)} rows; {fair[1]} is {figure(fair[0])}{unit}"
    return Chart(title, subtitle, Drawing(width, height, "".join(parts), label), table, source, shown)
