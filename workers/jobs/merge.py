"""Merge a LoRA adapter into its base: W + (alpha / r) B A (Hu et al. 2021, 2106.09685, 4.1), kept as a model."""

import shutil
from typing import Any

import torch
from django.conf import settings as django_settings

from registry.models import ModelVersion
from registry.specs import MergeSpec
from workers import heads, modeling, sources
from workers.context import JobContext
from workers.errors import JobError

SAME = 1e-4
"""Of the largest logit: the merged model may differ by so much in float32 and not more."""


def run(context: JobContext, spec: MergeSpec) -> None:
    version = ModelVersion.objects.filter(project=context.job.project, name=spec.model).first()
    if version is None:
        raise JobError(f"There is no model {spec.model} in {context.job.project}. It may have been deleted.")
    if version.format != ModelVersion.Format.ADAPTER:
        raise JobError(f"{version} is no adapter, so there is nothing to merge. Use it as it is.")
    context.progress(0, 3, f"Loading {version.name}")
    load = sources.reward_and_tokenizer if version.role == "reward" else sources.policy_and_tokenizer
    # Merged in float32 also where bfloat16 is written: what is rounded twice is not what was trained.
    model, tokenizer = load(version, device="cpu", precision="float32")
    if (members := len(heads.members_of(model))) > 1:
        raise JobError(f"{version} is an ensemble of {members} adapters, and a merged model is one. Use it as it is.")
    context.check_stop()
    context.progress(1, 3, "Merging")
    before = answer_of(model, tokenizer)
    merged = model.merge_and_unload()
    difference = float((answer_of(merged, tokenizer) - before).abs().max())
    if not difference <= SAME * max(1.0, float(before.abs().max())):
        raise JobError(
            f"The merged model differs from {version} by {difference:.2g}, so nothing was kept. "
            "Its adapter may be of a kind that cannot be merged: use it as an adapter."
        )
    context.check_stop()
    context.progress(2, 3, "Writing")
    folder = context.workdir / "model"
    shutil.rmtree(folder, ignore_errors=True)
    modeling.save_merged(merged.to(getattr(torch, spec.dtype)), tokenizer, folder)
    manifest = context.manifest_of(folder)
    with context.publish() as shown:
        made = ModelVersion.objects.create(
            project=context.job.project, name=context.job.name, role=version.role, format=ModelVersion.Format.FULL,
            path=str(folder.relative_to(django_settings.ARTIFACTS)), parent=version, job=context.job,
            config=spec.model_dump(mode="json"), manifest=manifest, code_version=sources.code_version(),
        )  # fmt: skip
        shown.update(model=made.name, merged=version.name, largest_difference=difference)


@torch.inference_mode()
def answer_of(model: Any, tokenizer: Any) -> torch.Tensor:
    """What the model computes for one question: the logits of each token, or the reward."""
    ids = modeling.prompt_ids(tokenizer, [{"role": "user", "content": "Which is better, and why?"}])
    return torch.as_tensor(model(input_ids=torch.tensor([ids])).logits).float()
