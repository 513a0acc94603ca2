"""Freezes one dataset as a worker's child would: `python -m tests.benchmarks.freeze_child JOB_ID`.

A process of its own, because the one that seeds the database holds memory that freezing never asked for. Prints one
JSON line: {"seconds", "peak_mb", "rows"}, the peak as the kernel counts it (VmHWM), in MB of 10^6 bytes.
"""

import json
import re
import sys
import time
from pathlib import Path


def main(job_id: int) -> None:
    import django

    django.setup()
    from registry.models import Job
    from registry.specs import BuildDatasetSpec
    from workers.context import JobContext
    from workers.jobs import build_dataset

    job = Job.objects.get(pk=job_id)
    begin = time.monotonic()
    build_dataset.run(JobContext(job, send=lambda event: None), BuildDatasetSpec.model_validate(job.params))
    seconds = time.monotonic() - begin
    done = Job.objects.get(pk=job_id).result
    # Not getrusage: its peak is handed on through exec, and would be that of the process that seeded.
    held = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert held is not None
    kilobytes = int(held[1])
    rows = int(done["train"]) + int(done["held_out"])
    print(json.dumps({"seconds": seconds, "peak_mb": kilobytes * 1024 / 1e6, "rows": rows}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
