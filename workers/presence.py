"""A worker says every few seconds that it is there, what it serves and what its devices hold, so that people see it.

Only for the page of the queue: whether a job is still someone's is decided by the job's lease.
"""

import contextlib
import logging
import os
import shutil
import subprocess
import threading
from datetime import timedelta
from typing import Any

import psutil
from celery import signals
from django.conf import settings
from django.db import Error, connections
from django.db.models.functions import Now

from registry.models import Worker

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
FORGOTTEN_AFTER = timedelta(days=1)
NVIDIA_SMI = ["--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits"]
MIB = 1024 * 1024


class Presence(threading.Thread):
    def __init__(self, name: str, *, queues: list[str], slots: int) -> None:
        super().__init__(name="presence", daemon=True)
        self.worker, self.queues, self.slots = name[:100], queues, slots
        self.over = threading.Event()

    def run(self) -> None:
        self.say(since=Now(), ended_at=None)
        while not self.over.wait(EVERY_SECONDS):
            self.say()

    def end(self) -> None:
        self.over.set()
        self.say(ended_at=Now())

    def say(self, **more: Any) -> None:
        """Write this worker's row; a database that is away is told of next time."""
        memory = psutil.virtual_memory()
        values = {
            "queues": self.queues, "slots": self.slots, "cores": os.cpu_count() or 0, "memory": memory.total,
            "memory_used": memory.total - memory.available, "gpus": gpus(), "seen_at": Now(), **more,
        }  # fmt: skip
        try:
            Worker.objects.update_or_create(
                name=self.worker, defaults=values, create_defaults={"since": Now(), **values}
            )
            Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()
        except Error as error:
            logger.warning("This worker could not say that it is there: %s", error)
        finally:
            connections.close_all()


def gpus() -> list[dict[str, Any]]:
    """[{name, memory, used}] in bytes, of the devices that this worker's jobs see; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if not program or "cpu" in settings.JOB_DEVICE:
        return []
    only = [f"--id={settings.JOB_DEVICE}"] if settings.JOB_DEVICE else []
    try:
        done = subprocess.run([program, *only, *NVIDIA_SMI], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [found for line in done.stdout.splitlines() if (found := gpu_of(line))]


def gpu_of(line: str) -> dict[str, Any] | None:
    """One line of nvidia-smi; devices that do not tell their memory are named all the same."""
    name, *numbers = (part.strip() for part in line.rsplit(",", 2))
    if not name or len(numbers) != 2:
        return None
    total, used = (int(number) * MIB if number.isdigit() else 0 for number in numbers)
    return {"name": name, "memory": total, "used": used}


class Here:
    """The presence of this process, while it serves."""

    presence: Presence | None = None


@signals.worker_ready.connect
def begin(sender: Any = None, **_: Any) -> None:
    app, name = sender.app, sender.hostname
    Here.presence = Presence(
        name, queues=sorted(app.amqp.queues.consume_from), slots=sender.controller.concurrency or 1
    )
    Here.presence.start()


@signals.worker_shutdown.connect
def end(**_: Any) -> None:
    if Here.presence:
        with contextlib.suppress(Exception):  # a worker that ends must end
            Here.presence.end()
