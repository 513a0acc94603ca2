"""Pytest plugin, loaded before Django's settings: one real PostgreSQL and one real Redis for the test run.

Started once, by the process that pytest was started in; its xdist workers inherit the addresses. Services that the
environment already names are used as they are.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from config import embedded

ROOT = "PALATE_TEST_ROOT"


def start() -> None:
    folder = Path(tempfile.mkdtemp(prefix="palate-tests-"))
    os.environ[ROOT] = str(folder)
    # atexit runs in reverse: the folder goes last, after the servers that live in it.
    atexit.register(remove, folder, os.getpid())
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = embedded.postgres(folder, extra=embedded.FAST_AND_FORGETFUL)
        embedded.clean_up_after(folder)
    if not os.environ.get("CELERY_BROKER_URL"):
        broker = embedded.redis(folder)
        os.environ["CELERY_BROKER_URL"] = broker.__enter__()
        atexit.register(stop, broker, os.getpid())


def separate(worker: str) -> None:
    """Each xdist worker has its own folder and its own Redis database; pytest-django names its own database."""
    os.environ["PALATE_HOME"] = str(Path(os.environ[ROOT]) / worker)
    Path(os.environ["PALATE_HOME"]).mkdir(exist_ok=True)
    os.environ["SECRET_KEY"] = "for tests only"
    if worker.startswith("gw") and os.environ["CELERY_BROKER_URL"].startswith("redis+socket:"):
        address = os.environ["CELERY_BROKER_URL"].partition("?")[0]
        os.environ["CELERY_BROKER_URL"] = f"{address}?virtual_host={int(worker[2:]) + 1}"


def stop(broker: object, pid: int) -> None:
    if os.getpid() == pid:
        broker.__exit__(None, None, None)  # type: ignore[attr-defined]


def remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if not WORKER:
    start()
separate(WORKER or "main")
