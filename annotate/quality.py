"""What is read of the feedback: progress, agreement, sides. Writes nothing."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Project, User
from annotate.models import Feedback, Task

BOOTSTRAP = 500


@dataclass(frozen=True)
class Figure:
    """An estimate, its 95% interval (None where it is undefined) and how many units are behind it."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def desk_progress(*, project: Project, annotator: User) -> dict[str, Any]:
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    done = Feedback.current.filter(project=project, annotator=annotator).aggregate(
        total=Count("pk"), today=Count("pk", filter=Q(created_at__gte=today))
    )
    return {"done_today": done["today"], "done": done["total"], "goal_today": None}


def progress(project: Project) -> dict[str, int]:
    """Answers given and wanted over all tasks."""
    sums = Task.objects.filter(project=project).aggregate(
        answered=Sum("answered", default=0), wanted=Sum("wanted", default=0), tasks=Count("pk")
    )
    return {key: int(value) for key, value in sums.items()}


def progress_by_language(project: Project) -> list[dict[str, Any]]:
    rows = (
        Task.objects.filter(project=project)
        .values(lang=F("prompt__lang"))
        .annotate(answered=Sum("answered"), wanted=Sum("wanted"))
        .order_by("-wanted", "lang")
    )
    return [dict(row) for row in rows]


def answers_a_day(project: Project, *, days: int = 28) -> list[tuple[date, int]]:
    """The last `days` days up to today, empty days included."""
    today = timezone.localdate()
    first = today - timedelta(days=days - 1)
    counts = dict(
        Feedback.current.filter(project=project, created_at__date__gte=first)
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(n=Count("pk"))
    )
    return [(day, counts.get(day, 0)) for day in (first + timedelta(days=i) for i in range(days))]


def preference_units(project: Project) -> list[list[int]]:
    """For each task with two raters or more, the sides they chose: -1, 0 or 1 (both bad counts as a tie)."""
    units: dict[int, list[int]] = defaultdict(list)
    rows = Feedback.current.filter(project=project, task__answered__gte=2).values_list("task_id", "preference")
    for task_id, preference in rows.iterator(chunk_size=10_000):
        units[task_id].append(int(np.sign(preference or 0)))
    return [sides for sides in units.values() if len(sides) > 1]


def agreement(project: Project, *, seed: int = 0) -> Figure:
    """Krippendorff's alpha (nominal, sides) with a bootstrap interval over tasks."""
    return alpha_with_interval(preference_units(project), seed=seed)


def alpha_with_interval(units: list[list[int]], *, seed: int = 0) -> Figure:
    """Nominal alpha of `units` (values of each unit, in -1, 0, 1); None where only one value was ever used."""
    if not units:
        return Figure(None, None, None, 0)
    counts = np.array([[unit.count(value) for value in (-1, 0, 1)] for unit in units], dtype=float)
    rng = np.random.default_rng(seed)
    # Units with the same counts are interchangeable, so a resample is one multinomial draw over the distinct ones.
    distinct, weights = np.unique(counts, axis=0, return_counts=True)
    draws = rng.multinomial(len(units), weights / weights.sum(), size=BOOTSTRAP)
    samples = alphas(distinct, draws)
    value = alphas(distinct, weights[None, :])[0]
    if np.isnan(value):
        return Figure(None, None, None, len(units))
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Figure(float(value), float(low), float(high), len(units))


def alphas(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Nominal alpha for each row of unit weights (Krippendorff 2011): 1 - observed over expected disagreement.

    counts: (units, values), at least two a unit; weights: (draws, units). Returns (draws,), NaN where undefined.
    """
    sizes = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (sizes - 1)
    totals = weights @ counts
    n = totals.sum(axis=1)
    observed = 1 - (weights @ agreeing) / n
    expected = 1 - (totals * (totals - 1)).sum(axis=1) / (n * (n - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - observed / expected, np.nan)
