"""What datasets cost: freezing a million pairs, and looking at a recipe while it changes."""

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from curate.making.kept import Kept
from curate.making.preview import preview
from registry import jobs
from registry.models import Job
from registry.specs import SPECS, BuildDatasetSpec
from tests.benchmarks import seeding
from tests.benchmarks.figure import Figure
from workers.context import JobContext
from workers.jobs import build_dataset

PAIRS = 1_000_000
FEWER = 100_000
"""Items of the freeze that the memory of the large one is held against."""
FEEDBACKS = 100_000
LOOKS = 7


def freeze_pairs_per_s() -> list[Figure]:
    """From the request to the published version: reading, deciding, near-duplicates, Parquet, card, lineage."""
    # The smaller one first: what the system once lent a process, it seldom gets back.
    fewer, _ = freeze_of(FEWER)
    most, rate = freeze_of(PAIRS)
    return [
        Figure("freeze_pairs_per_s", rate, "pairs/s"),
        Figure("freeze_peak_mb", most, "MB"),
        Figure("freeze_peak_mb_100k", fewer, "MB"),
    ]


def freeze_of(items: int) -> tuple[int, int]:
    """(most resident memory in MB, rows a second)"""
    seeded = seeding.seed(slug=f"bench-freeze-{items}", tasks=items, answers=items * 9 // 5)
    seeding.settle()
    recipe = {"ties": "keep"}
    jobs.request_job(project=seeded.project, kind="build_dataset", params=recipe, user=seeded.researcher)
    job = jobs.claim(SPECS["build_dataset"].queue, worker="bench")
    assert job is not None
    said: list[str] = []
    with peak_memory() as peak:
        begin = time.monotonic()
        build_dataset.run(JobContext(job, send=lambda event: said.append(str(event.get("text", "")))),
                          BuildDatasetSpec.model_validate(recipe))  # fmt: skip
        seconds = time.monotonic() - begin
    done = Job.objects.get(pk=job.pk)
    rows = int(done.result["train"]) + int(done.result["held_out"])
    print(f"  {rows:,} rows in {seconds:.0f} s, {max(peak):,.0f} MB", file=sys.stderr)
    return round(max(peak)), round(rows / seconds)


def preview_ms() -> list[Figure]:
    """A change of the recipe (median), and the first look of a process that knows nothing of the project."""
    seeded = seeding.seed(slug="bench-preview", tasks=FEEDBACKS // 2, answers=FEEDBACKS)
    seeding.settle()
    preview(seeded.project, BuildDatasetSpec())  # the tokenizer, which a process reads once
    cold, warm = [], []
    for number in range(LOOKS):
        Kept.known.clear()
        cold.append(timed(seeded.project, BuildDatasetSpec(), number))
        warm.append(timed(seeded.project, BuildDatasetSpec(minimum_agreement=0.6, ties="half", seed=number), number))
    return [
        Figure("preview_ms", round(statistics.median(warm)), "ms"),
        Figure("preview_cold_ms", round(statistics.median(cold)), "ms"),
    ]


def timed(project: object, recipe: BuildDatasetSpec, seed: int) -> float:
    begin = time.monotonic()
    found = preview(project, recipe, seed=seed)  # type: ignore[arg-type]
    assert found.total and found.rows
    return (time.monotonic() - begin) * 1000


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Resident memory of this process, in MB, every 100 ms."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            seen.append(psutil.Process().memory_info().rss / 1e6)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


BENCHMARKS = {"freeze_pairs_per_s": freeze_pairs_per_s, "preview_ms": preview_ms}
YIELDS = {
    "freeze_pairs_per_s": ("freeze_pairs_per_s", "freeze_peak_mb", "freeze_peak_mb_100k"),
    "preview_ms": ("preview_ms", "preview_cold_ms"),
}
