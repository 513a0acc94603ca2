"""The supervisor's side of a child: start it, give it orders, and end it with all that it started."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil

from workers.leash import EVENTS


class Child:
    """A process in its own session, with a pipe of orders on stdin, one of output and one of events."""

    def __init__(self, command: list[str], *, device: str = "") -> None:
        self.events, write_end = os.pipe()
        environment = {
            # Threads that spin while they wait take the cores from everything else on a shared machine, and from
            # each other: with a busy second process, small products ran six times as fast without it.
            "OMP_WAIT_POLICY": "PASSIVE",
            **os.environ,
            EVENTS: str(write_end),
            "PYTHONUNBUFFERED": "1",
        }
        if device:
            environment["CUDA_VISIBLE_DEVICES"] = device
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=[write_end],
                start_new_session=True,
                env=environment,
            )
        except BaseException:
            os.close(self.events)
            raise
        finally:
            os.close(write_end)
        assert self.process.stdin
        assert self.process.stdout
        self.output = self.process.stdout.fileno()
        for pipe in (self.output, self.events, self.process.stdin.fileno()):
            os.set_blocking(pipe, False)
        self._strays: list[psutil.Process] = []

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -N if signal N ended it."""
        return self.process.poll()

    def order(self, text: str) -> None:
        # A child that has ended, or does not read, is dealt with by its exit code or by signals.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.process.stdin.fileno(), text.encode() + b"\n")  # type: ignore[union-attr]

    def signal(self, signum: int) -> bool:
        """Send a signal to the child and everything it started; False if nothing of it is left."""
        processes = self._living()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signum)
        return bool(processes)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        os.close(self.events)

    def notice(self) -> None:
        """Remember what it started: when the child itself has gone, nobody can be asked for what left its session."""
        with contextlib.suppress(psutil.NoSuchProcess):
            known = set(self._strays)
            self._strays += [
                one for one in psutil.Process(self.process.pid).children(recursive=True) if one not in known
            ]

    def _living(self) -> list[psutil.Process]:
        """Its session, and descendants that left the session while the child could still be asked for them."""
        self.notice()
        session = [process for process in psutil.process_iter() if _session(process.pid) == self.process.pid]
        return [process for process in {*session, *self._strays} if _lives(process)]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _lives(process: psutil.Process) -> bool:
    # A zombie holds neither memory nor GPU, and may wait for ever for an init that does not reap.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def signal_name(exit_code: int) -> str:
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory, in this machine and this container."""
    return sum(_counter(path) for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")))


def _counter(path: Path) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
