"""No process is left behind: children that die with their parent, and a parent that inherits all orphans.

Linux only; elsewhere these do nothing and an ordinary stop still cleans up.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def dies_with_parent(signum: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends the child `signum` when the process that started it ends, even by kill -9."""
    parent = os.getpid()

    def arrange() -> None:
        _prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it ended before the line above
            os.kill(os.getpid(), signum)

    return arrange


def adopt_orphans() -> None:
    """From here on, descendants whose parent died become children of this process, so `stop_all` sees them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def stop_all(processes: Iterable[psutil.Process], *, patience: float) -> None:
    """SIGTERM, up to `patience` seconds of waiting, then SIGKILL."""
    processes = list(processes)
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=patience)


def _signal(process: psutil.Process, signum: int) -> None:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return
