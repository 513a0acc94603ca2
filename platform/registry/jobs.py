"""The life of a job: asked for, claimed, kept alive, ended. PostgreSQL is the truth, Celery only rings the bell.

People ask through request_job, request_cancel and resume_job. A worker claims, then carries its attempt in
every write, so that one which was paused past its lease is refused. Times are the database's, because the
clocks of several machines differ.
"""

import json
import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import celery
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Now, Substr

from accounts.models import Project, User, record_audit
from registry import chains, order
from registry.events import LogEntry as LogEntry
from registry.events import MetricPoint as MetricPoint
from registry.events import Progress as Progress
from registry.events import store_events as store_events
from registry.models import Job, JobAfter, JobLogLine, Sweep
from registry.specs import SPECS, Spec, SpecError, parse

logger = logging.getLogger(__name__)

RING_AGAIN_AFTER = timedelta(seconds=10)
RINGS_A_QUEUE = 4
"""At most so many messages a queue at once: while all workers are busy, messages would only pile up."""
MORE_ATTEMPTS = 3
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")


class LeaseLost(Exception):
    """The job is no longer this attempt's: it was swept, ended or given to another worker. Write nothing."""


class CannotResume(ValueError):
    """Only jobs that failed or were cancelled can be resumed."""


@dataclass(frozen=True)
class Renewal:
    """What a heartbeat learned. `stop`: the job shall end, `kill`: at once. `published`: it has succeeded."""

    ours: bool
    stop: bool = False
    kill: bool = False
    published: bool = False


# What people ask for


def request_job(
    *,
    project: Project,
    kind: str,
    params: dict[str, Any],
    user: User | None,
    priority: int = 0,
    cloned_from: Job | None = None,
    name: str = "",
    request_key: uuid.UUID | None = None,
    after: Sequence[Job] = (),
    sweep: Sweep | None = None,
) -> Job:
    """Queue a job named `<prefix>-<number>`, or `name`. Raises SpecError with a sentence for each wrong setting.

    It starts when those in `after`, and those that have yet to make what its settings name, have succeeded.

    A form that is sent twice carries the same `request_key` and gets the same job. Sent with other settings (after
    the browser's Back, say) it is a new wish.

    Succeeds while the broker is down: the row waits, and tend_jobs rings for it later.
    """
    if kind not in SPECS:
        raise SpecError({"": f"There is no kind of job {kind!r}. Known kinds are {', '.join(SPECS)}."})
    if name and not NAME.fullmatch(name):
        raise SpecError({"name": f"The name {name!r} cannot be used. Take small letters, digits and hyphens."})
    spec = parse(SPECS[kind].spec, params)
    wish = _wish(request_key, project, kind, spec) if request_key else None
    with transaction.atomic():
        # Names are counted one request at a time. NO KEY: rows that refer to the project can still be written.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if wish and (seen := Job.objects.filter(request_key=wish).first()):
            return seen
        job = Job(
            project=project,
            kind=kind,
            name=name or _next_name(project, SPECS[kind].prefix),
            params=spec.model_dump(mode="json"),
            queue=queue_of(kind),
            priority=priority,
            created_by=user,
            cloned_from=cloned_from,
            request_key=wish,
            sweep=sweep,
        )
        before = [*after, *chains.predecessors(project, spec)]
        try:
            with transaction.atomic():
                job.save()
        except IntegrityError as error:
            raise SpecError({"name": f"There is a job {job.name} already. Choose another name."}) from error
        chains.link(job, before)
        _ring_on_commit(job)
        source = {"cloned_from": cloned_from.name} if cloned_from else {}
        record_audit(actor=user, action="job.launched", project=project, target=job.name, kind=kind, **source)
    return job


def _wish(form: uuid.UUID, project: Project, kind: str, spec: Spec) -> uuid.UUID:
    """The key of what a form asks for: the same form with the same settings has the same."""
    settings_in_order = json.dumps(spec.model_dump(mode="json"), sort_keys=True)
    return uuid.uuid5(form, f"{project.pk} {kind} {settings_in_order}")


def _next_name(project: Project, prefix: str) -> str:
    numbered = project.jobs.filter(name__regex=rf"^{re.escape(prefix)}-[0-9]{{1,9}}$")
    number = Cast(Substr("name", len(prefix) + 2), BigIntegerField())
    last = numbered.aggregate(last=Max(number))["last"] or 0
    return f"{prefix}-{last + 1}"


def queue_of(kind: str) -> str:
    """The kind's own queue; PALATE_TRAIN_QUEUE sends what would run on `cpu` elsewhere, for example to `gpu`."""
    queue = SPECS[kind].queue
    return (settings.JOB_TRAIN_QUEUE or queue) if queue == "cpu" else queue


def request_cancel(job: Job, user: User | None) -> Job:
    """End a queued job at once; ask a running one to save and stop. A finished one is left as it is."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        if job.status == Job.Status.QUEUED:
            _write(job, status=Job.Status.CANCELLED, finished_at=Now(), cancel_requested_at=Now())
        elif job.status == Job.Status.RUNNING and job.cancel_requested_at is None:
            _write(job, cancel_requested_at=Now())
        else:
            return job
        record_audit(actor=user, action="job.cancelled", project=job.project, target=job.name)
    return job


def request_kill(job: Job, user: User | None) -> Job:
    """End a running job at once, without a last checkpoint. One that does not run is left as it is."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        if job.status == Job.Status.RUNNING and job.kill_requested_at is None:
            _write(job, kill_requested_at=Now(), cancel_requested_at=job.cancel_requested_at or Now())
            record_audit(actor=user, action="job.killed", project=job.project, target=job.name)
    return job


def set_priority(job: Job, user: User | None, priority: int) -> Job:
    """Let a queued job start sooner (higher) or later. Anything else is left as it is."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        if job.status == Job.Status.QUEUED and job.priority != priority:
            was = job.priority
            _write(job, priority=priority)
            record_audit(
                actor=user, action="job.prioritised", project=job.project, target=job.name, was=was, now=priority
            )
    return job


def resume_job(job: Job, user: User | None) -> Job:
    """Queue a failed or cancelled job again; it goes on from its newest checkpoint. Raises CannotResume."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        if job.status not in (Job.Status.FAILED, Job.Status.CANCELLED):
            raise CannotResume(f"{job.name} is {job.status}. Only a failed or cancelled job can be resumed.")
        _write(
            job,
            status=Job.Status.QUEUED,
            max_attempts=F("attempt") + MORE_ATTEMPTS,
            cancel_requested_at=None,
            kill_requested_at=None,
            finished_at=None,
            error="",
        )
        _ring_on_commit(job)
        record_audit(actor=user, action="job.resumed", project=job.project, target=job.name)
    return job


# What workers write


def claim(queue: str, worker: str) -> Job | None:
    """Take the next job of the queue (see registry.order) and start its next attempt. None if none can start."""
    with transaction.atomic():
        pk = order.lock_next(queue)
        if pk is None:
            return None
        job = Job.objects.select_related("project").get(pk=pk)
        _write(
            job,
            status=Job.Status.RUNNING,
            attempt=F("attempt") + 1,
            worker=worker[:120],
            lease_until=_lease_end(),
            started_at=Now(),
            progress_done=0,
            progress_total=0,
            progress_text="",
            error="",
        )
    return job


def renew(job: Job, progress: Progress | None = None) -> Renewal:
    """Keep the lease, store progress, and learn whether the job is still this attempt's and should stop.

    A row that stays locked raises OperationalError after two seconds, as an unreachable database does: the
    caller must stay able to end a child that hangs while it publishes.
    """
    shown: dict[str, Any] = {}
    if progress is not None:
        shown = {
            "progress_done": progress.done,
            "progress_total": progress.total,
            "progress_text": progress.text[:200],
        }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
        ours = _running(job).update(lease_until=_lease_end(), **shown) == 1
        row = (
            Job.objects.filter(pk=job.pk, attempt=job.attempt)
            .values("status", "cancel_requested_at", "kill_requested_at")
            .first()
        )
    if ours and row:
        stop, kill = row["cancel_requested_at"] is not None, row["kill_requested_at"] is not None
        return Renewal(ours=True, stop=stop, kill=kill)
    return Renewal(ours=False, published=row is not None and row["status"] == Job.Status.SUCCEEDED)


@contextmanager
def publish(job: Job) -> Iterator[dict[str, Any]]:
    """One transaction that creates the job's results and says that it succeeded; yields its `result`.

    Raises LeaseLost before anything is created if the job is no longer this attempt's. The row stays locked
    meanwhile, so neither a sweep nor another worker can take the job between the results and the status.
    """
    with transaction.atomic():
        if not _running(job).select_for_update(no_key=True).exists():
            raise LeaseLost(f"{job.name} is no longer run by attempt {job.attempt}.")
        result: dict[str, Any] = {}
        yield result
        _write(
            job,
            status=Job.Status.SUCCEEDED,
            result=result,
            lease_until=None,
            finished_at=Now(),
        )
        for released in chains.released_by(job):
            _ring_on_commit(released)


def finish(job: Job, status: Job.Status, error: str = "") -> bool:
    """End the attempt as failed or cancelled; False if the job is no longer this attempt's."""
    if status not in (Job.Status.FAILED, Job.Status.CANCELLED):
        raise ValueError(f"finish() ends jobs as failed or cancelled, not {status}; success is published.")
    return _running(job).update(status=status, error=error, lease_until=None, finished_at=Now()) == 1


def retry(job: Job, reason: str) -> bool:
    """Queue the job again after its attempt died, or fail it when no attempt is left; False if not ours.

    `reason` is a sentence for the log, and for job.error when it is the last.
    """
    return _end_attempt(_running(job), reason=reason, counts=True)


def release(job: Job) -> bool:
    """Give a job back because its worker shuts down. The attempt does not count; False if not ours."""
    reason = f"Worker {job.worker} was shut down. The job goes on with another."
    return _end_attempt(_running(job), reason=reason, counts=False)


# What tend_jobs does every few seconds


def ring_waiting() -> int:
    """Ring for queued jobs that nobody took: their message was lost, or all workers are busy. Counts messages."""
    waiting = Job.objects.filter(status=Job.Status.QUEUED)
    rung = 0
    for queue in list(waiting.order_by("queue").values_list("queue", flat=True).distinct()):
        with transaction.atomic():
            unanswered = Q(rung_at=None) | Q(rung_at__lt=Now() - RING_AGAIN_AFTER)
            held = JobAfter.objects.filter(job=OuterRef("pk")).exclude(before__status=Job.Status.SUCCEEDED)
            due = waiting.filter(unanswered, ~Exists(held), queue=queue).order_by("-priority", "id")
            rows = list(due.select_for_update(skip_locked=True, no_key=True)[:RINGS_A_QUEUE])
            Job.objects.filter(pk__in=[job.pk for job in rows]).update(rung_at=Now())
        for job in rows:
            if not ring(job.pk, job.queue):
                return rung
            rung += 1
    return rung


def sweep() -> int:
    """Take jobs from workers that were not heard of for a whole lease. Counts them."""
    expired = Job.objects.filter(status=Job.Status.RUNNING, lease_until__lt=Now())
    swept = 0
    for pk, worker in list(expired.values_list("pk", "worker")):
        reason = f"Worker {worker} was not heard of for {settings.JOB_LEASE_SECONDS:g} seconds."
        swept += _end_attempt(expired.filter(pk=pk), reason=reason, counts=True)
    return swept


def ring(job_id: int, queue: str) -> bool:
    """Send the message that makes a worker look; False, with a warning, if the broker cannot be reached."""
    app = celery.current_app
    # Without a bound, kombu waits for a broker that is down for as long as it is down.
    quickly = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "socket_connect_timeout": 2}
    options = {**app.conf.broker_transport_options, **quickly}
    try:
        with app.connection_for_write(transport_options=options) as broker:
            app.send_task(
                "workers.run_job", args=[job_id], queue=queue, ignore_result=True, connection=broker, retry=False
            )
    except Exception as error:  # whatever a broker's client raises: the row waits and is rung for again
        logger.warning("No message was sent for job %s, it will be rung for later: %s", job_id, error)
        return False
    return True


# Inside


def _running(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, attempt=job.attempt, status=Job.Status.RUNNING)


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _write(job: Job, **values: Any) -> None:
    """Write columns of a row that this transaction has locked, and show them on `job`."""
    Job.objects.filter(pk=job.pk).update(**values)
    job.refresh_from_db(fields=list(values))


def _ring_on_commit(job: Job) -> None:
    _write(job, rung_at=Now())
    transaction.on_commit(partial(ring, job.pk, job.queue))


def _end_attempt(rows: QuerySet[Job], *, reason: str, counts: bool) -> bool:
    """Queue the one job in `rows` again, unless someone cancelled it or it has no attempt left."""
    with transaction.atomic():
        # A locked row is being published or renewed at this moment: the caller must wait, a sweep comes again.
        job = rows.select_for_update(no_key=True).first()
        if job is None:
            return False
        JobLogLine.objects.create(job=job, attempt=job.attempt, at=Now(), level="warning", text=reason)
        if job.cancel_requested_at is not None:
            _write(job, status=Job.Status.CANCELLED, finished_at=Now(), lease_until=None)
        elif counts and job.attempt >= job.max_attempts:
            error = f"{reason} That was attempt {job.attempt} and none is left. Resume the job to try again."
            _write(job, status=Job.Status.FAILED, error=error, finished_at=Now(), lease_until=None)
        else:
            extra = 0 if counts else 1
            _write(job, status=Job.Status.QUEUED, max_attempts=F("max_attempts") + extra, lease_until=None)
            _ring_on_commit(job)
    return True
