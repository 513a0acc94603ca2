"""Two distributions over the same bins: chosen as filled bars, rejected as an outline."""

from __future__ import annotations

from collections.abc import Sequence

from pages.charts.frame import Chart, Key, Table, empty
from pages.charts.scale import figure, linear, tick_labels, ticks
from pages.charts.svg import Drawing, line, mark, path, rect, text, text_width

RIGHT, TOP, BOTTOM = 16, 16, 34


def histogram(
    title: str,
    subtitle: str,
    filled: Sequence[int],
    outline: Sequence[int] = (),
    *,
    bin_width: float,
    start: float = 0,
    names: tuple[str, str] = ("chosen", "rejected"),
    unit: str = "tokens",
    limit: tuple[float, str] | None = None,
    source: str = "",
    size: tuple[int, int] = (420, 180),
) -> Chart:
    """Counts by bin; the two read apart without colour. `limit` is (value, name) of a dotted line."""
    width, height = size
    bins = max(len(filled), len(outline))
    one, two = padded(filled, bins), padded(outline, bins)
    table = table_of(one, two if outline else None, start, bin_width, names, unit)
    if not bins or not max(*one, *two, 0):
        return Chart(title, subtitle, empty(width, height, "Nothing to count yet", title), table, source)

    marks = ticks(0, max(*one, *two), 3, zero=True)
    labels = tick_labels(marks)
    left = max(max(text_width(label) for label in labels) + 10, 28)
    along = linear(0, bins, left, width - RIGHT)
    up = linear(0, marks[-1], height - BOTTOM, TOP)
    wide = along(1) - along(0)
    parts = [line(left, up(t), width - RIGHT, up(t), "g") for t in marks]
    parts += [text(left - 6, up(t) + 4, w, "e") for t, w in zip(marks, labels, strict=True)]
    for i, (label, *counts) in enumerate(table.rows):
        words = ", ".join(f"{figure(float(c or 0))} {n}" for c, n in zip(counts, names, strict=False))
        box = rect(along(i) + 0.5, up(one[i]), wide - 1, up(0) - up(one[i]), "fl c4 half")
        over = rect(along(i), TOP, wide, height - TOP - BOTTOM, "hit")
        parts.append(mark(f"{label} {unit}: {words}", [box, over]))
    if outline:
        corners = [point for i, v in enumerate(two) for point in ((along(i), up(v)), (along(i + 1), up(v)))]
        parts.append(path([(along(0), up(0)), *corners, (along(bins), up(0))], "ln c6"))
    every = max(1, -(-bins * 48 // max(int(width - left - RIGHT), 1)))
    parts += [text(along(i), height - 18, figure(start + i * bin_width), "m") for i in range(0, bins + 1, every)]
    parts.append(text(width - RIGHT, height - 4, unit, "e"))
    if limit and start <= limit[0] <= start + bins * bin_width:
        x = along((limit[0] - start) / bin_width)
        anchor = "e l" if x > width / 2 else "l"
        parts += [line(x, TOP - 8, x, height - BOTTOM, "ref")]
        parts.append(text(x + (-5 if anchor == "e l" else 5), TOP - 4, limit[1], anchor))
    legend = [Key("box", "c4", names[0]), Key("step", "c6", names[1])] if outline else []
    label = f"{title}: {figure(sum(one))} {names[0]}" + (f", {figure(sum(two))} {names[1]}" if outline else "")
    return Chart(title, subtitle, Drawing(width, height, "".join(parts), label), table, source, legend)


def padded(counts: Sequence[int], bins: int) -> list[int]:
    return [*counts, *([0] * (bins - len(counts)))]


def table_of(
    one: list[int], two: list[int] | None, start: float, width: float, names: tuple[str, str], unit: str
) -> Table:
    headers = [unit, names[0], *([names[1]] if two is not None else [])]
    edges = [figure(start + i * width) for i in range(len(one) + 1)]
    rows: list[list[str | float | None]] = [
        [f"{edges[i]} to {edges[i + 1]}", one[i], *([two[i]] if two is not None else [])] for i in range(len(one))
    ]
    return Table(headers, rows)
