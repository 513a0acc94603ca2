"""The Celery tasks: a worker waits for its children and computes nothing itself, so its pool is of threads.

celery -A workers worker --pool threads --concurrency 1 -Q cpu
"""

import os
import socket
import time
from typing import Any

from celery import Task, shared_task, signals

from registry import jobs
from registry.models import Job
from workers import presence as presence  # it listens to the worker's signals
from workers.supervisor import Supervisor


class Shutdown:
    """Whether this worker was asked to end. A plain attribute: it is set inside a signal handler."""

    requested = False


SWEEP_SECONDS = 600.0


class Sweeping:
    """When this worker looks for old exports again, by its own clock."""

    next_at = 0.0


@signals.worker_shutting_down.connect
def begin_shutdown(**_: Any) -> None:
    Shutdown.requested = True


@shared_task(bind=True, name="workers.run_job")
def run_job(self: Task, job_id: int) -> None:
    """A bell from the queue of job `job_id`: run the next job of that queue, whichever it is, or none."""
    queue = Job.objects.filter(pk=job_id).values_list("queue", flat=True).first()
    if queue is None or Shutdown.requested:
        return
    name = self.request.hostname or socket.gethostname()
    job = jobs.claim(queue, worker=f"{name} ({os.getpid()})")
    if job is not None:
        Supervisor(job, shutting_down=lambda: Shutdown.requested).run()


@shared_task(name="workers.tend_jobs")
def tend_jobs() -> None:
    """Sweep leases that ran out and ring again for jobs that nobody took. Runs every few seconds."""
    jobs.sweep()
    jobs.ring_waiting()
    sweep_exports()


def sweep_exports() -> None:
    """Delete the files of exports that are a week old; looked for once in ten minutes."""
    if time.monotonic() < Sweeping.next_at:
        return
    Sweeping.next_at = time.monotonic() + SWEEP_SECONDS
    # Here, since it brings pyarrow, which a worker that sweeps nothing does not need.
    from exchange.exports import kept

    kept.sweep()
