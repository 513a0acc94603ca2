"""What several devices do on real GPUs: every strategy from launch to a published model. `make test-gpu` runs them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from accounts.models import Project, User
from registry.models import Job, Metric, ModelVersion
from tests.factories import make_model
from tests.workers.engine import log_of
from tests.workers.test_accelerate import asked, home, supervised, weights_of
from tests.workers.test_train_kinds import TYPES, make_dataset
from tests.workers.tiny import make_tiny_model
from workers import sources

__all__ = ["home"]
pytest.importorskip("trl", reason="the engine is not installed: pip install -c constraints.txt -e '.[trl]'")
pytestmark = [
    pytest.mark.gpu, pytest.mark.engine, pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs"),
]  # fmt: skip
DEEPSPEED = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="needs the package deepspeed")


@pytest.fixture
def base(project: Project, home: Path) -> ModelVersion:
    make_tiny_model(home / "artifacts" / "models" / "base")
    return make_model(project, "base")


@pytest.mark.parametrize(
    ("strategy", "method"),
    [
        ("ddp", "lora"), ("ddp", "full"), ("fsdp", "full"),
        pytest.param("deepspeed_zero2", "lora", marks=DEEPSPEED),
        pytest.param("deepspeed_zero2", "full", marks=DEEPSPEED),
        pytest.param("deepspeed_zero3", "full", marks=DEEPSPEED),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["train_dpo", "train_sft"])
def test_a_strategy_trains_what_one_gpu_does(
    project: Project, researcher: User, base: ModelVersion, home: Path, kind: str, strategy: str, method: str
) -> None:
    make_dataset(project, *TYPES[kind], home / "artifacts")
    params: dict[str, Any] = {"method": method, "learning_rate": 2e-3, "checkpoint_every": 6, "eval_every": 6}
    two = supervised(asked(project, researcher, kind, **params, strategy=strategy))
    assert two.status == Job.Status.SUCCEEDED, (two.error, log_of(two))
    one = supervised(asked(project, researcher, kind, **params, devices=1))
    found = [dict(Metric.objects.filter(job=job, name="loss").values_list("step", "value")) for job in (two, one)]
    assert len(found[0]) == 18 and found[0] == pytest.approx(found[1], abs=1e-3)
    models = [ModelVersion.objects.get(job=job) for job in (two, one)]
    for name, weight in weights_of(models[1]).items():
        assert torch.allclose(weights_of(models[0])[name], weight, atol=1e-3), name
    sources.policy_and_tokenizer(models[0], device="cuda", precision="float32")
