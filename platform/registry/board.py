"""What the page of the queue shows: workers and what they hold, the line, and what waits for what."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project
from registry import chains, order
from registry.models import Job, JobAfter, Worker

LOST_AFTER = timedelta(seconds=45)
FORGOTTEN_AFTER = timedelta(hours=12)
MOST_ROWS = 200
PRIORITIES = ((20, "first"), (10, "sooner"), (0, "normal"), (-10, "later"))
DEEPEST = 6


@dataclass(frozen=True)
class Post:
    """A worker and the jobs that it runs. One that nobody knows (it wrote no row of its own) has only a name."""

    name: str
    jobs: list[Job]
    worker: Worker | None = None

    @property
    def lost(self) -> bool:
        return self.worker is not None and timezone.now() - self.worker.seen_at > LOST_AFTER

    @property
    def free(self) -> int:
        return max(self.worker.slots - len(self.jobs), 0) if self.worker else 0


@dataclass(frozen=True)
class Entry:
    """A queued or running job. `place` is 0 where it runs, or waits for something else than its turn."""

    job: Job
    place: int
    waiting: chains.Waiting | None
    late: bool
    """It runs, and its worker was not heard of for longer than its lease."""

    @property
    def priority_words(self) -> str:
        return dict(PRIORITIES).get(self.job.priority, str(self.job.priority))


@dataclass(frozen=True)
class Link:
    """A job of a chain. `depth` counts the steps before it; `after` are those that it waits for."""

    job: Job
    depth: int
    after: tuple[str, ...]
    held: bool


def posts() -> list[Post]:
    """Every worker that is there, was lost, or holds a job; by queue and name."""
    running: dict[str, list[Job]] = defaultdict(list)
    for job in Job.objects.filter(status=Job.Status.RUNNING).select_related("project").order_by("started_at"):
        running[job.worker.rpartition(" (")[0] or job.worker].append(job)
    there = Worker.objects.filter(ended_at=None, seen_at__gt=timezone.now() - FORGOTTEN_AFTER)
    known = [Post(one.name, running.pop(one.name, []), one) for one in there.order_by("queues", "name")]
    return known + [Post(name, jobs) for name, jobs in sorted(running.items())]


def entries() -> tuple[list[Entry], int]:
    """(what runs, then the line of each queue, then what waits for something else; how many more there are)."""
    now = timezone.now()
    running = list(_jobs(Job.objects.filter(status=Job.Status.RUNNING)).order_by("queue", "started_at"))
    queued = Job.objects.filter(status=Job.Status.QUEUED)
    places = {}
    for queue in queued.order_by("queue").values_list("queue", flat=True).distinct():
        places.update(order.places(queue))
    shown = sorted(places, key=lambda pk: places[pk])[:MOST_ROWS]
    in_line = {job.pk: job for job in _jobs(Job.objects.filter(pk__in=shown))}
    blocked = list(
        _jobs(queued.exclude(pk__in=list(places)) if len(places) <= MOST_ROWS else queued.none())[:MOST_ROWS]
    )
    waiting = chains.waiting_of(blocked)
    found = [Entry(job, 0, None, job.lease_until is not None and job.lease_until < now) for job in running]
    found += [Entry(in_line[pk], places[pk], None, False) for pk in shown if pk in in_line]
    found += [Entry(job, 0, waiting.get(job.pk), False) for job in blocked]
    return found, queued.count() + len(running) - len(found)


def _jobs(rows: QuerySet[Job]) -> QuerySet[Job]:
    return rows.select_related("project", "created_by").order_by("pk")


def chains_of(project: Project) -> list[list[Link]]:
    """The chains of the project in which something has yet to run: every job after those that it waits for."""
    open_edges = JobAfter.objects.filter(job__project=project, job__status__in=chains.UNFINISHED)
    edges = list(open_edges.select_related("job__project", "before__project").order_by("job_id", "before_id"))
    return [in_order(group) for group in connected(edges)][:MOST_ROWS]


def connected(edges: Iterable[JobAfter]) -> list[list[JobAfter]]:
    """Edges that hang together, in the order of their first job."""
    group_of: dict[int, int] = {}

    def root(pk: int) -> int:
        while group_of.setdefault(pk, pk) != pk:
            pk = group_of[pk]
        return pk

    edges = list(edges)
    for edge in edges:
        one, other = root(edge.job_id), root(edge.before_id)
        group_of[max(one, other)] = min(one, other)
    found: dict[int, list[JobAfter]] = defaultdict(list)
    for edge in edges:
        found[root(edge.job_id)].append(edge)
    return [found[pk] for pk in sorted(found)]


def in_order(edges: list[JobAfter]) -> list[Link]:
    jobs = {one.pk: one for edge in edges for one in (edge.before, edge.job)}
    before: dict[int, list[Job]] = defaultdict(list)
    for edge in edges:
        before[edge.job_id].append(edge.before)
    depth: dict[int, int] = {}
    held: dict[int, bool] = {}
    for pk in sorted(jobs):  # those before are older
        depth[pk] = max((depth[one.pk] + 1 for one in before[pk]), default=0)
        held[pk] = any(held[one.pk] or one.status in chains.ENDED_BADLY for one in before[pk])
    return [
        Link(jobs[pk], min(depth[pk], DEEPEST), tuple(one.name for one in before[pk]), held[pk])
        for pk in sorted(jobs, key=lambda pk: (depth[pk], pk))
    ]
