"""Exports of the full history of 1,000,000 answers, as the job makes them: to a file, synced and hashed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import seeding
from tests.benchmarks.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = 1_000_000
TASKS = 700_000
SLUG = "exported"
# A process of its own, so that its peak is the export's and not that of what ran before.
CHILD = """
import json, sys, threading, time
sys.path[:0] = [".", "platform"]
import django
django.setup()
import psutil
from pathlib import Path
from accounts.models import Project
from exchange.exports import kept
from exchange.exports.stream import prepare
from registry.specs import ExportSpec

slug, file, folder = sys.argv[1:]
peak, me = [0], psutil.Process()

def watch():
    while True:
        peak[0] = max(peak[0], me.memory_info().rss)
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
spec = ExportSpec(what="events", file=file, compress="zstd" if file == "parquet" else "none")
made = prepare(Project.objects.get(slug=slug), spec)
began = time.monotonic()
with kept.whole_or_nothing(Path(folder) / made.filename) as out:
    for block in made.blocks():
        out.write(block)
print(json.dumps({"rows": made.rows, "seconds": time.monotonic() - began, "peak": peak[0], "size": made.size}))
"""


def export_rows() -> list[Figure]:
    """Rows a second to JSON Lines and to Parquet, and the larger of the two peaks of resident memory."""
    seeding.seed(slug=SLUG, tasks=TASKS, answers=ANSWERS)
    seeding.settle()
    made = {file: run(file) for file in ("jsonl", "parquet")}
    for file, one in made.items():
        if one["rows"] != ANSWERS:
            raise RuntimeError(f"{file} has {one['rows']:,} rows instead of {ANSWERS:,}.")
        seeding.say(f"  {file}: {one['size'] / 1e6:,.0f} MB in {one['seconds']:.1f} s, peak {one['peak'] / 1e6:.0f} MB")
    rates = {file: round(one["rows"] / one["seconds"]) for file, one in made.items()}
    return [
        Figure("export_jsonl_rows_per_s", rates["jsonl"], "rows/s"),
        Figure("export_parquet_rows_per_s", rates["parquet"], "rows/s"),
        Figure("export_peak_mb", round(max(one["peak"] for one in made.values()) / 1e6, 1), "MB"),
    ]


def run(file: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=os.environ["PALATE_HOME"]) as folder:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, SLUG, file, folder], cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {"export_rows": export_rows}
YIELDS = {"export_rows": ("export_jsonl_rows_per_s", "export_parquet_rows_per_s", "export_peak_mb")}
