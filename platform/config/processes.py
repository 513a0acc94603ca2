"""honcho's Manager with what a person at a terminal expects: few lines, one address, and nothing left behind."""

import contextlib
import multiprocessing
import os
import shlex
import signal
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import honcho.manager
import psutil
from honcho.manager import Manager
from honcho.printer import Message
from honcho.process import Popen, Process

from config.orphans import PR_SET_PDEATHSIG, _prctl, dies_with_parent, stop_all

PATIENCE = 20
"""Seconds from the first SIGTERM to SIGKILL: a job that saves a checkpoint and stops takes about ten."""
ANSWER_WITHIN = 120


@dataclass(frozen=True)
class Command:
    """A process to keep running. One that `finishes` may end with success while the others go on."""

    name: str
    arguments: list[str]
    env: dict[str, str] = field(default_factory=dict)
    finishes: bool = False


def run(commands: list[Command], *, address: str, cwd: Path) -> int:
    """Run all until one ends or a signal comes. Returns 0 after a signal, 1 when a process failed."""
    # honcho hands bound methods to its children, and they must be children of this process to die with it.
    multiprocessing.set_start_method("fork", force=True)
    honcho.manager.KILL_WAIT = PATIENCE
    site = Site(address, finishing={command.name for command in commands if command.finishes})
    everywhere = {
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        # A container, or a rented GPU machine, often has root alone; messages are JSON, so Celery's worry is moot.
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore:You're running the worker with superuser"),
    }
    for command in commands:
        # exec: the shell that honcho starts becomes the process, so signals reach it.
        text = f"exec {shlex.join(command.arguments)}"
        site.add_process(command.name, text, env={**os.environ, **everywhere, **command.env}, cwd=str(cwd))
    site.loop()
    site.sweep()
    return 1 if site.failed else 0


class LastingProcess(Process):
    """Ends when the supervisor is killed: first honcho's reader of its output, and with that the process itself."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        self._child_ctor = partial(Popen, stdin=-3, preexec_fn=dies_with_parent())  # -3 is subprocess.DEVNULL
        super().run(events, ignore_signals)


class Site(Manager):
    def __init__(self, address: str, *, finishing: set[str]) -> None:
        super().__init__()
        self._process_ctor = LastingProcess
        self.address = address
        self.finishing = finishing
        self.told: set[str] = set()
        self.stopping_by_signal = False

    @property
    def failed(self) -> bool:
        codes = {name: process.get("returncode") for name, process in self._processes.items()}
        if any(codes[name] not in {0, None, -signal.SIGTERM} for name in self.finishing):
            return True
        return not self.stopping_by_signal

    def _start(self) -> None:
        super()._start()
        signal.signal(signal.SIGHUP, lambda signum, frame: os.kill(os.getpid(), signal.SIGTERM))
        # Only now: a thread that runs while the children are forked could leave a lock held in them.
        threading.Thread(target=self._announce, daemon=True).start()

    def _any_stopped(self) -> bool:
        """Whether all must stop: not when a process that was to finish did, nor when it failed (the site stays)."""
        stopped = [name for name, process in self._processes.items() if process.get("returncode") is not None]
        for name in stopped:
            if name in self.finishing and name not in self.told and not self._terminating:
                self.told.add(name)
                self._tell_finished(name)
        return any(name not in self.finishing for name in stopped)

    def _tell_finished(self, name: str) -> None:
        if self._processes[name]["returncode"] == 0:
            self._print(f"The {name} is done. The site goes on at {self.address} (Ctrl-C stops it).")
        else:
            self._print(f"The {name} failed; the lines above say why. The site goes on at {self.address}.")

    def terminate(self) -> None:
        # honcho sets the return code before it calls this on a signal, and leaves it to the process otherwise.
        if self.returncode in {signal_["rc"] for signal_ in honcho.manager.SIGNALS.values()}:
            self.stopping_by_signal = True
        if not self._terminating:
            self._print("Stopping; workers save what they do first ...")
        super().terminate()

    def kill(self) -> None:
        super().kill()
        self.sweep()

    def sweep(self) -> None:
        """End what the processes left behind, such as the child of a job whose worker was killed."""
        readers = {process["process"].pid for process in self._processes.values()}
        left = []
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if child.pid in readers:
                    left += child.children(recursive=True)
                elif not _is_service(child):
                    left += [child, *child.children(recursive=True)]
        stop_all(left, patience=5)

    def _system_print(self, data: str) -> None:
        """Of honcho's own lines only the bad news: a process that ended by itself."""
        if " stopped (rc=" in data and not self._terminating and data.split()[0] not in self.finishing:
            self._print(data.strip())

    def _print(self, text: str) -> None:
        self._printer.write(Message(type="line", data=text, time=self._clock.now(), name="palate", colour=None))

    def _announce(self) -> None:
        deadline = time.monotonic() + ANSWER_WITHIN
        while time.monotonic() < deadline and not self._terminating:
            with contextlib.suppress(OSError):
                if answers(f"{self.address}/health/") and not self._terminating:
                    self._print(f"Palate is at {self.address} (Ctrl-C stops it).")
                    return
            time.sleep(0.2)
        if not self._terminating:
            self._print(f"{self.address} has not answered for {ANSWER_WITHIN} s; the lines above may say why.")


def answers(url: str) -> bool:
    """Whether a web server is there. An error page is an answer too: what is wrong is then in the log."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500


def _is_service(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return "redis-server" in command or "valkey-server" in command or "config.embedded" in command
