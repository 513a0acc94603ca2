"""Set the place of every work task of a project that is not done, in the database and in small steps.

`place` is minus the priority plus u, u in [0, 1): a higher priority always comes first. Where a sampler knows a value
of a task, u grows with it in [0, 0.5); tasks that nothing is known about follow in random order, u in [0.5, 1). Equal
values are in random order too.

People go on working meanwhile. A step is one short transaction over a range of ids, and takes only rows
that nobody holds (SKIP LOCKED): it never waits for a lock, so it can be part of no deadlock, whatever others lock in
which order. Rows that somebody held are tried again at the end; a task that is held then too keeps its old place.

Gold and test tasks keep their places: everybody gets them in the same order.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Max, Min, QuerySet

from accounts.models import Project
from annotate.models import Task

Tell = Callable[[int, int], None]
"""Called with (done, total) after each step, outside its transaction; may raise to stop."""

NARROWEST, WIDEST = 100, 2_000
"""Ids a step. In a small project a step holds a twentieth of the tasks, so that who asks for one still gets one."""
TRIES = 3
PAUSE = 0.2
"""Seconds before rows that somebody held are tried again."""
DRAWN = 20_000
"""Of more tasks than this a share is estimated from a random draw."""


@dataclass(frozen=True)
class Known:
    """What a sampler knows of tasks: a query `SELECT task_id, value` over the table `due` (id), at most a row a task.

    The value is at least 0, and a smaller one comes sooner; NULL, NaN and infinity are not known.
    """

    sql: str
    params: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    """Where the values come from, as a sentence for the person who chose the sampler."""


@dataclass(frozen=True)
class Readiness:
    """Of `tasks` that are not done, how many something is known about. `exact`: counted, not estimated from a draw."""

    known: int
    tasks: int
    exact: bool = True
    source: str = ""
    """Where the values come from, as a sentence; empty where there are none."""


RANGE = "id > %(low)s AND id <= %(high)s"
LISTED = "id = ANY(%(ids)s)"
DUE = """
WITH due AS MATERIALIZED (
    SELECT id FROM annotate_task WHERE project_id = %(project)s AND {which} AND answered < wanted AND purpose = 'work'
)
"""
# Apart from the update: no row is held while the values are worked out, and the planner knows how many there are. In
# one statement it takes them for a handful and compares each with each.
VALUES = """
SELECT coalesce(array_agg(task_id), '{}'), coalesce(array_agg(value), '{}')
FROM ({known}) AS found WHERE value >= 0 AND value < 'infinity'
"""
# `held` looks at answered again: a row that changed since `due` read it is judged by what it is now.
UPDATE = """
, held AS MATERIALIZED (
    SELECT id FROM annotate_task WHERE id IN (SELECT id FROM due) AND answered < wanted
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), placed AS (
    UPDATE annotate_task AS task
    SET place = {priority} + CASE
        WHEN known.value IS NOT NULL THEN 0.5 * known.value / (1 + known.value) + 1e-9 * random()
        ELSE {unknown}
    END
    FROM held LEFT JOIN unnest(%(tasks)s::bigint[], %(values)s::float8[]) AS known (task_id, value)
        ON known.task_id = held.id
    WHERE task.id = held.id
    RETURNING task.id, known.value IS NOT NULL AS knew
)
SELECT (SELECT count(*) FROM placed), (SELECT count(*) FROM placed WHERE knew),
       ARRAY(SELECT id FROM due EXCEPT SELECT id FROM placed)
"""
SHARE = """
SELECT (SELECT count(*) FROM due),
       (SELECT count(*) FROM ({known}) AS found WHERE value >= 0 AND value < 'infinity')
"""


def unheard(done: int, total: int) -> None:
    """For who does not ask how far it is."""


def waiting(project: Project) -> QuerySet[Task]:
    """Work tasks that are not done. One that is in somebody's hands is among them: it may come back to the queue."""
    return Task.objects.filter(project=project, purpose=Task.Purpose.WORK, answered__lt=F("wanted"))


@dataclass(frozen=True)
class Span:
    """The work tasks of a project that are not done: how many, and between which ids."""

    total: int
    first: int
    last: int


def span_of(project: Project) -> Span:
    found = waiting(project).aggregate(total=Count("pk"), first=Min("pk"), last=Max("pk"))
    return Span(found["total"], found["first"] or 0, found["last"] or 0)


def place(
    project: Project, *, known: Known | None = None, shuffle: bool = False, priority: bool = True, tell: Tell = unheard
) -> tuple[int, int]:
    """Place all work tasks of the project that are not done; returns (how many, how many of them by a value).

    `shuffle`: nothing needs to be known, u is random over all of [0, 1).
    """
    update = UPDATE.replace("{priority}", "-task.priority::float8" if priority else "0")
    update = update.replace("{unknown}", "random()" if shuffle else "0.5 + 0.5 * random()")
    params = {"project": project.pk, **(known.params if known else {})}
    span = span_of(project)
    if not span.total:
        return 0, 0
    low, last = span.first - 1, span.last
    width = min(max((last - low) // 20, NARROWEST), WIDEST)
    placed = knew = 0
    missed: list[int] = []
    while low < last:
        one, two, skipped = step(known, update, RANGE, {**params, "low": low, "high": low + width})
        placed, knew, low = placed + one, knew + two, low + width
        missed += skipped
        if not one and not skipped:
            low = next_after(project, low, last)
        tell(min(placed, span.total), span.total)
    for _ in range(TRIES if missed else 0):
        time.sleep(PAUSE)
        tried, missed = missed, []
        for start in range(0, len(tried), NARROWEST):
            one, two, skipped = step(known, update, LISTED, {**params, "ids": tried[start : start + NARROWEST]})
            placed, knew = placed + one, knew + two
            missed += skipped
        if not missed:
            break
    return placed, knew


def step(known: Known | None, update: str, which: str, params: dict[str, Any]) -> tuple[int, int, list[int]]:
    """One step over the tasks of `which`. Returns (how many were placed, how many by a value, ids that were held)."""
    due = DUE.replace("{which}", which)
    tasks: list[int] = []
    values: list[float] = []
    with connection.cursor() as cursor:
        if known:
            cursor.execute(due + VALUES.replace("{known}", known.sql), params)
            tasks, values = cursor.fetchone()
        with transaction.atomic():
            cursor.execute(due + update, {**params, "tasks": tasks, "values": values})
            placed, knew, skipped = cursor.fetchone()
    return placed, knew, skipped


def next_after(project: Project, low: int, last: int) -> int:
    """Leap over ids of other projects."""
    following = waiting(project).filter(pk__gt=low).order_by("pk").values_list("pk", flat=True).first()
    return last if following is None else following - 1


def readiness(project: Project, known: Known | None, span: Span) -> Readiness:
    """Of how many tasks that are not done a sampler knows something. Quick at any size: of many, some are drawn."""
    total = span.total
    if known is None or not total:
        return Readiness(0, total)
    share = SHARE.replace("{known}", known.sql)
    params = {"project": project.pk, **known.params}
    if total <= DRAWN:
        return Readiness(counted(DUE.replace("{which}", "true") + share, params)[1], total, source=known.source)
    ids = drawn(span)
    seen, found = counted(DUE.replace("{which}", LISTED) + share, {**params, "ids": ids})
    return Readiness(round(total * found / max(seen, 1)), total, exact=False, source=known.source)


def drawn(span: Span) -> Sequence[int]:
    """So many random ids that about DRAWN / 4 of them are tasks of the project, if its tasks lie close enough."""
    ids = range(span.first, span.last + 1)
    wished = DRAWN // 4 * max(len(ids) // span.total, 1)
    return random.sample(ids, min(wished, 20 * DRAWN, len(ids)))


def counted(statement: str, params: dict[str, Any]) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        seen, found = cursor.fetchone()
    return seen, found
