import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from config import embedded, supervisor

ROOT = Path(__file__).resolve().parents[2]


def test_it_runs_web_workers_and_beat() -> None:
    assert names(gpus=0, demo=False) == ["web", "default", "cpu", "beat"]
    assert names(gpus=0, demo=True)[-1] == "demo"


def test_it_runs_one_worker_for_each_gpu() -> None:
    commands = {command.name: command for command in supervisor.commands(Path("/var"), gpus=2, demo=False)}
    assert commands["gpu0"].env == {"PALATE_DEVICE": "0"}
    assert commands["gpu1"].env == {"PALATE_DEVICE": "1"}


def names(*, gpus: int, demo: bool) -> list[str]:
    return [command.name for command in supervisor.commands(Path("/var"), gpus=gpus, demo=demo)]


def test_gpus_are_counted_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-1)'\necho 'GPU 1: H100 (UUID: GPU-2)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert supervisor.gpu_count() == 2
    program.write_text("#!/bin/sh\necho 'could not communicate with the driver'; exit 9\n")
    assert supervisor.gpu_count() == 0


def test_a_second_site_in_the_same_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with (
        supervisor.only_one(tmp_path),
        pytest.raises(embedded.EmbeddedError, match=f"already runs from {tmp_path} .process {os.getpid()}"),
        supervisor.only_one(tmp_path),
    ):
        pass


RUN = """
import sys
from pathlib import Path
from config import orphans, processes
from config.processes import Command
orphans.adopt_orphans()
# As a worker does with a job: a child in a session of its own, which ignores the polite signal.
left = "import subprocess, time; subprocess.Popen(['sh', '-c', 'trap : TERM; while :; do sleep 1; done'], " \\
       "start_new_session=True); time.sleep(60)"
wait = "import time; time.sleep(60)"
commands = [Command("web", [sys.executable, "-c", wait]), Command("worker", [sys.executable, "-c", left]),
            Command("demo", [sys.executable, "-c", f"print('shown'); raise SystemExit({DEMO})"], finishes=True)]
processes.PATIENCE = 3
sys.exit(processes.run(commands, address="http://127.0.0.1:9", cwd=Path.cwd()))
"""


def start(demo_ends_with: int) -> subprocess.Popen[str]:
    code = textwrap.dedent(RUN).replace("{DEMO}", str(demo_ends_with))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended without {text!r}")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 20
    while any(is_alive(p) for p in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.engine
@pytest.mark.parametrize(("demo_ends_with", "said", "code"), [(0, "The demo is done", 0), (3, "The demo failed", 1)])
def test_the_site_outlives_the_demo_and_a_signal_stops_everything(demo_ends_with: int, said: str, code: int) -> None:
    process = start(demo_ends_with)
    read_until(process, said)
    family = psutil.Process(process.pid).children(recursive=True)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == code
    assert wait_until_gone(family)


@pytest.mark.engine
def test_one_that_ends_by_itself_takes_the_site_down_with_a_failure() -> None:
    process = start(0)
    read_until(process, "The demo is done")
    family = psutil.Process(process.pid).children(recursive=True)
    next(p for p in family if p.name().startswith("python") and p.ppid() != process.pid).terminate()
    process.communicate()
    assert process.returncode == 1
    assert wait_until_gone(family)
