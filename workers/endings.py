"""What the end of a child means for its job."""

import signal
from dataclasses import dataclass
from typing import Any, Literal

from workers.processes import signal_name

OUT_OF_MEMORY = (
    "Out of memory: the system ended the job because this machine's memory was full. "
    "Choose a smaller micro_batch, batch_size or max_tokens, or a machine with more memory."
)
NOT_PUBLISHED = "The job ended without publishing a result. This is an error in its code: it must call publish()."


@dataclass(frozen=True)
class Ending:
    """`retry` and `release` queue the job again, the one counting the attempt and the other not."""

    act: Literal["failed", "cancelled", "retry", "release", "nothing"]
    sentence: str = ""


def read_ending(
    words: dict[str, Any] | None,
    *,
    exit_code: int,
    cancelled: bool,
    shutting_down: bool,
    out_of_memory: bool,
    traceback_line: int = 0,
) -> Ending:
    """Decide by the child's last words, or by its exit code if it had none.

    `exit_code` is -N where signal N ended it. `cancelled`: someone asked for that. `out_of_memory`: the kernel
    killed a process for want of memory meanwhile. `traceback_line`: where in the attempt's log the traceback is.
    """
    outcome = words["outcome"] if words else None
    error = str(words.get("error", "")) if words else ""
    if outcome == "lost":
        return Ending("nothing")
    if cancelled:
        return Ending("cancelled")
    if outcome == "failed":
        return Ending("failed", error)
    if outcome == "crashed":
        return Ending("failed", f"{error}. The traceback is in the log, line {traceback_line} of this attempt.")
    if outcome == "returned":
        return Ending("failed", NOT_PUBLISHED)
    if shutting_down:
        return Ending("release")
    if outcome == "retry":
        return Ending("retry", error)
    if outcome == "stopped":
        return Ending("retry", "The job was stopped from outside, though nobody asked for that here.")
    return _without_words(exit_code, out_of_memory=out_of_memory)


def _without_words(exit_code: int, *, out_of_memory: bool) -> Ending:
    if exit_code == -signal.SIGKILL and out_of_memory:
        return Ending("failed", OUT_OF_MEMORY)
    if exit_code < 0:
        return Ending("retry", f"The job's process was ended by {signal_name(exit_code)}.")
    if exit_code == 0:
        return Ending("failed", NOT_PUBLISHED)
    return Ending("failed", f"The job's process exited with code {exit_code}. The end of the log may say why.")
