"""Merging an adapter: the merged model computes what the adapter did, and training goes on from it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from accounts.models import Project, User
from registry import jobs
from registry.models import Job, ModelVersion
from registry.references import base_named
from registry.specs import MergeSpec, parse
from tests.factories import make_model
from tests.workers.tiny import make_tiny_model
from workers import checkpoints, modeling, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import merge

pytestmark = pytest.mark.django_db(transaction=True)
ASK = [{"role": "user", "content": "How do I cook beans?"}]


@pytest.fixture
def adapter(project: Project, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path
    folder = make_tiny_model(tmp_path / "models" / "base")
    base = make_model(project, "base")
    model = modeling.add_lora(modeling.load_policy(folder), rank=4, seed=1)
    with torch.no_grad():  # a new adapter changes nothing: its B is zero
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(2))
    modeling.save_adapter(model, tmp_path / "models" / "tuned")
    return make_model(project, "tuned", format="adapter", parent=base)


def merged(project: Project, user: User, **params: Any) -> Job:
    jobs.request_job(project=project, kind="merge", params=params, user=user)
    job = jobs.claim("cpu", worker="test")
    assert job is not None
    spec = parse(MergeSpec, job.params)
    assert isinstance(spec, MergeSpec)
    merge.run(JobContext(job), spec)
    job.refresh_from_db()
    return job


def logits(model: ModelVersion) -> torch.Tensor:
    loaded, tokenizer = sources.policy_and_tokenizer(model, device="cpu", precision="float32")
    ids = torch.tensor([modeling.prompt_ids(tokenizer, ASK)])
    with torch.inference_mode():
        return torch.as_tensor(loaded(input_ids=ids).logits)


def test_it_computes_what_the_adapter_did(project: Project, researcher: User, adapter: ModelVersion) -> None:
    job = merged(project, researcher, model="tuned")
    made = ModelVersion.objects.get(job=job)
    assert (made.format, made.parent, made.role) == ("full", adapter, "policy")
    assert torch.allclose(logits(made), logits(adapter), atol=1e-5)
    assert adapter.parent is not None
    assert not torch.allclose(logits(made), logits(adapter.parent), atol=1e-2), "the adapter made no difference"
    assert made.manifest == checkpoints.manifest_of(made.folder)
    assert base_named(project, made.name) == made, "training may go on from it"


def test_half_the_bytes(project: Project, researcher: User, adapter: ModelVersion) -> None:
    whole = ModelVersion.objects.get(job=merged(project, researcher, model="tuned"))
    half = ModelVersion.objects.get(job=merged(project, researcher, model="tuned", dtype="bfloat16"))
    sizes = [(one.folder / "model.safetensors").stat().st_size for one in (half, whole)]
    assert sizes[0] < 0.6 * sizes[1]
    assert (logits(half) - logits(whole)).abs().max() < 0.05


def test_what_is_whole_is_not_merged(project: Project, researcher: User, adapter: ModelVersion) -> None:
    with pytest.raises(JobError, match="base is no adapter"):
        merged(project, researcher, model="base")
    with pytest.raises(JobError, match="There is no model gone"):
        merged(project, researcher, model="gone")
    assert not ModelVersion.objects.filter(format="full", job__isnull=False).exists()
