"""Training curves: solid is training, dashed is held out, both named where they end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from pages.charts.frame import Chart, Key, Table, empty
from pages.charts.scale import figure, linear, tick_labels, ticks
from pages.charts.svg import Drawing, disc, line, mark, path, rect, text, text_width

Point = tuple[float, float]
TOP, BOTTOM, RIGHT = 10, 22, 8
STRIPS = 48  # places where the pointer finds values
PAGE_ROWS = 60  # rows of the table on the page; the download has all


@dataclass(frozen=True)
class Line:
    """One named series of (step, value). Values that are not finite become gaps."""

    name: str
    points: Sequence[Point]
    colour: str = "c4"
    dashed: bool = False


def training(
    title: str,
    subtitle: str,
    train: Sequence[Point],
    held_out: Sequence[Point] = (),
    *,
    planned: float | None = None,
    source: str = "",
) -> Chart:
    """One measure of one run. `planned` is the last step that the run is meant to reach."""
    lines = [Line("train", train), Line("held out", held_out, "c1", dashed=True)]
    return curve(title, subtitle, [one for one in lines if one.points], planned=planned, source=source)


def curve(
    title: str,
    subtitle: str,
    lines: Sequence[Line],
    *,
    planned: float | None = None,
    unit: str = "steps",
    source: str = "",
    size: tuple[int, int] = (340, 142),
) -> Chart:
    """Several lines over the same steps: a run, or runs beside each other."""
    width, height = size
    runs = [finite_runs(one.points) for one in lines]
    points = [p for line_runs in runs for run in line_runs for p in run]
    lost = sum(len(one.points) for one in lines) - len(points)
    legend = [Key("dash" if one.dashed else "line", one.colour, one.name) for one in lines] if lines[2:] else []
    if not points:
        words = "No value yet" if not lost else "Every value so far is not a number"
        return Chart(title, subtitle, empty(width, height, words, title), Table(["step"], []), source)

    marks = ticks(min(p[1] for p in points), max(p[1] for p in points))
    labels = tick_labels(marks)
    now = max(p[0] for p in points)
    first, last = min(min(p[0] for p in points), 0), max(planned or now, now) or 1
    ends = ends_of(lines, runs)
    left = max(max(text_width(label) for label in labels) + 10, 28)
    right = room_for(ends, (first, last), width - left)
    along = linear(first, last, left, width - right)
    up = linear(marks[0], marks[-1], height - BOTTOM, TOP)
    parts = [
        *(line(left, up(t), width - right, up(t), "g") for t in marks),
        *(text(left - 6, up(t) + 4, label, "e") for t, label in zip(marks, labels, strict=True)),
        text(left, height - 6, figure(first)),
        text(width - right, height - 6, f"{figure(last)} {unit}", "e"),
        line(along(now), TOP, along(now), height - BOTTOM, "ref") if now < last else "",
        *(draw(one, line_runs, along, up) for one, line_runs in zip(lines, runs, strict=True)),
        *end_labels(ends, along, up),
        *strips(lines, along, (TOP, height - BOTTOM), unit),
    ]
    drawing = Drawing(width, height, "".join(parts), spoken(title, lines, runs))
    note = f"{lost} {'value is' if lost == 1 else 'values are'} not a number and left out" if lost else ""
    return Chart(
        title,
        subtitle,
        drawing,
        table_of(lines, PAGE_ROWS),
        " · ".join(filter(None, (source, note))),
        legend,
        full=lambda: table_of(lines, None),
    )


def finite_runs(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Cut a series at its gaps. One sum tells whether there is any, without a look at each point."""
    if math.isfinite(sum(p[1] for p in points)):
        return [points] if points else []
    runs: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def thin(points: Sequence[Point], buckets: int) -> Sequence[Point]:
    """At most two points a bucket, its lowest and its highest, so that no peak is lost."""
    if len(points) <= 2 * buckets:
        return points
    size = -(-len(points) // buckets)
    value = itemgetter(1)
    kept = [points[0]]
    for start in range(0, len(points), size):
        chunk = points[start : start + size]
        kept += sorted({min(chunk, key=value), max(chunk, key=value)})
    kept.append(points[-1])
    return kept


def draw(one: Line, runs: list[Sequence[Point]], along: Callable[[float], float], up: Callable[[float], float]) -> str:
    total = sum(len(run) for run in runs) or 1
    cls = f"ln held {one.colour}" if one.dashed else f"ln {one.colour}"
    out = ""
    for run in runs:
        kept = thin(run, max(200 * len(run) // total, 2))
        if len(kept) == 1:  # a lone point is no line
            out += disc(along(kept[0][0]), up(kept[0][1]), 2.5, f"dot {one.colour}")
        else:
            out += path([(along(x), up(y)) for x, y in kept], cls)
    return out


def ends_of(lines: Sequence[Line], runs: list[list[Sequence[Point]]]) -> list[tuple[Point, str, str]]:
    """Where each line ends, in what words and colour. With more than two lines the legend has the names."""
    ends = [
        (r[-1][-1], figure(r[-1][-1][1]) + ("" if lines[2:] else f" {one.name}"), one.colour)
        for one, r in zip(lines, runs, strict=True)
        if r
    ]
    return ends if len(ends) <= 6 else []


def room_for(ends: list[tuple[Point, str, str]], span: Point, width: float) -> float:
    """The margin at the right that lets every end carry its words; a run half way through needs none."""
    needed = float(RIGHT)
    for (x, _), words, _ in ends:
        reach = (x - span[0]) / (span[1] - span[0])
        if reach > 0:
            needed = max(needed, width - (width - text_width(words) - 8) / reach)
    return min(needed, width / 2)


def end_labels(
    ends: list[tuple[Point, str, str]], along: Callable[[float], float], up: Callable[[float], float]
) -> list[str]:
    """Names at the ends, pushed apart where they would touch."""
    ordered = sorted(ends, key=lambda end: up(end[0][1]))
    spots = spread([up(end[0][1]) for end in ordered], 13)
    last = max((along(end[0][0]) for end in ends), default=0)
    out = []
    for y, ((x, _), words, colour) in zip(spots, ordered, strict=True):
        at = last if last - along(x) < 24 else along(x)  # names that nearly line up do
        out.append(text(at + 6, y + 4, words, f"c {colour}"))
    return out


def spread(spots: list[float], gap: float) -> list[float]:
    """Move sorted spots apart, both of a pair by half, until each is a gap from the next."""
    out = list(spots)
    for _ in range(30):
        for i in range(1, len(out)):
            push = max(gap - (out[i] - out[i - 1]), 0) / 2
            out[i - 1], out[i] = out[i - 1] - push, out[i] + push
    return out


def strips(lines: Sequence[Line], along: Callable[[float], float], span: tuple[float, float], unit: str) -> list[str]:
    """Invisible columns that show the values under the pointer."""
    longest = max(lines, key=lambda one: len(one.points)).points
    size = -(-len(longest) // STRIPS)
    picked = list(longest[::size])
    if picked[-1] != longest[-1]:
        picked.append(longest[-1])
    by_step = [(one.name, dict(one.points)) if len(one.points) < 2000 else (one.name, {}) for one in lines]
    out = []
    for i, (x, y) in enumerate(picked):
        start = (along(picked[i - 1][0]) + along(x)) / 2 if i else along(x) - 2
        end = (along(x) + along(picked[i + 1][0])) / 2 if i + 1 < len(picked) else along(x) + 2
        values = [f"{name} {figure(steps[x])}" for name, steps in by_step if x in steps] or [figure(y)]
        words = f"{'step' if unit == 'steps' else unit} {figure(x)}: {', '.join(values)}"
        out.append(mark(words, [rect(start, span[0], max(end - start, 1), span[1] - span[0], "hit")]))
    return out


def spoken(title: str, lines: Sequence[Line], runs: list[list[Sequence[Point]]]) -> str:
    ends = [
        f"{one.name} from {figure(r[0][0][1])} to {figure(r[-1][-1][1])}"
        for one, r in zip(lines, runs, strict=True)
        if r
    ]
    return f"{title}: {'; '.join(ends)}"


def table_of(lines: Sequence[Line], limit: int | None) -> Table:
    """One row a step. On the page every n-th, the last always; in the download all."""
    by_step: dict[float, list[float | None]] = {}
    for i, one in enumerate(lines):
        for x, y in thin_rows(one.points, limit):
            by_step.setdefault(x, [None] * len(lines))[i] = y
    rows: list[list[str | float | None]] = [
        [int(x) if x == int(x) else x, *(readable(v) for v in values)] for x, values in sorted(by_step.items())
    ]
    return Table(["step", *(one.name for one in lines)], rows)


def thin_rows(points: Sequence[Point], limit: int | None) -> Sequence[Point]:
    if limit is None or len(points) <= limit:
        return points
    size = -(-len(points) // (limit - 1))
    return [*points[::size], points[-1]]


def readable(value: float | None) -> str | float | None:
    if value is None or math.isfinite(value):
        return value
    return figure(value)
