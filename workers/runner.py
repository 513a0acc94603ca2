"""The child process of one attempt: `python -m workers.runner JOB_ID ATTEMPT`, started by the supervisor.

Everything that a job does happens here, so that memory and GPU are free when it ends, however it ends.
"""

import errno
import importlib
import os
import re
import sys
import threading
import traceback
from functools import partial
from typing import Any

from workers import ranks
from workers.errors import JobError, Stopped
from workers.leash import EVENTS, EventPipe, Leash, Terminated

Ending = dict[str, Any]
OUT_OF_MEMORY = (
    "Out of memory on {where}: {detail}. Choose a smaller micro_batch, batch_size or max_tokens, "
    "or a machine with more memory."
)
FULL = "No space left on device"
DISK_FULL = (
    "The disk is full: {what} could not be written. Free space where PALATE_HOME lies, then resume the job: it goes on "
    "from its last whole checkpoint."
)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or EVENTS not in os.environ:
        print("Workers start this for one attempt of a job. To run jobs, start a worker.", file=sys.stderr)
        return 2
    events = EventPipe(ranks.events_descriptor(os.environ.pop(EVENTS)))
    stop = threading.Event()
    leads = ranks.rank() == 0
    leash = Leash(stop, listens=leads)
    leash.hold()
    try:
        run(int(arguments[0]), int(arguments[1]), events=events, leash=leash, stop=stop, leads=leads)
        ending: Ending = {"outcome": "returned"}
    except BaseException as error:
        ending = describe(error)
    if ending["outcome"] == "companion":
        # Why the other one went is its to say; where it was killed and cannot, the supervisor sees that nobody spoke.
        print(ending["traceback"], file=sys.stderr)
    elif leads or ending["outcome"] in ("failed", "crashed"):
        # Of several processes the first speaks, and another only where it is the one that failed.
        events.send({"type": "end", **ending})
        events.flush(patience=10)
    return 0 if ending["outcome"] == "returned" else 1


def run(
    job_id: int, attempt: int, *, events: EventPipe, leash: Leash, stop: threading.Event, leads: bool = True
) -> None:
    """Run the job's kind to its end. Raises whatever it raises."""
    import django

    django.setup()
    from registry.jobs import LeaseLost
    from registry.models import Job
    from registry.specs import SPECS, parse
    from workers.context import JobContext
    from workers.jobs import JOBS

    job = Job.objects.filter(pk=job_id, attempt=attempt, status=Job.Status.RUNNING).first()
    if job is None:
        raise LeaseLost
    if job.kind not in JOBS or job.kind not in SPECS:
        raise JobError(f"This worker does not know jobs of kind {job.kind!r}. Update the worker, then resume the job.")
    spec = parse(SPECS[job.kind].spec, job.params)
    module = importlib.import_module(JOBS[job.kind])
    if leads:
        context = JobContext(job, send=events.send, sync=partial(leash.sync, events), stop=stop)
    else:
        context = JobContext(job, stop=stop, leads=False)
    module.run(context, spec)


def describe(error: BaseException) -> Ending:
    """What the supervisor needs to know of how a job ended."""
    from django.db import InterfaceError, OperationalError

    from registry.jobs import LeaseLost
    from registry.specs import SpecError

    match error:
        case Stopped() | Terminated():
            return {"outcome": "stopped"}
        case LeaseLost():
            return {"outcome": "lost"}
        case JobError() | SpecError():
            return {"outcome": "failed", "error": str(error)}
        case OperationalError() | InterfaceError():
            return {"outcome": "retry", "error": f"The database could not be used: {first_line(error)}."}
    if sentence := out_of_memory(error):
        return {"outcome": "failed", "error": sentence, "traceback": formatted(error)}
    if ranks.lost_companion(error):
        return {"outcome": "companion", "traceback": formatted(error)}
    if sentence := disk_full(error):
        return {"outcome": "failed", "error": sentence, "traceback": formatted(error)}
    return {
        "outcome": "crashed",
        "error": f"{type(error).__name__}: {first_line(error)}",
        "traceback": formatted(error),
    }


def out_of_memory(error: BaseException) -> str:
    """A sentence if memory ran out, on the GPU or in the machine; else nothing."""
    # By name: torch is imported only by the jobs that need it.
    on_gpu = type(error).__name__ == "OutOfMemoryError" and type(error).__module__.startswith("torch")
    in_torch = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (on_gpu or in_torch or isinstance(error, MemoryError)):
        return ""
    asked = re.search(r"tried to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
    detail = f"{asked[1]} were asked for" if asked else "an allocation was refused"
    return OUT_OF_MEMORY.format(where="the GPU" if on_gpu else "this machine", detail=detail)


def disk_full(error: BaseException) -> str:
    """A sentence if a disk, or somebody's share of it, is full; else nothing."""
    by_number = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # Libraries that write by themselves, such as safetensors, repeat the system's words in errors of their own.
    if not (by_number or (isinstance(error, Exception) and FULL in str(error))):
        return ""
    return DISK_FULL.format(what=getattr(error, "filename", None) or "a file")


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:400].rstrip(".")


def formatted(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
