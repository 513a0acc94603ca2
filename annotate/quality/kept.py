"""Figures that cost seconds in a large project, kept until the answers that they are made of change."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.core.cache import cache
from django.db.models import Count, Max
from django.utils import timezone

from accounts.models import Project
from annotate.models import Feedback, Task

LARGE = 20_000
"""From so many tasks or answers on, what is shown may be STALE old: counting anew would take longer than a page may."""
STALE = timedelta(minutes=1)
KEPT_FOR = 3600
T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    value: T
    at: datetime
    stamp: tuple[object, ...]


def kept(project: Project, name: str, compute: Callable[[], T]) -> Kept[T]:
    """`compute()`, or what it returned for the same answers; in large projects also for those of a minute ago."""
    key = f"kept:{name}:{project.pk}"
    stamp = stamp_of(project)
    found: Kept[T] | None = cache.get(key)
    if found and (found.stamp == stamp or (is_many(stamp) and timezone.now() - found.at < STALE)):
        return found
    fresh = Kept(compute(), timezone.now(), stamp)
    cache.set(key, fresh, KEPT_FOR)
    return fresh


def stamp_of(project: Project) -> tuple[object, ...]:
    """Changes with each new answer and with each that is taken back."""
    seen = Feedback.objects.filter(project=project).aggregate(n=Count("pk"), newest=Max("pk"), back=Max("withdrawn_at"))
    return (seen["n"], seen["newest"], seen["back"])


def is_many(stamp: tuple[object, ...]) -> bool:
    return isinstance(stamp[0], int) and stamp[0] >= LARGE


def counted(project: Project, name: str, compute: Callable[[], T]) -> T:
    """`compute()`, which counts the project's tasks or answers. Up to a minute old where there are many, else exact."""
    if not is_large(project):
        return compute()
    key = f"counted:{name}:{project.pk}"
    found = cache.get(key)
    if found is None:
        found = (compute(),)
        cache.set(key, found, STALE.total_seconds())
    value: T = found[0]
    return value


def is_large(project: Project) -> bool:
    """Whether the project has LARGE tasks. Looks at no more of them than that; a large one stays large for an hour."""
    key = f"large:{project.pk}"
    known: bool | None = cache.get(key)
    if known is None:
        rows = Task.objects.filter(project=project).order_by()
        known = rows[LARGE : LARGE + 1].values("project_id").exists()
        # A small one that grows is counted in full a minute longer, which is slow and not wrong.
        cache.set(key, known, KEPT_FOR if known else STALE.total_seconds())
    return known
