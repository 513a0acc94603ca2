"""What is read of the feedback: progress, agreement, sides. Writes nothing.

People and simulated raters are never one number without saying so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Project, User
from annotate.desk import statements
from annotate.models import Feedback, Task
from annotate.quality.agreement import alpha, from_counts
from annotate.quality.columns import SHARED, finished
from annotate.quality.kept import counted

BOOTSTRAP = 500
ENOUGH_TASKS = 20
"""With so many tasks that several people answered, agreement is theirs alone."""
PEOPLE, SIMULATED = Feedback.Origin.HUMAN, Feedback.Origin.SIMULATED
ALIKE = {PEOPLE: (PEOPLE, Feedback.Origin.IMPORTED), SIMULATED: (SIMULATED,)}
"""Whose answers agree with whose: raters of imported files are people."""


@dataclass(frozen=True)
class Figure:
    """An estimate, its 95% interval (None where it is undefined) and how many units are behind it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    simulated: bool = False
    """Whether it tells of simulated raters instead of people."""


@dataclass(frozen=True)
class Day:
    """Answers of one day, by who gave them."""

    date: date
    people: int
    simulated: int

    @property
    def total(self) -> int:
        return self.people + self.simulated


def desk_progress(*, project: Project, annotator: User) -> dict[str, Any]:
    """Own answers today and in all (an item of several steps counts once for each), whether any was sent back, and
    whether a task is in hand."""
    now = timezone.localtime()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    done, done_today, sent_back, holds = statements.desk_state(
        person=annotator.pk, project=project.pk, today=today, now=now
    )
    return {"done_today": done_today, "done": done, "sent_back": sent_back, "holds": holds}


def progress(project: Project) -> dict[str, int]:
    """Answers given and wanted over all tasks; `simulated` of those given are by simulated raters.

    Like everything here that counts all tasks, up to a minute old where they are many (annotate.quality.kept).
    """
    return counted(project, "progress", lambda: count_progress(project))


def count_progress(project: Project) -> dict[str, int]:
    sums = Task.objects.filter(project=project).aggregate(
        answered=Sum("answered", default=0), wanted=Sum("wanted", default=0), tasks=Count("pk")
    )
    simulated = Feedback.current.filter(project=project, origin=SIMULATED).count()
    return {key: int(value) for key, value in sums.items()} | {"simulated": simulated}


def progress_by_language(project: Project) -> list[dict[str, Any]]:
    """{lang, answered, wanted, simulated} of each language, the one with most tasks first."""
    return counted(project, "progress-by-language", lambda: count_progress_by_language(project))


def count_progress_by_language(project: Project) -> list[dict[str, Any]]:
    rows = (
        Task.objects.filter(project=project)
        .values("lang")
        .annotate(answered=Sum("answered"), wanted=Sum("wanted"))
        .order_by("-wanted", "lang")
    )
    votes = Feedback.current.filter(project=project, origin=SIMULATED)
    simulated = dict(votes.order_by().values_list("task__lang").annotate(n=Count("pk")))
    return [dict(row) | {"simulated": simulated.get(row["lang"], 0)} for row in rows]


def flagged(project: Project) -> int:
    """Tasks that are given to nobody until a moderator has looked at them."""
    return counted(project, "flagged", lambda: Task.objects.filter(project=project, flagged=True).count())


def answers_a_day(project: Project, *, days: int = 28) -> list[Day]:
    """The last `days` days up to today, empty days included."""
    return counted(project, f"days-{days}", lambda: count_answers_a_day(project, days))


def count_answers_a_day(project: Project, days: int) -> list[Day]:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.date() - timedelta(days=days - 1)
    given: dict[tuple[date, str], int] = {
        (day, origin): n
        for day, origin, n in Feedback.current.filter(
            project=project, created_at__gte=timezone.make_aware(datetime.combine(first, time.min))
        )
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values_list("day", "origin")
        .annotate(n=Count("pk"))
    }
    dates = (first + timedelta(days=i) for i in range(days))
    return [Day(day, given.get((day, PEOPLE), 0), given.get((day, SIMULATED), 0)) for day in dates]


def side_counts(project: Project, origin: str) -> list[tuple[int, int, int, int]]:
    """For each comparison by two raters or more of that origin, how many said second, tie, first and both bad."""
    rows = (
        finished(project)
        .filter(origin__in=ALIKE[Feedback.Origin(origin)], kind="pairwise")
        .filter(task__answered__gte=2, task__purpose__in=SHARED)
        .order_by()
        .values("task_id", "step")
        .annotate(
            below=Count("pk", filter=Q(preference__lt=0)), tie=Count("pk", filter=Q(preference=0)),
            above=Count("pk", filter=Q(preference__gt=0)), n=Count("pk"),
        )
        .filter(n__gte=2)
    )  # fmt: skip
    return [(b, t, a, n - b - t - a) for b, t, a, n in rows.values_list("below", "tie", "above", "n")]


@dataclass(frozen=True)
class Overlap:
    """How many items that count for agreement were answered by people, or by simulated raters, and by how many."""

    raters: int
    items: int
    shared: int
    """Items with two of these raters or more."""
    may_be_shared: int
    """Items that ask for two raters or more."""


def overlap_of(project: Project, *, simulated: bool) -> Overlap:
    return counted(project, f"overlap-{simulated}", lambda: count_overlap(project, SIMULATED if simulated else PEOPLE))


def count_overlap(project: Project, origin: str) -> Overlap:
    rows = finished(project).filter(origin__in=ALIKE[Feedback.Origin(origin)], task__purpose__in=SHARED).order_by()
    by_item = rows.values("task_id", "task__wanted").annotate(n=Count("annotator_id", distinct=True))
    found = [(wanted, n) for wanted, n in by_item.values_list("task__wanted", "n")]
    return Overlap(
        rows.values("annotator_id").distinct().count(), len(found), sum(n > 1 for _, n in found),
        sum(wanted > 1 for wanted, _ in found),
    )  # fmt: skip


def agreement(project: Project, *, seed: int = 0) -> Figure:
    """Krippendorff's alpha (nominal, sides) with a bootstrap interval over tasks.

    Of people where enough tasks have several of them, else of whoever shares more tasks; never of both together. The
    figure that the page Quality has for "which is better" in all languages.
    """
    return counted(project, f"agreement-{seed}", lambda: compute_agreement(project, seed=seed))


def compute_agreement(project: Project, *, seed: int) -> Figure:
    people, simulated = side_counts(project, PEOPLE), []
    if len(people) < ENOUGH_TASKS:
        simulated = side_counts(project, SIMULATED)
    if len(simulated) > len(people):
        return replace(alpha_with_interval(simulated, seed=seed), simulated=True)
    return alpha_with_interval(people, seed=seed)


def alpha_with_interval(units: Sequence[tuple[int, ...]], *, seed: int = 0) -> Figure:
    """Nominal alpha of `units`, each how often its values were chosen; None where only one value was ever used."""
    found = alpha(from_counts(units), draws=BOOTSTRAP, seed=seed)
    return Figure(found.value, found.low, found.high, found.n)
