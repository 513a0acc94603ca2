"""What must be true before the site can start here. Each problem is one sentence: what, where, what to do.

Standard library only: `make setup` runs this file before anything is installed, perhaps on a Python that is too old.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

GIB = 1024**3
LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 3 * GIB
LEAST_DISK = 3 * GIB
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def problems(*, home: Path, address: tuple[str, int] | None = None) -> list[str]:
    """Every problem of running from `home`, and of listening at `address` (host, port) if that is asked."""
    found = [python_problem(), folder_problem(home), memory_problem()]
    if found[1] is None:
        found.append(disk_problem(home))
    if address is not None:
        found.append(port_problem(*address))
    return [problem for problem in found if problem]


def python_problem(version: tuple[int, ...] = sys.version_info[:2]) -> str | None:
    if version >= LEAST_PYTHON:
        return None
    return (
        f"This is Python {version[0]}.{version[1]} and Palate needs 3.11 or newer: run `make clean setup PYTHON=...`."
    )


def port_problem(host: str, port: int) -> str | None:
    if not 0 < port < 65536:
        return f"PORT is {port}, which is no port: set PORT to a number from 1 to 65535."
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror:
        return f"HOST is {host!r}, which is no address of this machine: set HOST to 127.0.0.1 or 0.0.0.0."
    except PermissionError:
        return f"Port {port} may only be opened by root: start again with a port above 1023, such as PORT=8000."
    except OSError as error:
        if error.errno in {98, 48}:  # EADDRINUSE on Linux and on macOS
            return (
                f"Port {port} on {host} is in use: stop what uses it, or start again with another, such as PORT=8001."
            )
        return f"Port {port} on {host} cannot be opened ({error.strerror}): set HOST and PORT to others."
    return None


def folder_problem(home: Path) -> str | None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return None
    except OSError as error:
        return f"{home} cannot be written ({error.strerror}): allow this user to, or set PALATE_HOME to another folder."


def disk_problem(home: Path) -> str | None:
    free = shutil.disk_usage(home).free
    if free >= LEAST_DISK:
        return None
    return (
        f"{home} has {free / GIB:.1f} GB of disk left and Palate needs {LEAST_DISK // GIB} GB: "
        "free some, or set PALATE_HOME to a folder on another disk."
    )


def memory_problem() -> str | None:
    memory = memory_limit()
    # A machine sold as 3 GB shows a little less to its programs.
    if memory >= LEAST_MEMORY * 0.95:
        return None
    return (
        f"This machine gives Palate {memory / GIB:.1f} GB of memory and training needs {LEAST_MEMORY // GIB} GB: "
        "use a larger machine or raise the container's limit."
    )


def memory_limit() -> int:
    """Bytes of memory this process may use: the machine's, or the container's where that is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in CGROUP_LIMITS:
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit():  # "max" where there is no limit
            limits.append(int(text))
    return min(limits)


def port_from_environment() -> int:
    text = os.environ.get("PORT", "8000")
    try:
        return int(text)
    except ValueError:
        sys.exit(f"PORT is {text!r}, which is no number: set it to one from 1 to 65535, such as 8000.")


def address_from_environment() -> tuple[str, int]:
    return os.environ.get("HOST", "127.0.0.1"), port_from_environment()


if __name__ == "__main__":
    # The first argument is the folder to install in, `--site` says that the site is started afterwards.
    site = address_from_environment() if "--site" in sys.argv else None
    if found := problems(home=Path(sys.argv[1]), address=site):
        sys.exit("\n".join(found))
