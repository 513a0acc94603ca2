"""The child's side of its two pipes: orders come in on stdin, events go out. Nothing here imports Django.

The pipe of orders is also a leash: when it closes, the worker is gone, and when no renewal has come for a whole
lease, another worker may already run the job. In both cases the child ends itself and all that it started.
"""

import ctypes
import json
import math
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from typing import Any, NoReturn

EVENTS = "PALATE_EVENTS"
"""The environment variable with the descriptor that events are written to."""
PR_SET_PDEATHSIG = 1
MOST_WAITING = 10_000
SYNC_PATIENCE = 10.0


class Terminated(BaseException):
    """SIGTERM came after the order to stop. Not an Exception, so that a job's own handlers do not eat it."""


class EventPipe:
    """Writes events as JSON lines, whole and in order, and never waits for a supervisor that does not read.

    What the pipe does not take waits here; the oldest are dropped when too much waits.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._begun = b""  # the rest of a line that the pipe took half of
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._lock = threading.RLock()  # a signal handler may send while its own thread is sending

    def send(self, event: dict[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            self._waiting.append(line)
            self._write()

    def flush(self, *, patience: float) -> None:
        """Wait up to `patience` seconds until everything is written."""
        end = time.monotonic() + patience
        with self._lock:
            while (self._begun or self._waiting) and (left := end - time.monotonic()) > 0:
                select.select([], [self._descriptor], [], left)
                self._write()

    def _write(self) -> None:
        try:
            while self._begun or self._waiting:
                self._begun = self._begun or self._waiting.popleft()
                self._begun = self._begun[os.write(self._descriptor, self._begun) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # nobody will read: the leash ends this process in a moment
            self._begun = b""
            self._waiting.clear()


class Leash(threading.Thread):
    """Reads orders: `lease SECONDS` renews, `stop` sets the event, `synced` answers `sync`.

    The end of the pipe ends the process. One that does not listen leaves the orders to another that shares the pipe,
    and only sees its end.
    """

    def __init__(self, stop: threading.Event, *, listens: bool = True) -> None:
        super().__init__(name="leash", daemon=True)
        self._stop_event = stop
        self._listens = listens
        self._synced = threading.Event()
        self._orders = _take_stdin()

    def hold(self) -> None:
        """Start to listen. To be called from the main thread, before anything that takes long."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGHUP, lambda *_: end_everything())
        if sys.platform == "linux":
            # A second way, for when the thread of the leash is not let run. The kernel sends it as soon as the
            # thread that started this process ends, so it cannot share a signal with a request to stop.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
        self.start()

    def sync(self, events: EventPipe) -> None:
        """Wait until everything sent so far is stored, but not for ever: it is only shown sooner or later."""
        self._synced.clear()
        events.send({"type": "sync"})
        events.flush(patience=SYNC_PATIENCE)
        self._synced.wait(SYNC_PATIENCE)

    def run(self) -> None:
        if not self._listens:
            hung_up = select.poll()
            hung_up.register(self._orders, 0)
            hung_up.poll()
            end_everything()
        rest, end = b"", math.inf
        while True:
            patience = None if end == math.inf else max(0.0, end - time.monotonic())
            ready, _, _ = select.select([self._orders], [], [], patience)
            data = os.read(self._orders, 4096) if ready else b""
            if not data:
                end_everything()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order, _, seconds = line.partition(b" ")
                if order == b"stop":
                    self._stop_event.set()
                elif order == b"synced":
                    self._synced.set()
                elif order == b"lease":
                    end = time.monotonic() + float(seconds)

    def _on_sigterm(self, signum: int, frame: object) -> None:
        if self._stop_event.is_set():
            raise Terminated
        # Service managers send SIGTERM to a worker and its children alike: it means save and stop.
        self._stop_event.set()


def end_everything() -> NoReturn:
    """Kill this process and all of its session's group: the next attempt needs the device they hold."""
    if os.getpgrp() == os.getsid(0):  # not when a person runs this from a shell
        os.killpg(0, signal.SIGKILL)
    os._exit(137)


def _take_stdin() -> int:
    """Move the orders away from stdin, so that a job that reads stdin cannot take them."""
    orders = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders
