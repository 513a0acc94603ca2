"""The worker's side of one attempt: start a child, keep its lease, store what it says, and see to its end.

One thread does all of it, in short steps that never wait for the child. Of the job's row it writes nothing
once the lease is lost.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from registry import jobs
from registry.models import Job
from workers import accelerate_config, presence
from workers.endings import Ending, read_ending
from workers.errors import JobError
from workers.inbox import Inbox
from workers.processes import Child, oom_kills

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.2
BEAT_SECONDS = 1.0
UNREACHABLE = (OperationalError, InterfaceError)


def never() -> bool:
    return False


class Supervisor:
    """Supervises one claimed job. `shutting_down` tells whether the worker was asked to end."""

    def __init__(self, job: Job, *, shutting_down: Callable[[], bool] = never) -> None:
        self.job = job
        self.shutting_down = shutting_down
        self.inbox = Inbox()
        self.lost = False
        self.cancelled = False
        self.killed = False
        self.published = False
        self._lease_end = time.monotonic() + settings.JOB_LEASE_SECONDS
        self._next_beat = 0.0
        self._stop_by: float | None = None
        """When the child was to have stopped by itself; then comes SIGTERM, and a grace later SIGKILL."""
        self._terminated = False
        self.spread = False
        """Whether the child is a launcher of several processes, in sessions of their own."""
        self._oom_kills = oom_kills()

    def run(self) -> None:
        """Returns when the child and all that it started have ended, and the row says what came of it."""
        try:
            self.child = Child(self._command(), device=settings.JOB_DEVICE)
        except JobError as error:
            jobs.finish(self.job, Job.Status.FAILED, str(error))
            return
        except OSError as error:
            jobs.retry(self.job, f"The worker could not start a process: {error.strerror}.")
            return
        self._pipes = {self.child.output: self.inbox.take_output, self.child.events: self.inbox.take_events}
        try:
            while self.child.exit_code is None:
                self._step()
            # What a child leaves behind may hold the device: the job is over when all of it is gone.
            while self.child.signal(signal.SIGKILL):
                self._step()
            self._read()
            self.inbox.close()
        finally:
            self.child.signal(signal.SIGKILL)
            self.child.close()
        self._settle()

    def _command(self) -> list[str]:
        self.spread = accelerate_config.devices_of(self.job) > 1
        gpus = accelerate_config.visible(len(presence.gpus()), settings.JOB_DEVICE) if self.spread else 0
        return accelerate_config.command_of(self.job, settings.JOB_RUNNER, gpus=gpus)

    # While the child runs

    def _step(self) -> None:
        self._read(patience=STEP_SECONDS)
        if self.inbox.sync_asked or time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + min(settings.JOB_LEASE_SECONDS / 3, BEAT_SECONDS)
            self._beat()
        if self.lost or self.killed:
            self.child.signal(signal.SIGKILL)
        elif self._should_stop():
            self._press()

    def _read(self, *, patience: float = 0.0) -> None:
        """Take what the child wrote; wait up to `patience` seconds for something."""
        ready, _, _ = select.select(list(self._pipes), [], [], patience)
        for pipe in ready:
            # Bounded, so that a child that never stops talking cannot keep its lease from being renewed.
            for _ in range(64):
                try:
                    data = os.read(pipe, 65536)
                except BlockingIOError:
                    break
                if not data:
                    del self._pipes[pipe]
                    break
                self._pipes[pipe](data)

    def _beat(self) -> None:
        """Renew the lease and store events. While the database is away the child goes on as long as it may."""
        if self.spread:
            self.child.notice()
        begun = time.monotonic()
        try:
            renewal = jobs.renew(self.job, self.inbox.progress)
            self.published = renewal.published
            self.lost = not (renewal.ours or renewal.published)
            if renewal.ours:
                self._lease_end = begun + settings.JOB_LEASE_SECONDS
                self.cancelled, self.killed = renewal.stop, renewal.kill
                self.child.order(f"lease {settings.JOB_LEASE_SECONDS}")
            if not self.lost:
                self._store()
                self._answer_sync()
        except UNREACHABLE as error:
            connection.close()
            if time.monotonic() > self._lease_end:
                self.lost = True
            logger.warning("%s: the lease could not be renewed: %s", self.job, error)
        if self.lost:
            logger.warning("%s: attempt %s lost its lease and writes nothing more.", self.job, self.job.attempt)

    def _store(self) -> None:
        inbox = self.inbox
        if inbox.metrics or inbox.lines or inbox.samples:
            self.lost = not jobs.store_events(self.job, metrics=inbox.metrics, lines=inbox.lines, samples=inbox.samples)
            inbox.clear()

    def _answer_sync(self) -> None:
        if self.inbox.sync_asked:
            self.inbox.sync_asked = False
            self.child.order("synced")

    def _should_stop(self) -> bool:
        over = self.published or self.inbox.ending is not None
        return over or self.cancelled or self.shutting_down()

    def _press(self) -> None:
        """Ask the child to stop; after each grace ask in stronger words."""
        now, grace = time.monotonic(), settings.JOB_STOP_GRACE_SECONDS
        if self._stop_by is None:
            self._stop_by = now + grace
            self.child.order("stop")
        elif now >= self._stop_by:
            signum = signal.SIGKILL if self._terminated else signal.SIGTERM
            self.inbox.add_line(
                f"It did not stop within {grace:g} seconds and was sent {signum.name}.", level="warning"
            )
            self.child.signal(signum)
            self._terminated = True
            self._stop_by = now + grace

    # When it has ended

    def _settle(self) -> None:
        """Write what came of the attempt, trying again for as long as the lease lasts."""
        traceback_line = self._add_traceback()
        while not self.lost:
            begun = time.monotonic()
            try:
                renewal = jobs.renew(self.job, self.inbox.progress)
                if renewal.ours:
                    self._lease_end = begun + settings.JOB_LEASE_SECONDS
                if renewal.ours or renewal.published:
                    self._store()
                if renewal.ours:
                    self._write(self._read_ending(cancelled=renewal.stop, traceback_line=traceback_line))
                return
            except UNREACHABLE as error:
                connection.close()
                logger.warning("%s: its end could not be written yet: %s", self.job, error)
                if time.monotonic() > self._lease_end:
                    return
                time.sleep(STEP_SECONDS)

    def _add_traceback(self) -> int:
        if self.inbox.ending and (text := self.inbox.ending.get("traceback")):
            self.inbox.add_line(str(text), level="error")
        return self.inbox.lines_seen

    def _read_ending(self, *, cancelled: bool, traceback_line: int) -> Ending:
        exit_code = self.child.exit_code or 0
        if self.spread and exit_code > 0:
            # The launcher says 1 whatever happened. A process that fails by itself leaves words: this one was killed.
            exit_code = -signal.SIGKILL
        return read_ending(
            self.inbox.ending,
            exit_code=exit_code,
            cancelled=cancelled,
            shutting_down=self.shutting_down(),
            out_of_memory=not self._terminated and oom_kills() > self._oom_kills,
            traceback_line=traceback_line,
        )

    def _write(self, ending: Ending) -> None:
        logger.info("%s: attempt %s: %s %s", self.job, self.job.attempt, ending.act, ending.sentence)
        match ending.act:
            case "failed":
                jobs.finish(self.job, Job.Status.FAILED, ending.sentence)
            case "cancelled":
                jobs.finish(self.job, Job.Status.CANCELLED)
            case "retry":
                jobs.retry(self.job, ending.sentence)
            case "release":
                jobs.release(self.job)
