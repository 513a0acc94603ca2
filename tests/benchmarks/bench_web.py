"""What the web costs: memory of a gunicorn worker that has served pages, with the proof that torch is not in it."""

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.urls import reverse

from tests.benchmarks.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 50


def web_process_mb() -> list[Figure]:
    """Of one worker after 50 requests: RSS, and PSS (pages that processes share are divided among them)."""
    with gunicorn() as (process, address):
        for _ in range(REQUESTS):
            get(address + reverse("login"))
        workers = process.children()
        for worker in workers:
            libraries = {Path(mapped.path).name for mapped in worker.memory_maps()}
            if found := sorted(name for name in libraries if "torch" in name):
                raise RuntimeError(f"A web worker has torch loaded: {found[0]}")
        memory = [worker.memory_full_info() for worker in workers]
    return [
        Figure("web_process_rss_mb", round(statistics.median(m.rss for m in memory) / 1e6, 1), "MB"),
        Figure("web_process_pss_mb", round(statistics.median(m.pss for m in memory) / 1e6, 1), "MB"),
    ]


@contextmanager
def gunicorn() -> Iterator[tuple[psutil.Process, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "config.wsgi"]
    web = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port)})
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(f"{address}/health/"):
            if web.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The web process did not start.")
            time.sleep(0.2)
        yield psutil.Process(web.pid), address
    finally:
        web.terminate()
        web.wait(30)


def answers(url: str) -> bool:
    try:
        get(url)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError:
        return False
    return True


def get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as response:
        response.read()


BENCHMARKS = {"web_process_mb": web_process_mb}
YIELDS = {"web_process_mb": ("web_process_rss_mb", "web_process_pss_mb")}
