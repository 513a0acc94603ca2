"""What datasets cost: freezing a million pairs, and looking at a recipe while it changes."""

import json
import statistics
import subprocess
import sys
import time

from curate.making.kept import Kept
from curate.making.preview import preview
from registry import jobs
from registry.specs import SPECS, BuildDatasetSpec
from tests.benchmarks import seeding
from tests.benchmarks.figure import Figure

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
    ran = subprocess.run([sys.executable, "-m", "tests.benchmarks.freeze_child", str(job.pk)], check=True,
                         stdout=subprocess.PIPE, text=True)  # fmt: skip
    froze = json.loads(ran.stdout.splitlines()[-1])
    print(f"  {froze['rows']:,} rows in {froze['seconds']:.0f} s, {froze['peak_mb']:,.0f} MB", file=sys.stderr)
    return round(froze["peak_mb"]), round(froze["rows"] / froze["seconds"])


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


BENCHMARKS = {"freeze_pairs_per_s": freeze_pairs_per_s, "preview_ms": preview_ms}
YIELDS = {
    "freeze_pairs_per_s": ("freeze_pairs_per_s", "freeze_peak_mb", "freeze_peak_mb_100k"),
    "preview_ms": ("preview_ms", "preview_cold_ms"),
}
