"""A process among several of one job. They are started by a launcher, in sessions of their own, without its open files.

The first one (rank 0) reads the orders and writes the events, as the only process of other jobs does. The others share
its pipe of orders without reading from it: they see when it closes, which is when the worker is gone.
"""

from __future__ import annotations

import os

RANK = "RANK"
LOCAL_RANK = "LOCAL_RANK"
"""Set by torch's launcher, for every process that it starts."""
COMPANIONS = ("connection closed by peer", "connection reset by peer", "nccl", "gloo", "tcpstore", "process group")
"""Of what torch says where another process of the group has gone, in lower case."""


def launched() -> bool:
    return LOCAL_RANK in os.environ


def rank() -> int:
    return int(os.environ.get(RANK, "0")) if launched() else 0


def events_descriptor(text: str) -> int:
    """Of the pipe of events. A launched process did not inherit it, and opens its parent's (Linux)."""
    if not launched():
        return int(text)
    return os.open(f"/proc/{os.getppid()}/fd/{int(text)}", os.O_WRONLY | os.O_NONBLOCK)


def lost_companion(error: BaseException) -> bool:
    """Whether it failed because another process of the run did, or the connection to it."""
    said = f"{type(error).__name__} {error}".lower()
    return launched() and isinstance(error, RuntimeError) and any(words in said for words in COMPANIONS)
