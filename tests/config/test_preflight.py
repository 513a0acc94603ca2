import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from config import preflight

Usage = namedtuple("Usage", "total used free")


def test_a_good_machine_has_no_problems(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    assert preflight.problems(home=tmp_path, address=("127.0.0.1", free_port)) == []


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        problem = preflight.port_problem("127.0.0.1", port)
    assert problem == (
        f"Port {port} on 127.0.0.1 is in use: stop what uses it, or start again with another, such as PORT=8001."
    )


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 0), ("127.0.0.1", 70000), ("no such host", 8000)])
def test_an_impossible_address_is_explained(host: str, port: int) -> None:
    problem = preflight.port_problem(host, port)
    assert problem is not None
    assert "set " in problem


def test_a_port_that_is_no_number_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SystemExit, match="PORT is 'http', which is no number"):
        preflight.port_from_environment()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    problem = preflight.folder_problem(tmp_path / "file" / "var")
    assert problem is not None
    assert str(tmp_path / "file" / "var") in problem
    assert "PALATE_HOME" in problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_missing_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in (preflight.folder_problem(tmp_path) or "")


def test_too_little_disk_is_said_with_the_amount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10 * preflight.GIB, 0, preflight.GIB))
    assert "has 1.0 GB of disk left and Palate needs 3 GB" in (preflight.disk_problem(tmp_path) or "")


def test_the_limit_of_a_container_counts_as_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2 * preflight.GIB}\n")
    monkeypatch.setattr(preflight, "CGROUP_LIMITS", (str(limit),))
    assert "gives Palate 2.0 GB of memory" in (preflight.memory_problem() or "")
    limit.write_text("max\n")
    assert preflight.memory_limit() > 2 * preflight.GIB


def test_an_old_python_is_named() -> None:
    assert "This is Python 3.9 and Palate needs 3.11" in (preflight.python_problem((3, 9)) or "")
