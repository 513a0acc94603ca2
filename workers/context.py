"""What a job is given to work with: where to write, whom to tell, and when to stop."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import close_old_connections

from registry import jobs
from registry.events import LONGEST_SAMPLE
from registry.models import Job
from workers import checkpoints
from workers.errors import Stopped

Send = Callable[[dict[str, Any]], None]


def _unheard(event: dict[str, Any]) -> None:
    """Where events go when nobody supervises, as in a test of one kind of job."""


def _at_once() -> None:
    """Nothing to wait for."""


class JobContext:
    """Handed to `run(context, spec)` of every kind of job.

    Nothing here waits for the database except `publish`: events go through a pipe to the supervisor, which
    stores them about once a second.
    """

    def __init__(
        self,
        job: Job,
        *,
        send: Send = _unheard,
        sync: Callable[[], None] = _at_once,
        stop: threading.Event | None = None,
        leads: bool = True,
    ) -> None:
        self.job = job
        self.leads = leads
        """Whether this process speaks for the job: of several that train together only the first one does."""
        self._send = send
        self._sync = sync
        self._stop = stop or threading.Event()

    @property
    def attempt(self) -> int:
        return self.job.attempt

    @property
    def workdir(self) -> Path:
        """The folder of this attempt: what is published lies here, and no other attempt writes to it."""
        folder = self.job.folder / f"attempt-{self.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def device(self) -> str:
        """ "cuda" or "cpu". Imports torch."""
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Show people `done` of `total` and a few words; only the newest is kept."""
        self._send({"type": "progress", "done": int(done), "total": int(total), "text": text})

    def metrics(self, step: int, values: Mapping[str, float] | None = None, /, **named: float) -> None:
        """Add a value to each named curve: `metrics(3, loss=0.7)` or `metrics(3, {"held_out/accuracy": 0.8})`.

        A step that was sent before is replaced. Values that are not finite cannot be drawn: they become a
        warning in the log.
        """
        known = {name: float(value) for name, value in {**(values or {}), **named}.items()}
        for name, value in known.items():
            if not math.isfinite(value):
                self.log(f"{name} is {value} at step {step}.", level="warning")
        finite = {name: value for name, value in known.items() if math.isfinite(value)}
        if finite:
            self._send({"type": "metrics", "step": int(step), "values": finite, "at": time.time()})

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log. Levels are info, warning and error."""
        self._send({"type": "log", "text": text, "level": level, "at": time.time()})

    def sample(self, step: int, prompt: str, text: str) -> None:
        """Show people what the model writes to `prompt` at `step`; sent again, it is replaced.

        Of a text no more than LONGEST_SAMPLE characters are kept.
        """
        prompt, text = prompt[:LONGEST_SAMPLE], text[:LONGEST_SAMPLE]
        self._send({"type": "sample", "step": int(step), "prompt": prompt, "text": text, "at": time.time()})

    def should_stop(self) -> bool:
        """Whether someone asked the job to stop: save a checkpoint, then call `check_stop`."""
        return self._stop.is_set()

    def check_stop(self) -> None:
        """Raise Stopped if the job was asked to stop. Call it often, at least every few seconds."""
        if self.should_stop():
            raise Stopped

    def save_checkpoint(self, step: int, write: Callable[[Path], None]) -> Path:
        """Let `write(folder)` fill an empty folder and keep it as the checkpoint of `step`, whole or not at all.

        All attempts share the checkpoints; the newest two are kept.
        """
        folder = self.job.folder / "checkpoints"
        return checkpoints.save(folder, step=step, write=write, tag=f"attempt-{self.attempt}")

    def latest_checkpoint(self) -> Path | None:
        """The newest checkpoint whose files are what was saved; a torn one is skipped and named in the log."""
        for path in checkpoints.newest_first(self.job.folder / "checkpoints"):
            try:
                checkpoints.verify(path)
            except checkpoints.Torn as error:
                self.log(f"A checkpoint was skipped: {error}.", level="warning")
            else:
                return path
        return None

    def manifest_of(self, folder: Path) -> checkpoints.Manifest:
        """Size and SHA-256 of every file in `folder`, synced to disk: call it before `publish`."""
        return checkpoints.manifest_of(folder)

    @contextmanager
    def publish(self) -> Iterator[dict[str, Any]]:
        """The one transaction that makes the job's results exist and says that it succeeded.

        Create rows inside, and put what the job's page shows into the dictionary that is yielded: it becomes
        `job.result`. Keep it short: the job's row is locked. Raises registry.jobs.LeaseLost, and nothing is
        created, if the job has gone to another worker.
        """
        # Who sees that it succeeded shall see all that it said.
        self._sync()
        # A connection that was idle for hours may have been cut on the way.
        close_old_connections()
        with jobs.publish(self.job) as result:
            yield result
