import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import psutil
import psycopg
import pytest
from django.db import connection

from config import embedded

ROOT = Path(__file__).resolve().parents[2]
JOIN_AND_WAIT = """
import sys
from pathlib import Path
from config import embedded
folder = Path(sys.argv[1])
if "watched" in sys.argv:
    embedded.clean_up_after(folder)
print(embedded.postgres(folder, extra=embedded.FAST_AND_FORGETFUL), flush=True)
sys.stdin.read()
"""


def user_of_postgres(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    return subprocess.Popen(
        [sys.executable, "-c", JOIN_AND_WAIT, str(folder), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def address_from(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_running(folder: Path) -> bool:
    return embedded.Postgres(folder, {})._process() is not None


def wait_until_stopped(folder: Path) -> bool:
    deadline = time.monotonic() + 30
    while is_running(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not is_running(folder)


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    """One cluster for the file; every test starts and stops its server."""
    with tempfile.TemporaryDirectory(prefix="palate-embedded-") as name:
        user_of_postgres(Path(name)).communicate("")
        yield Path(name)


@pytest.fixture
def folder(shared_folder: Path) -> Path:
    assert wait_until_stopped(shared_folder)
    return shared_folder


def test_the_tests_have_a_real_postgresql(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 150000


def test_the_server_stops_when_its_last_user_leaves(folder: Path) -> None:
    first = user_of_postgres(folder)
    url = address_from(first)
    second = user_of_postgres(folder)
    assert address_from(second) == url
    first.communicate("")
    assert is_running(folder)
    second.communicate("")
    assert not is_running(folder)


def test_its_address_is_one_that_django_understands(folder: Path) -> None:
    process = user_of_postgres(folder)
    settings = dj_database_url.parse(address_from(process))
    assert settings["NAME"] == "palate"
    with psycopg.connect(host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"]) as open_connection:
        assert open_connection.execute("SHOW max_connections").fetchone() == ("200",)
    process.communicate("")


def test_a_killed_user_leaves_no_server_behind(folder: Path) -> None:
    process = user_of_postgres(folder, "watched")
    address_from(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_until_stopped(folder)


def test_a_process_id_that_is_now_somebody_elses_does_not_stop_the_start(folder: Path) -> None:
    """After a power cut postmaster.pid names a process that may live again as something else, such as this test."""
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'postgres'}\n")
    process = user_of_postgres(folder)
    assert address_from(process).startswith("postgresql://")
    process.communicate("")


def test_a_folder_with_other_files_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(embedded.EmbeddedError, match="Move it away"):
        embedded.postgres(tmp_path)


def test_redis_lives_as_long_as_its_block(tmp_path: Path) -> None:
    import redis

    with embedded.redis(tmp_path) as url:
        path = url.removeprefix("redis+socket://")
        assert redis.Redis(unix_socket_path=path).ping()
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert not Path(path).exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if path in (process.info["cmdline"] or [])]


def test_socket_paths_are_short_however_long_the_folder_is() -> None:
    folder = Path("/srv") / ("very-long-name-" * 12)
    assert len(str(embedded.redis_socket(folder))) < 100
    assert embedded.redis_url(folder) == embedded.redis_url(folder / "sub" / "..")


@pytest.mark.parametrize("command", ["check", "collectstatic", "makemigrations", "help", "up"])
def test_commands_without_database_start_nothing(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    embedded.ensure_for_command(["manage.py", command])
    assert "DATABASE_URL" not in os.environ


def test_commands_use_the_server_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example.org/palate")
    embedded.ensure_for_command(["manage.py", "migrate"])
    assert os.environ["DATABASE_URL"] == "postgresql://db.example.org/palate"
