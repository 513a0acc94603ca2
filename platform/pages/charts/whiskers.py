"""Ratings or win rates with their intervals: people are discs, the judge is a diamond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pages.charts.frame import Chart, Estimate, Key, Rated, Table, empty
from pages.charts.scale import figure, linear, tick_labels, ticks
from pages.charts.svg import (
    Drawing,
    Markup,
    diamond,
    disc,
    line,
    link,
    mark,
    number,
    shorten,
    text,
    text_width,
)

Scale = Callable[[float], float]
ROW, TOP, BOTTOM, RIGHT = 26, 8, 22, 48


def whiskers(
    title: str,
    subtitle: str,
    rows: Sequence[Rated],
    *,
    reference: tuple[float, str] | None = None,
    source: str = "",
    width: int = 360,
) -> Chart:
    """A row a model, best first as given. `reference` is (value, name) of the line all rows share."""
    both = any(row.judge for row in rows) and any(row.people for row in rows)
    table = rated_table(rows)
    known = [one for row in rows for one in (row.people, row.judge) if one]
    if not known:
        return Chart(title, subtitle, empty(width, 150, "No rating yet", title), table, source)

    top = TOP + (14 if reference else 0)
    height = top + ROW * len(rows) + BOTTOM
    left = min(max(text_width(row.name) for row in rows) + 14, width * 0.42)
    edges = [value for one in known for value in (one.low, one.high)] + ([reference[0]] if reference else [])
    marks = ticks(min(edges), max(edges), 3 if width < 500 else 5)
    along = linear(marks[0], marks[-1], left, width - RIGHT)
    parts = [line(along(t), top, along(t), height - 20, "g") for t in marks]
    parts += [text(along(t), height - 6, w, "m") for t, w in zip(marks, tick_labels(marks), strict=True)]
    if reference:
        x = along(reference[0])
        parts += [line(x, top - 4, x, height - 20, "ref"), text(x, top - 8, reference[1], beside(x, width))]
    for i, row in enumerate(rows):
        parts.append(draw_row(row, top + ROW * i + ROW / 2, left, width, along))
    legend = [Key("disc", "c4", "people"), Key("ring", "c1", "judge")] if both else []
    label = f"{title}: {len(rows)} rows from {figure(min(edges))} to {figure(max(edges))}"
    return Chart(title, subtitle, Drawing(width, height, "".join(parts), label), table, source, legend)


def beside(x: float, width: float) -> str:
    """Anchor of a word above a line, so that it stays inside the drawing."""
    return "e l" if x > width - 80 else "l" if x < 80 else "m l"


def draw_row(row: Rated, y: float, left: float, width: float, along: Scale) -> str:
    name = mark(row.name, [text(left - 10, y + 4, shorten(row.name, left - 12), "e l")])
    shift = (-4, 5) if row.people and row.judge else (0, 0)
    out = link(row.href, name) if row.href else name
    if row.people:
        out += interval(row.people, y + shift[0], along, f"{row.name}, people", "c4", judge=False)
    if row.judge:
        out += interval(row.judge, y + shift[1], along, f"{row.name}, judge", "c1", judge=True)
    first = row.people or row.judge
    return out + (text(width - RIGHT + 8, y + 4, figure(first.mid), "v") if first else "")


def interval(one: Estimate, y: float, along: Scale, name: str, colour: str, *, judge: bool) -> str:
    x = along(one.mid)
    shape = diamond(x, y, 4.5, "ring") if judge else disc(x, y, 4, "fl")
    return mark(f"{name}: {one}", [line(along(one.low), y, along(one.high), y, "wh"), shape], colour)


def spark(one: Estimate, low: float, high: float, *, reference: float | None = None, narrow: bool = False) -> Markup:
    """One row of a whisker plot for a cell of a table (class whisk); low and high are the column's."""
    width, height = (152, 34) if narrow else (280, 34)
    along = linear(low, high, 6, width - 6)
    size = "plot c4 spark narrow" if narrow else "plot c4 spark"
    parts = [line(along(reference), 0, along(reference), height, "ax")] if reference is not None else []
    parts += [line(along(one.low), 17, along(one.high), 17, "wh"), disc(along(one.mid), 17, 4, "fl")]
    head = f'<svg class="{size}" viewBox="0 0 {number(width)} {number(height)}" role="img" aria-label="{one}">'
    return Markup(f"{head}<title>{one}</title>{''.join(parts)}</svg>")


def rated_table(rows: Sequence[Rated]) -> Table:
    """Both voices with their intervals; columns without any value are left out."""
    voices = [voice for voice in ("people", "judge") if any(getattr(row, voice) for row in rows)]
    headers = ["name", *(f"{voice}{end}" for voice in voices for end in ("", " low", " high"))]
    return Table(headers, [(row.name, *(v for voice in voices for v in ends(getattr(row, voice)))) for row in rows])


def ends(one: Estimate | None) -> tuple[float | None, float | None, float | None]:
    return (one.mid, one.low, one.high) if one else (None, None, None)
