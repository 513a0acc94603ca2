"""Runs on several devices: two processes on the CPU, started and ended by the real supervisor as on two GPUs."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from django.db import connection
from safetensors.torch import load_file

from accounts.models import Project, User
from registry import jobs
from registry.models import Job, Metric, ModelVersion
from registry.specs import SPECS
from tests.factories import make_model
from tests.workers.engine import log_of
from tests.workers.test_train_kinds import TRAINING, TYPES, make_dataset
from tests.workers.tiny import make_tiny_model
from workers import accelerate_config, checkpoints
from workers.errors import JobError
from workers.supervisor import Supervisor

pytest.importorskip("trl", reason="the engine is not installed: pip install -c constraints.txt -e '.[trl]'")
Status = Job.Status
RUNNER = [sys.executable, "-m", "workers.runner"]
TWO = {**TRAINING, "engine": "trl", "devices": 2, "micro_batch": 1, "precision": "float32", "sample_prompts": 0}
with_jobs = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def home(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, process_env: dict[str, str]) -> Path:
    """Of this process and of those that it starts."""
    monkeypatch.setenv("PALATE_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", process_env["DATABASE_URL"])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings.ARTIFACTS = tmp_path / "artifacts"
    settings.JOB_STOP_GRACE_SECONDS = 60
    return tmp_path


@pytest.fixture
def base(project: Project, home: Path) -> ModelVersion:
    make_tiny_model(home / "artifacts" / "models" / "base")
    return make_model(project, "base")


def asked(project: Project, user: User, kind: str = "train_dpo", **params: Any) -> Job:
    jobs.request_job(project=project, kind=kind, params={**TWO, **params}, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    return job


def supervised(job: Job, meanwhile: Callable[[Supervisor], None] = lambda supervisor: None) -> Job:
    """`meanwhile` is called in a thread of its own while the run goes on."""
    supervisor = Supervisor(job)
    over = threading.Event()

    def beside() -> None:
        try:
            meanwhile(supervisor)
        finally:
            connection.close()
            over.set()

    thread = threading.Thread(target=beside)
    thread.start()
    supervisor.run()
    thread.join()
    job.refresh_from_db()
    return job


def when(condition: Callable[[], Any], patience: float = 120) -> Any:
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def steps_of(job: Job) -> int:
    return Metric.objects.filter(job=job, name="loss").count()


def processes_of(supervisor: Supervisor) -> list[psutil.Process]:
    """The launcher, and what it has started."""
    launcher = psutil.Process(supervisor.child.process.pid)
    return [launcher, *launcher.children(recursive=True)]


def weights_of(model: ModelVersion) -> dict[str, torch.Tensor]:
    return load_file(next(model.folder.glob("*.safetensors")))


def alive(processes: list[psutil.Process]) -> list[int]:
    def lives(one: psutil.Process) -> bool:
        try:
            return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [one.pid for one in processes if lives(one)]


class TestOnTwoProcesses:
    pytestmark = with_jobs

    @pytest.mark.parametrize(("kind", "method"), [("train_dpo", "lora"), ("train_sft", "full")])
    def test_they_train_what_one_does_and_one_of_them_speaks(
        self, project: Project, researcher: User, base: ModelVersion, home: Path, kind: str, method: str
    ) -> None:
        make_dataset(project, *TYPES[kind], home / "artifacts")
        rate = {"method": method, "learning_rate": 2e-3, "checkpoint_every": 6, "eval_every": 6}
        two = supervised(asked(project, researcher, kind, **rate))
        assert two.status == Status.SUCCEEDED, (two.error, log_of(two))
        one = supervised(asked(project, researcher, kind, **rate, devices=1))
        found = [
            dict(Metric.objects.filter(job=job, name="loss").values_list("step", "value")) for job in (two, one)
        ]  # fmt: skip
        assert set(found[0]) == set(range(1, 19)) and found[0] == pytest.approx(found[1], abs=1e-4)
        models = [ModelVersion.objects.get(job=job) for job in (two, one)]
        assert models[0].metrics["loss"]["value"] == pytest.approx(models[1].metrics["loss"]["value"], abs=1e-3)
        for name, weight in weights_of(models[1]).items():
            assert torch.allclose(weights_of(models[0])[name], weight, atol=1e-4), name
        said = log_of(two)
        assert len([line for line in said if line.startswith("train: 12 rows read")]) == 1
        assert sum("on 2 devices (ddp): 1 rows at once, 2 times a step" in line for line in said) == 1
        kept = checkpoints.newest_first(two.folder / "checkpoints")
        assert [path.name for path in kept] == ["step-12", "step-6"]
        for path in kept:
            checkpoints.verify(path)

    def test_a_stop_is_saved_once_and_gone_on_from(
        self, project: Project, researcher: User, base: ModelVersion, home: Path
    ) -> None:
        make_dataset(project, "preference", "pairs", home / "artifacts")
        params = {"epochs": 50, "checkpoint_every": 1000, "eval_every": 1000, "learning_rate": 1e-4}

        def stop(supervisor: Supervisor) -> None:
            when(lambda: steps_of(supervisor.job) >= 2)
            jobs.request_cancel(supervisor.job, researcher)

        job = supervised(asked(project, researcher, **params), stop)
        assert job.status == Status.CANCELLED, (job.error, log_of(job))
        (kept,) = checkpoints.newest_first(job.folder / "checkpoints")
        checkpoints.verify(kept)
        assert 2 <= int(kept.name.removeprefix("step-")) < 150
        jobs.resume_job(job, researcher)
        again = jobs.claim("cpu", worker="test")
        assert again is not None
        job = supervised(again)
        assert job.status == Status.SUCCEEDED and f"Going on from {kept.name}" in log_of(job)
        assert steps_of(job) == 150

    @pytest.mark.parametrize("victim", ["group", "launcher", "first", "second"])
    def test_a_kill_leaves_nothing_running_and_the_job_goes_back_to_the_queue(
        self, project: Project, researcher: User, base: ModelVersion, home: Path, victim: str
    ) -> None:
        make_dataset(project, "preference", "pairs", home / "artifacts")
        found: list[psutil.Process] = []

        def kill(supervisor: Supervisor) -> None:
            when(lambda: steps_of(supervisor.job) >= 2)
            found.extend(processes_of(supervisor))
            launcher = found[0]
            ranks = {one.environ().get("RANK"): one for one in found[1:] if one.ppid() == launcher.pid}
            assert set(ranks) == {"0", "1"}
            match victim:
                case "group":
                    os.killpg(launcher.pid, signal.SIGKILL)
                case "launcher":
                    launcher.kill()
                case "first":
                    ranks["0"].kill()
                case "second":
                    ranks["1"].kill()

        job = supervised(asked(project, researcher, epochs=50, checkpoint_every=1000), kill)
        assert alive(found) == []
        assert job.status == Status.QUEUED, (job.error, log_of(job))
        assert not ModelVersion.objects.filter(job=job).exists()

    def test_what_is_wrong_in_all_of_them_is_said_once(
        self, project: Project, researcher: User, base: ModelVersion, home: Path
    ) -> None:
        make_dataset(project, "preference", "pairs", home / "artifacts", weight=0.5)
        job = supervised(asked(project, researcher))
        assert job.status == Status.FAILED
        assert job.error.startswith("12 pairs have a weight of their own")

    def test_a_worker_with_too_few_devices_says_so_before_it_starts_one(
        self, project: Project, researcher: User, base: ModelVersion, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workers.presence.gpus", lambda: [{"name": "a GPU"}])
        job = supervised(asked(project, researcher))
        assert job.status == Status.FAILED
        assert job.error.startswith("The run asks for 2 devices, and this worker sees 1.")
        assert not (job.folder / "attempt-1").exists()


def command(tmp_path: Path, *, gpus: int = 4, kind: str = "train_dpo", **params: Any) -> list[str]:
    class Asked:
        pk, attempt, folder = 7, 2, tmp_path

    one: Any = Asked()
    one.params, one.kind = params, kind
    return accelerate_config.command_of(one, RUNNER, gpus=gpus)


def test_one_device_is_started_without_a_launcher(tmp_path: Path) -> None:
    assert command(tmp_path) == command(tmp_path, devices=1) == [*RUNNER, "7", "2"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"strategy": "ddp"}, {"distributed_type": "MULTI_GPU", "mixed_precision": "no"}),
        ({"strategy": "fsdp", "method": "full", "precision": "bfloat16"},
         {"distributed_type": "FSDP", "mixed_precision": "bf16"}),
        ({"strategy": "ddp", "method": "lora", "precision": "bfloat16"}, {"mixed_precision": "no"}),
    ],
)  # fmt: skip
def test_the_launcher_reads_its_settings_in_the_folder_of_the_run(
    tmp_path: Path, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = command(tmp_path, devices=4, **params)
    path = tmp_path / "attempt-2" / "accelerate.yaml"
    assert found[:5] == [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--config_file"]
    assert found[5:] == [str(path), "--module", "workers.runner", "7", "2"]
    config = yaml.safe_load(path.read_text())
    assert config["num_processes"] == 4 and config["use_cpu"] is False
    assert expected.items() <= config.items()
    assert ("fsdp_config" in config) == (params["strategy"] == "fsdp")


def test_deepspeed_gets_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    for strategy, stage in (("deepspeed_zero2", 2), ("deepspeed_zero3", 3)):
        config = accelerate_config.config_of(
            {"strategy": strategy, "method": "full"}, kind="train_sft", devices=2, on_cpu=False
        )
        assert config["distributed_type"] == "DEEPSPEED" and config["deepspeed_config"]["zero_stage"] == stage


@pytest.mark.parametrize(
    ("gpus", "strategy", "said"),
    [
        (2, "ddp", "asks for 4 devices, and this worker sees 2"),
        (0, "fsdp", "needs GPUs, and this worker sees none"),
        (4, "deepspeed_zero3", "need the package deepspeed, which this worker lacks"),
    ],
)
def test_what_a_worker_cannot_do_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, strategy: str, said: str
) -> None:
    there = accelerate_config.importlib.util.find_spec
    monkeypatch.setattr(
        accelerate_config.importlib.util, "find_spec", lambda name: None if name == "deepspeed" else there(name)
    )
    with pytest.raises(JobError, match=said):
        command(tmp_path, gpus=gpus, devices=4, strategy=strategy)


def test_a_narrowed_worker_sees_what_it_was_left() -> None:
    assert accelerate_config.visible(8, "0,1") == 2
    assert accelerate_config.visible(1, "0,1") == 1
    assert accelerate_config.visible(0, "") == 0
