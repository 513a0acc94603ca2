"""Real Celery workers for the engine's tests, and patience."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.db import connection

from registry import jobs
from registry.models import Job

PATIENCE = 120.0


class Worker:
    """A Celery worker in a process of its own. Its output is in `log`."""

    def __init__(self, folder: Path, *, queue: str, lease: float, grace: float) -> None:
        self.log = folder / f"worker-{queue}-{time.monotonic_ns()}.log"
        database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        environment = {
            **os.environ,
            "DATABASE_URL": database.geturl(),
            "DJANGO_SETTINGS_MODULE": "tests.workers.engine_settings",
            "PALATE_JOB_LEASE_SECONDS": str(lease),
            "PALATE_JOB_STOP_GRACE_SECONDS": str(grace),
            # A second thread slows the tiny model down many times over where other tests run beside.
            "OMP_NUM_THREADS": "1",
        }
        quiet = ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = [sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool", "threads", *quiet]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--concurrency", "2", "-Q", queue, "-n", f"{self.log.stem}@test"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.says(" ready."), self.log.read_text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> None:
        """Stop it and all of its children, in whatever state it is."""
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
            self.process.send_signal(signal.SIGCONT)
            self.kill()


@contextmanager
def worker(folder: Path, *, queue: str, lease: float = 30, grace: float = 1) -> Iterator[Worker]:
    started = Worker(folder, queue=queue, lease=lease, grace=grace)
    try:
        yield started
    finally:
        started.end()


def wait_for(condition: Callable[[], Any], explain: Callable[[], Any] = lambda: "") -> Any:
    """Wait until `condition()` is true, and return it."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"Waited {PATIENCE:g} seconds in vain. {explain()}")
        time.sleep(0.03)
    return value


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def log_of(job: Job) -> list[str]:
    return list(job.log_lines.values_list("text", flat=True))


def wait_until(job: Job, status: Job.Status, *, tending: bool = False) -> Job:
    """`tending` does what beat does in a running site, for where a worker that ends may swallow the message."""

    def arrived() -> bool:
        if tending:
            jobs.ring_waiting()
        job.refresh_from_db()
        assert job.status == status or not job.is_finished, (job.status, job.error, log_of(job))
        return job.status == status

    wait_for(arrived, lambda: (job.status, job.error, log_of(job)))
    return job


def wait_until_waiting(job: Job) -> None:
    """The job's code has come to where it waits to be stopped or killed."""
    wait_for(lambda: "waiting" in log_of(job), lambda: (fresh(job).status, fresh(job).error, log_of(job)))


def sweep_until_queued(job: Job) -> None:
    wait_for(jobs.sweep)
    assert fresh(job).status == Job.Status.QUEUED


def child_of(job: Job, attempt: int = 1) -> int:
    return int((job.folder / f"attempt-{attempt}" / "pid").read_text())


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
