"""Runs beside each other: the settings in which they differ, what came out with intervals, their curves."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pages.charts import Chart, Key, Line, curve
from pages.charts.download import harmless
from registry.curves import CURVES, Points, points_of_all
from registry.launching import same, words
from registry.models import Job, ModelVersion
from registry.specs import SPECS

COLOURS = ("c4", "c1", "c2", "c3", "c6", "c5")
CURVES_AT_ONCE = 2 * len(COLOURS)
# metric of a model, its words, whether more is better
FIGURES = (("accuracy", "Held-out accuracy", True), ("loss", "Held-out loss", False))


@dataclass(frozen=True)
class Figure:
    """What came out of a run. `best`: no other run's is better; without an interval `low` and `high` are None."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    job: Job
    key: Key
    settings: list[tuple[str, bool]]
    """Words of each differing setting, and whether it differs from the first run's."""
    figures: list[Figure | None]


@dataclass(frozen=True)
class Comparison:
    jobs: list[Job]
    differing: list[str]
    same_settings: list[tuple[str, str]]
    figure_names: list[str]
    rows: list[Row]
    charts: list[Chart]
    finding: str
    caution: str


def compare(jobs: Sequence[Job]) -> Comparison:
    names = settings_in_order(jobs)
    differing = [name for name in names if any(differs(job, jobs[0], name) for job in jobs)]
    models = {model.job_id: model for model in ModelVersion.objects.filter(job__in=jobs)}
    curves_of = points_of_all(jobs)
    columns = [(title, figures_of(jobs, models, curves_of, name, more)) for name, title, more in FIGURES]
    columns = [(title, column) for title, column in columns if any(column)]
    rows = [
        Row(
            job, key_of(place, job.name),
            [(words(value_of(job, name)), differs(job, jobs[0], name)) for name in differing],
            [column[place] for _, column in columns],
        )
        for place, job in enumerate(jobs)
    ]  # fmt: skip
    finding, caution = judged(jobs, columns)
    return Comparison(
        list(jobs), [name.replace("_", " ") for name in differing],
        [(name.replace("_", " "), words(value_of(jobs[0], name))) for name in names if name not in differing],
        [title for title, _ in columns], rows, charts(jobs, curves_of), finding, caution,
    )  # fmt: skip


def settings_in_order(jobs: Sequence[Job]) -> list[str]:
    """Names of all settings: those of the specs in their order, then what only old rows have."""
    kinds = dict.fromkeys(job.kind for job in jobs)
    known = [name for kind in kinds if kind in SPECS for name in SPECS[kind].spec.model_fields]
    kept = [name for job in jobs for name in job.params]
    return [name for name in dict.fromkeys([*known, *kept]) if any(name in job.params for job in jobs)]


def value_of(job: Job, name: str) -> Any:
    return job.params.get(name, "")


def differs(one: Job, other: Job, name: str) -> bool:
    return not same(value_of(one, name), value_of(other, name))


def key_of(place: int, name: str) -> Key:
    dashed = place // len(COLOURS) % 2 == 1
    return Key("dash" if dashed else "line", COLOURS[place % len(COLOURS)], name)


def figures_of(
    jobs: Sequence[Job], models: dict[int | None, ModelVersion], curves_of: dict[int, dict[str, Points]],
    name: str, more: bool,
) -> list[Figure | None]:  # fmt: skip
    """One a run: the model's figure with its interval, else the last held-out value of the curve."""
    found: list[Figure | None] = []
    for job in jobs:
        kept = models[job.pk].metrics.get(name) if job.pk in models else None
        curve_points = curves_of[job.pk].get(f"held_out_{name}", [])
        if isinstance(kept, dict) and kept.get("value") is not None:
            found.append(Figure(kept["value"], kept.get("low"), kept.get("high"), kept.get("n")))
        else:
            found.append(Figure(curve_points[-1][1]) if curve_points else None)
    # The losses of two objectives are on different scales, and so are those on two datasets.
    comparable = more or len({(job.kind, job.params.get("objective"), job.params.get("dataset")) for job in jobs}) == 1
    values = [figure.value for figure in found if figure]
    if not comparable or len(values) < 2:
        return found
    top = max(values) if more else min(values)
    return [
        Figure(f.value, f.low, f.high, f.n, best=True) if f and f.value == top else f for f in found
    ]  # fmt: skip


def judged(jobs: Sequence[Job], columns: list[tuple[str, list[Figure | None]]]) -> tuple[str, str]:
    """(what the first figure says, what to keep in mind), in words; empty where nothing can be said."""
    for title, column in columns:
        best = [place for place, figure in enumerate(column) if figure and figure.best]
        if not best:
            continue
        ahead, figure = jobs[best[0]], column[best[0]]
        assert figure is not None
        if len(best) > 1:
            return f"{' and '.join(jobs[place].name for place in best)} are level in {title.lower()}.", ""
        rivals = [
            jobs[place].name
            for place, other in enumerate(column)
            if other and place != best[0] and overlap(figure, other)
        ]
        finding = f"{ahead.name} is ahead in {title.lower()}."
        datasets = {job.params.get("dataset") for job in jobs}
        caution = ""
        if rivals:
            shown = ", ".join(rivals[:4]) + (f" and {len(rivals) - 4} more" if rivals[4:] else "")
            caution = f"The interval of {ahead.name} overlaps with that of {shown}: the order may be chance."
        if len(datasets) > 1:
            caution += " They were measured on different datasets, so their held-out pairs differ."
        return finding, caution.strip()
    return "", ""


def overlap(one: Figure, other: Figure) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def charts(jobs: Sequence[Job], curves_of: dict[int, dict[str, Points]]) -> list[Chart]:
    """A chart a measure that two of the runs have, or the one that has any: held-out before training."""
    drawn = []
    for name, title, subtitle in CURVES:
        for prefix, which in (("held_out_", "held out"), ("", "training")):
            lines = [
                Line(
                    job.name,
                    curves_of[job.pk][prefix + name],
                    key_of(place, "").colour,
                    key_of(place, "").mark == "dash",
                )
                for place, job in enumerate(jobs[:CURVES_AT_ONCE])
                if curves_of[job.pk].get(prefix + name)
            ]
            if lines:
                drawn.append(curve(f"{title}, {which}" if has_both(name) else title, subtitle, lines))
    return drawn


def has_both(name: str) -> bool:
    return name in ("loss", "margin", "accuracy")


def table_csv(found: Comparison) -> str:
    """A row a run: every setting, and every figure with its interval."""
    names = settings_in_order(found.jobs)
    head = ["run", "kind", "state", "seconds", *names]
    for title in found.figure_names:
        head += [title, f"{title}, low", f"{title}, high", f"{title}, n"]
    lines: list[list[Any]] = [head]
    for row in found.rows:
        line = [
            row.job.name,
            row.job.kind,
            row.job.status,
            row.job.seconds,
            *(words(value_of(row.job, n)) for n in names),
        ]
        for figure in row.figures:
            line += [figure.value, figure.low, figure.high, figure.n] if figure else [None] * 4
        lines.append(line)
    return as_csv(lines)


def curves_csv(jobs: Sequence[Job]) -> Iterator[str]:
    """run, metric, step, value: every point of every curve."""
    yield "run,metric,step,value\n"
    for job in jobs:
        rows = job.metrics.order_by("name", "step").values_list("name", "step", "value")
        for name, step, value in rows.iterator(chunk_size=5_000):
            yield as_csv([[job.name, name, step, value]])


def as_csv(lines: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [["" if cell is None else harmless(cell) for cell in line] for line in lines]
    )
    return out.getvalue()
