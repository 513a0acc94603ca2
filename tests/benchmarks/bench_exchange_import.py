"""What it takes to bring a file in: 1,000,000 prompts with two responses each, as open tasks, by the command.

The file is JSONL of about 0.6 GB on the disk. The time is that of the whole command: start of Python, looking at the
first lines, reading, COPY with all indexes, and the commit. PostgreSQL is as durable as in production and shares
 the cores. Peak memory is the highest resident size of the command's process, as the kernel counts it.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from accounts.models import Project
from annotate.models import Prompt, Response, Task
from tests.benchmarks.bench_web import ROOT
from tests.benchmarks.figure import Figure
from tests.benchmarks.seeding import say

ROWS = int(os.environ.get("PALATE_BENCH_IMPORT_ROWS", "1000000"))
"""Smaller only to try the benchmark itself out: figures are those of a million."""
WORDS = 4_000


def write_file(path: Path, rows: int) -> None:
    """Texts of the length that chats have: a prompt of some 100 characters, answers of some 200 each."""
    draw = random.Random(4)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(WORDS)]
    texts = [" ".join(draw.choices(words, k=33)) + ("\n" if draw.random() < 0.3 else ".") for _ in range(5_000)]
    with path.open("wb") as file:
        for number in range(rows):
            a, b = draw.choice(texts), draw.choice(texts)
            row = {
                "prompt": f"{draw.choice(texts)[:95]} {number}?",
                "response_a": f"{a}{number}", "response_b": f"{b} {number}",
                "model_a": f"model-{number % 7}", "model_b": f"model-{number % 5 + 7}", "lang": "en",
            }  # fmt: skip
            file.write(orjson.dumps(row) + b"\n")


def peak_mb(pid: int) -> float:
    """The most that the process has had in memory so far. (wait4 would also count what we had when we forked.)"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)


def import_rows() -> list[Figure]:
    project, _ = Project.objects.get_or_create(slug="bench-import", defaults={"name": "Import"})
    if ROWS != 1_000_000:
        say(f"PALATE_BENCH_IMPORT_ROWS={ROWS}: these figures are not those of 1,000,000 lines")
    with tempfile.TemporaryDirectory(prefix="palate-import-") as folder:
        path = Path(folder) / "pairs.jsonl"
        write_file(path, ROWS)
        say(f"{path.stat().st_size / 1e6:,.0f} MB written")
        began, peak = time.perf_counter(), 0.0
        command = [sys.executable, "manage.py", "import", str(path), "--project", project.slug, "--as-tasks", "--json"]
        with (Path(folder) / "out").open("w+b") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as process:
            while process.poll() is None:
                peak = max(peak, peak_mb(process.pid))
                time.sleep(0.1)
            took = time.perf_counter() - began
            out.seek(0)
            said = out.read().decode()
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}: {said[-500:]}")
    found = [Prompt.objects.filter(project=project).count(), Task.objects.filter(project=project).count(),
             Response.objects.filter(prompt__project=project).count()]  # fmt: skip
    if found != [ROWS, ROWS, 2 * ROWS]:
        raise RuntimeError(f"prompts, tasks and responses in the database: {found}")
    return [
        Figure("import_rows_per_s", ROWS / took, "rows/s"),
        Figure("import_peak_mb", round(peak, 1), "MB"),
    ]


BENCHMARKS = {"import_rows_per_s": import_rows}
YIELDS = {"import_rows_per_s": ("import_peak_mb",)}
