"""Whose turn it is: priority, then the project that runs and ran least, then age.

A job that waits for another is passed over, so it never holds up those behind it. What a project ran is the time
its newest attempts held a worker of this queue during the last hour, in whole minutes.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass

from django.db import connection

from registry.models import Job

REMEMBERED = "interval '1 hour'"

# statement_timestamp(): now() is when the transaction began, which may have waited for its turn.
USED = f"""
SELECT project_id,
       count(*) FILTER (WHERE status = 'running') AS running,
       sum(greatest(0, extract(epoch FROM least(coalesce(finished_at, statement_timestamp()), statement_timestamp())
           - greatest(started_at, statement_timestamp() - {REMEMBERED})))) AS seconds
FROM registry_job
WHERE queue = %(queue)s AND started_at IS NOT NULL
      AND (status = 'running' OR finished_at > statement_timestamp() - {REMEMBERED})
GROUP BY project_id
"""
WAITS = """
EXISTS (SELECT 1 FROM registry_jobafter edge JOIN registry_job before ON before.id = edge.before_id
        WHERE edge.job_id = job.id AND before.status <> 'succeeded')
"""
NEXT = f"""
WITH used AS MATERIALIZED ({USED})
SELECT job.id FROM registry_job job LEFT JOIN used ON used.project_id = job.project_id
WHERE job.queue = %(queue)s AND job.status = 'queued' AND NOT {WAITS}
ORDER BY job.priority DESC, coalesce(used.running, 0), floor(coalesce(used.seconds, 0) / 60), job.id
LIMIT 1 FOR NO KEY UPDATE OF job SKIP LOCKED
"""
READY = f"""
SELECT job.id, job.project_id, job.priority FROM registry_job job
WHERE job.queue = %(queue)s AND job.status = 'queued' AND NOT {WAITS}
ORDER BY job.id
"""


@dataclass(frozen=True)
class Use:
    """What one project has of a queue: jobs that run now, and seconds of workers in the last hour."""

    running: int = 0
    seconds: float = 0.0


def lock_next(queue: str) -> int | None:
    """Lock the next job of the queue and return its id. To be called inside a transaction that claims it.

    Claims of one queue come one after the other: two at once would both see the same shares, and give both
    places to one project.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"palate claim {queue}"])
        cursor.execute(NEXT, {"queue": queue})
        row = cursor.fetchone()
    return row[0] if row else None


def used(queue: str) -> dict[int, Use]:
    """{project's id: what it has of the queue}"""
    with connection.cursor() as cursor:
        cursor.execute(USED, {"queue": queue})
        return {project: Use(running, float(seconds)) for project, running, seconds in cursor.fetchall()}


def in_line(queue: str) -> list[int]:
    """Ids of the queued jobs that could start, in the order in which they would if nothing else were asked for.

    Every start counts as one more running job of its project, so projects of one priority take turns.
    """
    with connection.cursor() as cursor:
        cursor.execute(READY, {"queue": queue})
        ready = cursor.fetchall()
    shares = used(queue)
    begun: dict[int, int] = defaultdict(int)
    waiting: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for pk, project, priority in ready:
        waiting[priority][project].append(pk)
    order: list[int] = []
    for priority in sorted(waiting, reverse=True):
        heads = []
        for project, ids in waiting[priority].items():
            share = shares.get(project, Use())
            heads.append((share.running + begun[project], share.seconds // 60, ids[0], 0, project))
        heapq.heapify(heads)
        while heads:
            running, minutes, pk, place, project = heapq.heappop(heads)
            order.append(pk)
            begun[project] += 1
            ids = waiting[priority][project]
            if place + 1 < len(ids):
                heapq.heappush(heads, (running + 1, minutes, ids[place + 1], place + 1, project))
    return order


def places(queue: str) -> dict[int, int]:
    """{job's id: its place in the line, from 1}"""
    return {pk: place for place, pk in enumerate(in_line(queue), start=1)}


def ready(job: Job) -> bool:
    """Whether nothing that the job waits for is left."""
    return not Job.objects.filter(awaited_by__job=job).exclude(status=Job.Status.SUCCEEDED).exists()
