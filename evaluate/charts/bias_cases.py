"""One run of a judge on the case sets, type by type, beside an earlier or another one."""

from collections.abc import Sequence

from accounts.models import Project
from evaluate.bias.runs import OfType, Run, jobs_of, run_of
from evaluate.charts.winners import span
from pages.charts import Chart, Key, Table
from pages.charts.frame import empty
from pages.charts.scale import linear
from pages.charts.svg import Drawing, line, link, mark, shorten, text, text_width
from pages.charts.whiskers import Scale, ends, interval

ROW, TOP, BOTTOM, RIGHT, WIDTH = 34, 24, 24, 22, 630
MARKS = (0, 25, 50, 75, 100)
COIN = 0.5
SUBTITLE = "Cases with the better answer chosen{both}, %, with 95% interval; the tick is what “longer wins” gets"


def chart(project: Project, names: str = "") -> Chart:
    """`names` is the run's, or the run's and another's with a slash between; the newest where it is empty."""
    wanted = names.split("/") if names else []
    there = jobs_of(project)
    runs = [run_of(job) for name in wanted for job in there if job.name == name] or [run_of(job) for job in there[:1]]
    found = [run for run in runs if run]
    return draw(found[0] if found else None, found[1] if len(found) > 1 else None)


def draw(run: Run | None, other: Run | None = None, *, links: bool = False) -> Chart:
    if run is None:
        drawing = empty(WIDTH, 150, "No judge has been tested yet", "Cases")
        return Chart("No judge has been tested on cases yet", "", drawing, Table(["type"], []))
    rows = [*run.types, run.total] if len(run.types) > 1 else list(run.types)
    height = TOP + ROW * len(rows) + BOTTOM
    left = max(text_width(one.title) + text_width(note(one)) for one in rows) + 30
    along = linear(0, 100, left, WIDTH - RIGHT)
    parts = [line(along(at), TOP, along(at), height - 22, "g") for at in MARKS]
    parts += [text(along(at), height - 7, f"{at}%", "m") for at in MARKS]
    parts += [line(along(100), TOP - 6, along(100), height - 22, "ax"), text(along(100), TOP - 11, "fair judge", "v e")]
    chance = 25 if run.total.figures.agreement.defined else 50
    parts += [
        line(along(chance), TOP, along(chance), height - 22, "ref"),
        text(along(chance), TOP - 11, "random", "m"),
    ]
    for place, one in enumerate(rows):
        y = TOP + ROW * place + ROW / 2
        parts.append(drawn(one, run, other, y, left, along, links=links))
        if place < len(rows) - 1:
            parts.append(line(0, y + ROW / 2, WIDTH - RIGHT, y + ROW / 2, "g"))
    legend = [Key("ring", "c1", run.label)] + ([Key("disc", "c2", other.label)] if other else [])
    both = " in both orders" if run.total.figures.agreement.defined else ""
    label = f"{finding(run, other)}: {len(rows)} rows; a fair judge is at 100%"
    return Chart(
        finding(run, other), SUBTITLE.format(both=both), Drawing(WIDTH, height, "".join(parts), label),
        table(rows, run, other), f"{run.name}, {run.total.figures.n:,} cases", legend,
    )  # fmt: skip


def drawn(one: OfType, run: Run, other: Run | None, y: float, left: float, along: Scale, *, links: bool) -> str:
    name = mark(one.title, [text(0, y + 4, shorten(one.title, left - text_width(note(one)) - 22), "l")])
    out = link(f"cases/?run={run.name}&type={one.type}", name) if links else name
    out += text(left - 14, y + 4, note(one), "e")
    longer = along(100 * one.longer_wins)
    out += mark(f"{one.title}, “longer wins”: {one.longer_wins:.0%}", [line(longer, y - 6, longer, y + 6, "ax")])
    before = other.of(one.type) if other else None
    shift = (-6, 6) if before else (0, 0)
    if before and other and (estimate := span(before.figures.pair, 100)):
        out += interval(estimate, y + shift[0], along, f"{one.title}, {other.label}", "c2", judge=False)
    if estimate := span(one.figures.pair, 100):
        out += interval(estimate, y + shift[1], along, f"{one.title}, {run.label}", "c1", judge=True)
    return out


def note(one: OfType) -> str:
    return f"n {one.figures.n:,}"


def table(rows: Sequence[OfType], run: Run, other: Run | None) -> Table:
    """Shares in percent, as drawn."""
    runs = [run] + ([other] if other else [])
    headers = ["type", "cases"] + [f"{one.label}{end}" for one in runs for end in ("", " low", " high")]
    found = []
    for row in rows:
        of = [one.of(row.type) for one in runs]
        cells = [cell for one in of for cell in ends(span(one.figures.pair, 100) if one else None)]
        found.append([row.title, row.figures.n, *cells, round(100 * row.longer_wins, 2)])
    return Table([*headers, "longer wins"], found)


def finding(run: Run, other: Run | None = None) -> str:
    """The finding as a sentence, no stronger than the intervals."""
    if other:
        return compared(run, other)
    total, slot = run.total.figures, run.total.figures.first_slot
    if total.pair.value is None:
        return f"{run.voice.label} has not been tested"
    if slot.value is not None and total.agreement.high is not None and total.agreement.high < COIN:
        place, share = ("first", slot.value) if slot.value >= COIN else ("second", 1 - slot.value)
        return f"{run.voice.label} chooses by place: the {place} shown in {share:.0%} of its choices"
    worst = min(run.types, key=lambda one: (one.figures.pair.value or 0.0, one.title))
    low = worst.figures.pair
    if low.value is not None and low.high is not None and low.high < total.pair.value:
        return f"{run.voice.label} is weakest on {worst.title.lower()}: {low.value:.0%} right"
    both = " in both orders" if total.agreement.defined else ""
    return f"{run.voice.label} is right on {total.pair.value:.0%} of cases{both}"


def compared(run: Run, other: Run) -> str:
    """Whether the one is better than the other over all cases that both were asked about."""
    mine, theirs = run.total.figures.pair, other.total.figures.pair
    if mine.value is None or theirs.value is None or None in (mine.low, theirs.low):
        return f"{run.label} and {other.label}"
    points = round(100 * (mine.value - theirs.value))
    apart = (mine.low or 0) > (theirs.high or 1) or (mine.high or 1) < (theirs.low or 0)
    if not apart or points == 0:
        return f"{run.label} and {other.label} are not told apart by these cases"
    more = "more" if points > 0 else "fewer"
    return f"{run.label} gets {abs(points)} {'point' if abs(points) == 1 else 'points'} {more} than {other.label}"
