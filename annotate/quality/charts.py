"""Charts of the pages Quality and People: agreement with intervals, kappa of each two raters, accuracy against time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from annotate.quality.intervals import Share
from annotate.quality.measures import Pair, Voice, level_words
from annotate.quality.raters import ENOUGH, Rater
from pages.charts import Chart, Estimate, Rated, Table, whiskers
from pages.charts.frame import empty
from pages.charts.scale import linear, tick_labels, ticks
from pages.charts.svg import Drawing, Markup, disc, line, link, mark, rect, shorten, text, text_width
from pages.words import duration

MOST_NAMED = 10
"""Raters in the heat map; the table has all pairs."""
STEPS = 20
NameOf = Callable[[int], str]


def agreement(voice: Voice, *, source: str = "") -> Chart:
    """A row a measure, and a row a language of the one to speak of."""
    rows = []
    for row in voice.rows:
        found = row.alpha
        if found.value is None or (row.lang and row.measure != voice.main_measure):
            continue
        name = f"{row.measure.name}, {row.lang}" if row.lang else f"{row.measure.kind}: {row.measure.name}"
        low, high = found.low, found.high
        span = Estimate(found.value, found.value if low is None else low, found.value if high is None else high)
        rows.append(Rated(name, people=span))
    subtitle = f"Krippendorff's alpha of {who(voice)}, with 95% interval; 0 is chance, 1 is perfect"
    drawn = whiskers(headline(voice), subtitle, rows, reference=(0.0, "chance"), source=source, width=560)
    return by_simulated(drawn) if voice.simulated else drawn


def headline(voice: Voice) -> str:
    """The finding, short enough for the title of a chart."""
    main = voice.main
    if main is None or main.alpha.value is None:
        return "Agreement is not known yet"
    return f"On {main.measure.name}, {who(voice)} agree {level_words(main.alpha)}"


def who(voice: Voice) -> str:
    return "simulated raters" if voice.simulated else "people"


def by_simulated(chart: Chart) -> Chart:
    """Whiskers call their discs people; here they are not."""
    svg = chart.svg
    body = svg.body.replace(", people:", ", simulated raters:")
    headers = [header.replace("people", "alpha") for header in chart.table.headers]
    return replace(
        chart, svg=Drawing(svg.width, svg.height, body, svg.label), table=Table(headers, chart.table.rows)
    )  # fmt: skip


# --- Each two raters ------------------------------------------------------------------------------------------------


def kappa(voice: Voice, name_of: NameOf, *, href: Callable[[int], str] | None = None, source: str = "") -> Chart:
    """Cohen's kappa of each two raters who share enough items; those who share most, when they are many."""
    users = most_shared(voice.pairs)
    known: dict[tuple[int, int], Pair] = {}
    for pair in voice.pairs:
        known[pair.one, pair.other] = known[pair.other, pair.one] = pair
    title, names = kappa_title(voice.pairs, name_of), {user: name_of(user) for user in users}
    every = sorted({user for pair in voice.pairs for user in (pair.one, pair.other)})
    subtitle = f"Cohen's kappa on the items that two raters share; 0 is chance, blue above it{cut(len(every))}"
    rows = [
        (name_of(p.one), name_of(p.other), p.kappa.value, p.kappa.low, p.kappa.high, p.kappa.n) for p in voice.pairs
    ]
    table = Table(["one", "other", "kappa", "low", "high", "shared items"], rows)
    if not users:
        return Chart(title, subtitle, empty(420, 150, "No two raters share enough items", title), table, source)
    page = heat_table(title, users, names, known, href)
    return Chart(title, subtitle, heat_drawing(title, users, names, known), table, source, html=page)


def most_shared(pairs: Sequence[Pair]) -> list[int]:
    """The raters of the densest part of the table: whoever can be compared with fewest of the rest goes first."""
    with_whom: dict[int, dict[int, int]] = {}
    for pair in pairs:
        with_whom.setdefault(pair.one, {})[pair.other] = pair.kappa.n
        with_whom.setdefault(pair.other, {})[pair.one] = pair.kappa.n
    while len(with_whom) > MOST_NAMED:
        least = min(with_whom, key=lambda user: (len(with_whom[user]), sum(with_whom[user].values()), -user))
        for other in with_whom.pop(least):
            del with_whom[other][least]
    return sorted(with_whom)


def cut(people: int) -> str:
    return f"; the {MOST_NAMED} of {people} who share most" if people > MOST_NAMED else ""


def kappa_title(pairs: Sequence[Pair], name_of: NameOf) -> str:
    known = [pair for pair in pairs if pair.kappa.value is not None]
    if not known:
        return "No two raters can be compared yet"
    best = max(known, key=lambda pair: pair.kappa.value or 0)
    if len(known) == 1:
        return f"{name_of(best.one)} and {name_of(best.other)} agree at {best.kappa.value:.2f}"
    worst = min(known, key=lambda pair: pair.kappa.value or 0)
    return f"Furthest apart are {name_of(worst.one)} and {name_of(worst.other)}, at {worst.kappa.value:.2f}"


def words_of(pair: Pair, names: Mapping[int, str]) -> str:
    one, found = f"{names[pair.one]} and {names[pair.other]}", pair.kappa
    if found.value is None:
        return f"{one}: undefined on {found.n:,} items, both gave one and the same value"
    span = f" ({found.low:.2f} to {found.high:.2f})" if found.low is not None and found.high is not None else ""
    return f"{one}: {found.value:.2f}{span} on {found.n:,} items"


def classes(pair: Pair | None) -> str:
    if pair is None or pair.kappa.value is None:
        return "none"
    step = min(STEPS, round(abs(pair.kappa.value) * STEPS))
    return " ".join(filter(None, ("lose" if pair.kappa.value < 0 else "", f"m{step}" if step else "")))


def heat_table(
    title: str,
    users: Sequence[int],
    names: Mapping[int, str],
    known: Mapping[tuple[int, int], Pair],
    href: Callable[[int], str] | None,
) -> Markup:
    def head(user: int) -> str:
        name = escape(names[user])
        return link(href(user), name) if href else name

    def cell(row: int, column: int) -> str:
        pair = known.get((row, column))
        if pair is None:
            return '<td class="none"></td>'
        said = escape(words_of(pair, names))
        value = pair.kappa.value
        number = "n/a" if value is None else f"{value:.2f}".replace("-0.00", "0.00")
        return f'<td class="{classes(pair)}" title="{said}"><span>{number}</span></td>'

    columns = "".join(f'<th scope="col" title="{escape(names[user])}">{escape(names[user])}</th>' for user in users)
    body = "".join(
        f'<tr><th scope="row">{head(row)}</th>{"".join(cell(row, column) for column in users)}</tr>' for row in users
    )
    return Markup(
        f'<table class="heat" aria-label="{escape(title)}"><thead><tr><td class="none"></td>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def heat_drawing(
    title: str, users: Sequence[int], names: Mapping[int, str], known: Mapping[tuple[int, int], Pair]
) -> Drawing:
    wide, high, top = 62, 32, 26
    left = min(max(text_width(names[user]) for user in users) + 14, 180)
    parts = []
    for i, row in enumerate(users):
        y = top + high * i
        parts.append(text(left + wide * i + wide / 2, top - 9, shorten(names[row], wide - 2), "m"))
        parts.append(text(left - 10, y + 20, shorten(names[row], left - 12), "e l"))
        for j, column in enumerate(users):
            pair = known.get((row, column))
            if pair and pair.kappa.value is not None:
                x = left + wide * j
                box = rect(x + 0.5, y + 0.5, wide - 1, high - 1, f"cell {classes(pair)}".strip())
                number = text(x + wide / 2, y + 20, f"{pair.kappa.value:.2f}".replace("-0.00", "0.00"), "m in")
                parts.append(mark(words_of(pair, names), [box, number]))
    size = len(users)
    return Drawing(round(left + wide * size), top + high * size, "".join(parts), f"{title}: {size} raters")


# --- Accuracy against time ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    name: str
    seconds: float
    gold: Share
    low: bool
    """Below the bar for sure, so it is named."""


def gold_against_time(
    raters: Sequence[Rater], name_of: NameOf, *, bar: float, low: set[int], source: str = ""
) -> Chart:
    """A disc a rater with enough gold answers; `low` are those below the bar beyond chance."""
    points = [
        Point(name_of(one.user), one.median_s, one.gold, one.user in low)
        for one in raters
        if one.gold.n >= ENOUGH and one.median_s is not None
    ]
    title = time_title(points, bar)
    subtitle = f"Gold accuracy, 95% interval, against active time an item; {count(len(points))} with {ENOUGH} or more"
    rows = [(p.name, p.seconds, p.gold.value, p.gold.low, p.gold.high, p.gold.n) for p in points]
    table = Table(["rater", "seconds", "gold accuracy", "low", "high", "gold answers"], rows)
    width, height = 560, 230
    if not points:
        return Chart(title, subtitle, empty(width, height, "Nobody has enough gold answers yet", title), table, source)
    body = scatter(points, bar, width, height)
    return Chart(title, subtitle, Drawing(width, height, body, f"{title}: {len(points)} raters"), table, source)


def scatter(points: Sequence[Point], bar: float, width: int, height: int) -> str:
    left, right, top, bottom = 42, 14, 14, 24
    marks = ticks(0, max(point.seconds for point in points) * 1.08, 5, zero=True)
    lowest = min([bar, *(point.gold.low or 0 for point in points)])
    levels = [one for one in ticks(max(lowest, 0) * 100, 100, 5) if one <= 100]
    along = linear(marks[0], marks[-1], left, width - right)
    up = linear(levels[0], 100, height - bottom, top)
    parts = [line(left, up(one), width - right, up(one), "g") for one in levels]
    parts += [
        text(left - 6, up(one) + 4, f"{word}%", "e") for one, word in zip(levels, tick_labels(levels), strict=True)
    ]
    parts += [text(along(one), height - 6, duration(one), "e" if one == marks[-1] else "m") for one in marks]
    asked = up(bar * 100)
    parts += [line(left, asked, width - right, asked, "ref")]
    parts += [text(width - right, asked - 5, f"asked for: {bar:.0%}", "e l")]
    for point in sorted(points, key=lambda one: one.low):
        x, gold = along(point.seconds), point.gold
        share = f"{gold.value:.0%} ({gold.low:.0%} to {gold.high:.0%}) of {gold.n:,}"
        said = f"{point.name}: {share}, {duration(point.seconds)} an item"
        span = line(x, up((gold.low or 0) * 100), x, up((gold.high or 0) * 100), "wh")
        span = span if point.low else f'<g class="half">{span}</g>'
        y = up((gold.value or 0) * 100)
        parts.append(mark(said, [span, disc(x, y, 4, "fl" if point.low else "ring")], "c4"))
        if point.low:
            end = x > width - 90
            parts.append(text(x - 8 if end else x + 8, y + 4, point.name, "v e" if end else "v"))
    return "".join(parts)


def time_title(points: Sequence[Point], bar: float) -> str:
    if not points:
        return "Accuracy on gold tasks is not known yet"
    low = [point for point in points if point.low]
    if not low:
        return f"Nobody is below {bar:.0%} on gold tasks beyond chance"
    fastest = sorted(points, key=lambda point: point.seconds)[: len(low)]
    if len(points) > 2 * len(low) and {point.name for point in fastest} == {point.name for point in low}:
        return (
            "The fastest are the least accurate"
            if len(low) > 1
            else f"{low[0].name}, the fastest, is the least accurate"
        )
    names = low[0].name if len(low) == 1 else f"{len(low)} people"
    return f"{names} {'is' if len(low) == 1 else 'are'} below {bar:.0%} on gold tasks"


def count(n: int) -> str:
    return "1 rater" if n == 1 else f"{n:,} raters"
