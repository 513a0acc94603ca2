"""`manage.py up [--demo]`: one command that runs the whole site on one machine, until Ctrl-C.

Order of things: checks, PostgreSQL, Redis, migrations and static files, the first admin, then honcho with the web
process, the Celery workers and beat. The way down is the same in reverse.
"""

import argparse
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from config import embedded, preflight
from config.orphans import adopt_orphans
from config.processes import Command, run

ROOT = Path(__file__).resolve().parent.parent.parent


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("manage.py up", description="Run the whole site on this machine.")
    parser.add_argument("--demo", action="store_true", help="fill in the demo's content and run its main job")
    demo = parser.parse_args(argv).demo
    # SIGTERM and a closed terminal unwind through the same `finally` blocks as Ctrl-C.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        with contextlib.ExitStack() as stack:
            return _run(stack, demo=demo)
    except KeyboardInterrupt:
        print("Stopped.")
        return 0
    except embedded.EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(stack: contextlib.ExitStack, *, demo: bool) -> int:
    home = embedded.home()
    host, port = preflight.address_from_environment()
    if problem := preflight.folder_problem(home):
        raise embedded.EmbeddedError(problem)
    stack.enter_context(only_one(home))
    if problems := preflight.problems(home=home, address=(host, port)):
        raise embedded.EmbeddedError("\n".join(problems))
    start_services(stack, home)

    from config import prepare  # needs the database

    prepare.prepare()
    if not demo:
        prepare.ensure_admin()
    prepare.close()

    gpus = gpu_count()
    if gpus:
        os.environ.setdefault("PALATE_TRAIN_QUEUE", "gpu")
    # A job that is asked to stop has ended, by force if need be, before honcho would kill its worker.
    os.environ.setdefault("PALATE_JOB_STOP_GRACE_SECONDS", "8")
    adopt_orphans()
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    return run(commands(home, gpus=gpus, demo=demo), address=f"http://{shown}:{port}", cwd=ROOT)


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    with open(home / "up.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise embedded.EmbeddedError(
                f"Palate already runs from {home} (process {lock.read().strip() or 'unknown'}): "
                "use that one, stop it, or set PALATE_HOME to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def start_services(stack: contextlib.ExitStack, home: Path) -> None:
    """Those whose address the environment does not name."""
    if os.environ.get("DATABASE_URL"):
        print("PostgreSQL: the server of DATABASE_URL")
    else:
        server = embedded.Postgres(home, {})
        stack.callback(server.leave)
        server.join()
        embedded.clean_up_after(home)
        os.environ["DATABASE_URL"] = server.url
        print(f"PostgreSQL: embedded, data in {server.data}")
    if os.environ.get("CELERY_BROKER_URL"):
        print("Redis: the broker of CELERY_BROKER_URL")
    else:
        os.environ["CELERY_BROKER_URL"] = stack.enter_context(embedded.redis(home))
        print(f"Redis: embedded ({embedded.redis_binary()})", flush=True)


def commands(home: Path, *, gpus: int, demo: bool) -> list[Command]:
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "-A", "workers"]
    gunicorn = [python, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "config.wsgi"]
    beat = [*celery, "beat", "--loglevel", "WARNING", "-s", str(home / "celerybeat-schedule")]
    found = [
        Command("web", gunicorn),
        Command("default", [*celery, *worker("default", threads=4)]),
        Command("cpu", [*celery, *worker("cpu", threads=1)]),
        Command("beat", [*beat, "--pidfile", ""]),
    ]
    for index in range(gpus):
        arguments = [*celery, *worker("gpu", threads=1, number=index)]
        found.append(Command(f"gpu{index}", arguments, {"PALATE_DEVICE": str(index)}))
    if demo:
        found.append(Command("demo", [python, "manage.py", "demo"], finishes=True))
    return found


def worker(queue: str, *, threads: int, number: int | None = None) -> list[str]:
    """Threads, because a worker only watches: the work of a job is done by a child process of its own."""
    name = queue if number is None else f"{queue}{number}"
    options = (
        f"-Q {queue} -n {name}@%h --pool threads -c {threads} --loglevel WARNING --without-gossip --without-mingle"
    )
    return ["worker", *shlex.split(options)]


def gpu_count() -> int:
    """One worker a device. `nvidia-smi` is asked, not torch: the supervisor stays small."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines()) if done.returncode == 0 else 0
