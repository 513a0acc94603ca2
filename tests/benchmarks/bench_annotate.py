"""What annotating costs in a large project: one client, a hundred in a hurry, two hundred at a human pace, and pages.

The project has 1,000,000 tasks and 100,000 answers of 30 annotators over 28 days; beside it in the same database is
one a hundredth of its size. gunicorn runs with deploy/gunicorn.conf.py, PostgreSQL as durable as in production. The
client shares the cores with both, so every figure holds what the client itself costs.
"""

import functools
import http.client
import importlib.metadata
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import psutil
from django.conf import settings
from django.db import connection
from django.urls import reverse

from annotate.models import Assignment, Feedback, Task
from tests.benchmarks.bench_web import ROOT, gunicorn
from tests.benchmarks.desk_client import assignment_of, filled_form
from tests.benchmarks.figure import Figure
from tests.benchmarks.seeding import Seeded, say, seed, sessions, settle, table

TASKS = int(os.environ.get("PALATE_BENCH_TASKS", "1000000"))
"""Smaller only to try the benchmark itself out: figures are those of a million."""
SHARE_ANSWERED = 10
TIMES_SMALLER = 100
WARM_UP, BLOCK, BLOCKS = 50, 50, 12
LOAD_SECONDS = int(os.environ.get("PALATE_BENCH_LOAD_SECONDS", "60"))
PACE_S = 10
PAGE_LOADS = 20


@functools.cache
def large() -> Seeded:
    """Made once for all figures of a run, with the small one, since settling takes both."""
    if TASKS != 1_000_000:
        say(f"PALATE_BENCH_TASKS={TASKS}: these figures are not those of 1,000,000 tasks")
    small()
    seeded = seed(slug=f"bench-{TASKS}", tasks=TASKS, answers=TASKS // SHARE_ANSWERED)
    settle()
    return seeded


@functools.cache
def small() -> Seeded:
    tasks = max(TASKS // TIMES_SMALLER, 2 * (WARM_UP + BLOCK * BLOCKS))
    return seed(slug=f"bench-{tasks}", tasks=tasks, answers=tasks // SHARE_ANSWERED)


# --- One client -------------------------------------------------------------------------------------------------


@dataclass
class Browser:
    """One person's connection, kept open between requests as a browser does."""

    address: str
    session: str
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        self.cookies[settings.SESSION_COOKIE_NAME] = self.session

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[bytes, float]:
        """The body as transferred, and the milliseconds from the first byte sent to the last one received."""
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        began = time.perf_counter()
        self.connection.request(method, path, body=body, headers=headers)
        response = self.connection.getresponse()
        content = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise RuntimeError(f"{method} {path} answered {response.status}: {content[:300]!r}")
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return content, took


class Annotator:
    """Answers one task after the other; each answer's response holds the next task."""

    def __init__(self, browser: Browser, project: Seeded) -> None:
        self.browser, self.choose = browser, random.Random(project.tasks)
        self.path = reverse("annotate", args=[project.project.slug])
        self.open()

    def open(self) -> None:
        """A new connection, since the server closes those that were idle for long, and the page."""
        self.browser.connection.close()
        self.page = self.browser.request("GET", self.path)[0].decode()

    def answer(self) -> float:
        """Milliseconds of one submit-and-next."""
        action, body = filled_form(self.page, self.choose)
        headers = {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        content, took = self.browser.request("POST", action, body, **headers)
        before, self.page = assignment_of(self.page), content.decode()
        if assignment_of(self.page) in {"", before}:
            raise RuntimeError(f"The answer to assignment {before} did not bring another task.")
        return took


def submit_and_next() -> list[Figure]:
    """One person who has answered before, in blocks that alternate between the projects: noise hits both alike.

    Time at the client, over a loopback connection that stays open, from the POST to the end of the next task.
    """
    projects = (large(), small())
    times: list[list[float]] = [[], []]
    with gunicorn() as (_, address):
        annotators = [Annotator(Browser(address, sessions([project.people[0]])[0]), project) for project in projects]
        for annotator in annotators:
            for _ in range(WARM_UP):
                annotator.answer()
        for _ in range(BLOCKS):
            for annotator, taken in zip(annotators, times, strict=True):
                annotator.open()
                taken += [annotator.answer() for _ in range(BLOCK)]
    at_large, at_small = times
    p50, p95, base = statistics.median(at_large), percentile(at_large, 95), statistics.median(at_small)
    say(f"submit-and-next of {small().tasks:,} tasks: p50 {base:.1f} ms, p95 {percentile(at_small, 95):.1f} ms")
    return [
        Figure("submit_and_next_p50_ms", round(p50, 2), "ms"),
        Figure("submit_and_next_p95_ms", round(p95, 2), "ms"),
        Figure("submit_and_next_growth", round(p50 / base, 3), "times"),
    ]


def percentile(values: list[float], per_cent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[per_cent - 1]


# --- Many -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    answers_ms: list[float]
    window_s: float
    errors: list[str]


def answers_per_s_100() -> list[Figure]:
    """100 people who answer without a pause, each signed in as themselves: answers a second over a minute."""
    found = under_load(users=100, pause_s=0)
    return [
        Figure("answers_per_s_100", round(len(found.answers_ms) / found.window_s, 1), "answers/s"),
        Figure("load_errors", len(found.errors), "errors"),
        Figure("over_assigned", over_assigned(large()), "tasks"),
    ]


def human_pace() -> list[Figure]:
    """200 people who send an answer every 10 s, begun at any moment of the first 10: the 95th percentile of sending."""
    found = under_load(users=200, pause_s=PACE_S)
    return [
        Figure("human_pace_200_p95_ms", round(percentile(found.answers_ms, 95), 2), "ms"),
        Figure("human_pace_200_errors", len(found.errors), "errors"),
    ]


def under_load(*, users: int, pause_s: int) -> Load:
    """Locust in a process of its own; raises when answers that were acknowledged are not in the database."""
    project = large()
    before = Feedback.objects.filter(project=project.project).count()
    with gunicorn() as (web, address), tempfile.TemporaryDirectory(prefix="palate-load-") as folder:
        plan, result = Path(folder) / "plan.json", Path(folder) / "result.json"
        path = reverse("annotate", args=[project.project.slug])
        keys = sessions(project.people[:users])
        plan.write_text(json.dumps({"path": path, "sessions": keys, "pause_s": pause_s}))
        ramp = 5
        command = [
            sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("locustfile_annotate.py")),
            "--headless", "--users", str(users), "--spawn-rate", str(users / ramp), "--host", address,
            "--run-time", f"{ramp + pause_s + LOAD_SECONDS}s", "--stop-timeout", "30",
            "--only-summary", "--loglevel", "WARNING",
        ]  # fmt: skip
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")]),
            "PALATE_LOAD": str(plan), "PALATE_LOAD_RESULT": str(result),
        }  # fmt: skip
        with processor_time(web) as spent:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if not result.exists():
            raise RuntimeError(f"Locust ended with {done.returncode} and without a result: {done.stderr[-2000:]}")
        found = Load(**json.loads(result.read_text()))
    for line in found.errors[:5]:
        say(f"  error: {line[:300]}")
    say(f"  {users} annotators, {len(found.answers_ms):,} answers in {found.window_s:.1f} s: "
        f"p50 {statistics.median(found.answers_ms):.1f} ms, p95 {percentile(found.answers_ms, 95):.1f} ms")  # fmt: skip
    say(f"  seconds of processor: {spent}")
    stored = Feedback.objects.filter(project=project.project).count() - before
    if stored < len(found.answers_ms):
        raise RuntimeError(f"{len(found.answers_ms)} answers were acknowledged, {stored} are stored.")
    return found


@contextmanager
def processor_time(web: Any) -> Iterator[dict[str, float]]:
    """Fills in what gunicorn, PostgreSQL and Locust used of the processors meanwhile, in seconds."""

    def used() -> dict[str, float]:
        servers = [one for one in psutil.process_iter(["name"]) if one.info["name"] == "postgres"]
        workers, children = [web, *web.children()], os.times()
        return {"gunicorn": total(workers), "postgres": total(servers),
                "locust": children.children_user + children.children_system}  # fmt: skip

    def total(processes: list[Any]) -> float:
        seconds = 0.0
        for process in processes:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            seconds += times.user + times.system
        return seconds

    spent: dict[str, float] = {}
    before = used()
    yield spent
    spent |= {name: round(value - before[name], 1) for name, value in used().items()}


def over_assigned(project: Seeded) -> int:
    """Tasks with more leases and answers than wanted, plus pairs of task and person with more than one answer."""
    live = (Assignment.Status.LEASED, Assignment.Status.SUBMITTED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) FROM (
                SELECT task.id FROM {table(Assignment)} AS held JOIN {table(Task)} AS task
                ON task.id = held.task_id WHERE task.project_id = %s AND held.status = ANY(%s)
                GROUP BY task.id, task.wanted HAVING count(*) > task.wanted) AS over""",
            [project.project.pk, list(live)],
        )
        (crowded,) = cursor.fetchone()
        cursor.execute(
            f"""SELECT count(*) FROM (
                SELECT task_id, annotator_id FROM {table(Feedback)} WHERE project_id = %s AND withdrawn_at IS NULL
                GROUP BY task_id, annotator_id HAVING count(*) > 1) AS doubles""",
            [project.project.pk],
        )
        (doubles,) = cursor.fetchone()
    return int(crowded) + int(doubles)


# --- Pages ------------------------------------------------------------------------------------------------------

LINKED = (
    re.compile(r"<script\b[^>]*\bsrc=\"([^\"]+)\""),
    re.compile(r"<link\b(?=[^>]*\brel=\"(?:stylesheet|icon|preload|modulepreload|manifest|apple-touch-icon)\")"
               r"[^>]*\bhref=\"([^\"]+)\""),
    re.compile(r"<(?:img|source|audio|video|iframe)\b[^>]*\bsrc=\"([^\"]+)\""),
    re.compile(r"<(?:use|image)\b[^>]*\bhref=\"([^\"#]+)"),
)  # fmt: skip
IN_STYLE = re.compile(r"url\(\s*[\"']?(?!data:|#)([^\"')]+)|@import\s+[\"']([^\"']+)")


def annotate_page_kb() -> Figure:
    """Bytes of the annotate page's bodies on the wire: the page, its scripts, styles, icons, and what styles load."""
    with gunicorn() as (_, address):
        browser = Browser(address, sessions([large().people[1]])[0])
        path = reverse("annotate", args=[large().project.slug])
        sizes, waiting = {}, [path]
        while waiting:
            url = waiting.pop()
            if url in sizes:
                continue
            content, _ = browser.request("GET", url, **{"Accept-Encoding": encodings()})
            sizes[url] = len(content)
            plain = browser.request("GET", url)[0].decode(errors="replace")
            if url == path:
                found = [link for pattern in LINKED for link in pattern.findall(plain)]
            elif ".css" in url:
                found = [one or other for one, other in IN_STYLE.findall(plain)]
            else:
                found = []
            waiting += [urljoin(url, link).partition("#")[0] for link in found]
    for url, size in sorted(sizes.items(), key=lambda item: -item[1]):
        say(f"  {size / 1000:7.1f} kB {url}")
    return Figure("annotate_page_kb", round(sum(sizes.values()) / 1000, 2), "kB")


def encodings() -> str:
    """br only where the site itself installs Brotli: here Locust brings it, other sites compress by gzip alone."""
    required = importlib.metadata.requires("palate") or []
    ours = any("brotli" in line.lower() and "extra ==" not in line for line in required)
    return "gzip, br" if ours else "gzip"


def project_home_ms() -> Figure:
    """The project's first page as a researcher sees it, the median of 20 loads after the first."""
    project = large()
    with gunicorn() as (_, address):
        browser = Browser(address, sessions([project.researcher])[0])
        path = project.project.get_absolute_url()
        browser.request("GET", path)
        times = [browser.request("GET", path)[1] for _ in range(PAGE_LOADS)]
    return Figure("project_home_ms", round(statistics.median(times), 1), "ms")


BENCHMARKS = {
    "submit_and_next": submit_and_next,
    "answers_100": answers_per_s_100,
    "human_pace_200": human_pace,
    "annotate_page_kb": annotate_page_kb,
    "project_home_ms": project_home_ms,
}
YIELDS = {
    "submit_and_next": ("submit_and_next_p50_ms", "submit_and_next_p95_ms", "submit_and_next_growth"),
    "answers_100": ("answers_per_s_100", "load_errors", "over_assigned"),
    "human_pace_200": ("human_pace_200_p95_ms", "human_pace_200_errors"),
}
