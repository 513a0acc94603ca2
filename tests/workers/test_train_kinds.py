"""The kinds of training, run as jobs on a tiny model with datasets of every type of rows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from accounts.models import Project, User
from annotate import services
from annotate.models import Prompt, Response, ResponseScore
from curate.rows import ROW_TYPES
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_prompt
from tests.workers.tiny import make_tiny_model, make_tokenizer
from workers import modeling, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import (
    build_dataset,
    sample,
    score,
    train_dpo,
    train_edits,
    train_group,
    train_joint,
    train_kto,
    train_reward,
    train_sft,
)
from workers.jobs.train_kto import weights_of

pytestmark = pytest.mark.django_db(transaction=True)
RUN: dict[str, Any] = {
    "build_dataset": build_dataset.run, "sample": sample.run, "score": score.run, "train_dpo": train_dpo.run,
    "train_reward": train_reward.run, "train_sft": train_sft.run, "train_kto": train_kto.run,
    "train_joint": train_joint.run, "train_group": train_group.run, "train_edits": train_edits.run,
}  # fmt: skip
TRAINING = {"dataset": "rows-v1", "base": "base", "lora_rank": 4, "batch_size": 4, "learning_rate": 1e-2, "epochs": 6}
TYPES = {
    "train_sft": ("sft", "edited"), "train_kto": ("unpaired", "unpaired"), "train_joint": ("joint", "joint"),
    "train_group": ("group", "ampo"), "train_edits": ("edit", "figa"), "train_dpo": ("preference", "pairs"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def base(project: Project, artifacts: Path) -> ModelVersion:
    make_tiny_model(artifacts / "models" / "base")
    return make_model(project, "base")


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def columns_of(row_type: str, number: int) -> dict[str, Any]:
    prompt = [{"role": "user", "content": f"Question {number}?"}]
    good, bad = "Yes." + "!" * (number % 3), "Perhaps, perhaps" + " not" * (number % 2)
    tokenizer, eos = make_tokenizer(), 2
    original, revised = (tokenizer(text, add_special_tokens=False).input_ids for text in (bad, good))
    return {
        "sft": {"prompt": prompt, "completion": said(good), "weight": 1.0, "task": "answer"},
        "unpaired": {"prompt": prompt, "completion": said((good, bad)[number % 2]), "label": number % 2 == 0},
        "joint": {
            "prompt_chosen": prompt, "chosen": said(good), "rejected": said(bad), "margin": 1.0, "tie": False,
            "prompt_rejected": [{"role": "user", "content": f"Another {number}?"}],
        },
        "group": {
            "prompt": prompt, "responses": ["Unasked.", good, bad, "No."], "scores": [0.5, 1.0, 0.2, 0.1],
            "positive": [1], "negative": [2, 3], "weights": [1.0] * 4,
        },
        "edit": {
            "prompt": prompt, "original": bad, "revised": good,
            "original_ids": [*original, eos], "original_weights": [*[-0.5] * len(original), 0.0],
            "revised_ids": [*revised, eos], "revised_weights": [1.0] * (len(revised) + 1), "tokenizer": "base",
        },
        "preference": {
            "prompt": prompt, "chosen": said(good), "rejected": said(bad), "margin": 1.0, "strength": 2.0,
            "disagreement": 0.0, "weight": 1.0, "tie": False, "chosen_finished": True, "rejected_finished": True,
        },
    }[row_type]  # fmt: skip


def make_dataset(project: Project, row_type: str, recipe: str, artifacts: Path, **values: Any) -> Dataset:
    rows = 12
    job = Job.objects.create(
        project=project, kind="build_dataset", name="data-9", params={}, queue="default", status="succeeded"
    )
    folder = artifacts / "rows"
    folder.mkdir(parents=True)
    schema = ROW_TYPES[row_type].schema
    for split, numbers in {"train": range(rows), "held_out": range(rows, rows + 6)}.items():
        found = [
            {"prompt_key": f"p-{n}", "lang": "en", "source": recipe, "models": [], "seed": 0, "raters": 1,
             "simulated": 0, "feedback_ids": [], **columns_of(row_type, n), **values}
            for n in numbers
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(found, schema=schema), folder / f"{split}.parquet")
    return Dataset.objects.create(
        project=project, job=job, name="rows", version=1, recipe={"rows": recipe}, path="rows",
        content_hash=hashlib.sha256(row_type.encode()).hexdigest(), rows={"train": rows, "held_out": 6},
    )  # fmt: skip


def start(project: Project, user: User, kind: str, **params: Any) -> tuple[JobContext, list[dict[str, Any]]]:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    sent: list[dict[str, Any]] = []
    return JobContext(job, send=sent.append), sent


def run(context: JobContext) -> Job:
    RUN[context.job.kind](context, parse(SPECS[context.job.kind].spec, context.job.params))
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


def curve(sent: list[dict[str, Any]], name: str) -> list[float]:
    return [one["values"][name] for one in sent if one["type"] == "metrics" and name in one["values"]]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_rows_trains_a_policy_that_is_better_than_before(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str, method: str
) -> None:
    dataset = make_dataset(project, *TYPES[kind], artifacts)
    rate = 2e-3 if method == "full" else 1e-2
    context, sent = start(
        project, researcher, kind, **{**TRAINING, "method": method, "learning_rate": rate, "checkpoint_every": 6}
    )
    model = ModelVersion.objects.get(job=run(context))
    held_out = curve(sent, "held_out_loss")
    assert held_out[-1] < held_out[0]
    assert (model.parent, model.dataset, model.role) == (base, dataset, "policy")
    assert model.format == ("adapter" if method == "lora" else "full")
    assert model.metrics["loss"]["value"] == pytest.approx(held_out[-1]) and model.metrics["loss"]["n"] == 6
    if kind != "train_sft":
        assert model.metrics["accuracy"]["value"] > 0.9 and len(model.metrics["held_out_pairs"]) == 6
    assert ("kl" in model.metrics) == (kind in ("train_dpo", "train_kto", "train_joint", "train_group"))
    assert {"loss", "grad_norm", "learning_rate", "tokens_per_s", "memory_mb"} <= {
        name for one in sent if one["type"] == "metrics" for name in one["values"]
    }
    shown = [one for one in sent if one["type"] == "sample"]
    assert {one["prompt"] for one in shown} == {"Question 12?", "Question 13?"}
    assert {one["step"] for one in shown} == {6, 12, 18}
    loaded, _ = sources.policy_and_tokenizer(model, device="cpu", precision="float32")
    assert loaded is not None


@pytest.mark.parametrize("kind", TYPES)
def test_a_dataset_of_other_rows_is_refused_with_the_recipes_that_would_do(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str
) -> None:
    row_type, recipe = TYPES["train_joint" if kind == "train_sft" else "train_sft"]
    make_dataset(project, row_type, recipe, artifacts)
    context, _ = start(project, researcher, kind, **TRAINING)
    with pytest.raises(JobError, match=rf"rows-v1 holds rows of the type {row_type} .* one of: .*{TYPES[kind][1]}"):
        run(context)


def test_edits_of_another_tokenizer_are_refused(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "edit", "figa", artifacts, revised_ids=[9, 8, 2])
    context, _ = start(project, researcher, "train_edits", **TRAINING)
    with pytest.raises(JobError, match="tokens of base, and base reads others"):
        run(context)


def test_the_reference_is_the_merged_start_model_when_an_adapter_is_trained_on(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    first = ModelVersion.objects.get(job=run(start(project, researcher, "train_dpo", **TRAINING)[0]))
    context, sent = start(project, researcher, "train_dpo", **TRAINING)
    context.job.params["base"] = first.name
    second = ModelVersion.objects.get(job=run(context))
    # Against its own start it begins at ln 2 and at no divergence; against the base it would begin below.
    assert curve(sent, "held_out_loss")[0] == pytest.approx(0.6931, abs=1e-3)
    assert curve(sent, "held_out_kl")[0] == pytest.approx(0.0, abs=1e-6)
    assert (second.parent, second.format) == (first, "full")
    started, tokenizer = sources.policy_and_tokenizer(first, device="cpu", precision="float32")
    spec = parse(SPECS["train_dpo"].spec, context.job.params)
    merged = sources.policy_to_train(first, spec).float()  # type: ignore[arg-type]
    row = torch.tensor([modeling.prompt_ids(tokenizer, [{"role": "user", "content": "Well?"}])])
    with torch.no_grad():
        assert torch.allclose(started(row).logits, merged(row).logits, atol=1e-2)
        assert not torch.allclose(modeling.load_policy(base.folder)(row).logits, merged(row).logits, atol=1e-2)


def test_patience_stops_a_run_early(project: Project, researcher: User, base: ModelVersion, artifacts: Path) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, sent = start(project, researcher, "train_dpo", **TRAINING, eval_every=1, patience=2)
    assert run(context).result["steps"] < 18
    assert len(curve(sent, "loss")) < 18


def test_a_mixture_of_losses_is_asked_for_as_text_or_as_a_mapping(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, _ = start(project, researcher, "train_dpo", **TRAINING, mixture="dpo: 0.8, orpo: 0.2")
    assert ModelVersion.objects.get(job=run(context)).config["mixture"] == {"dpo": 0.8, "orpo": 0.2}


def test_good_and_bad_answers_are_balanced_by_their_counts() -> None:
    spec: Any = parse(SPECS["train_kto"].spec, {"dataset": "x", "base": "y"})
    for good, bad in ((10, 10), (12, 10), (30, 10), (10, 30), (1, 100)):
        weights = weights_of(spec, good=good, bad=bad)
        assert 1 - 1e-9 <= weights[0] * good / (weights[1] * bad) <= 4 / 3 + 1e-9
        assert min(weights) == 1.0
    with pytest.raises(ValueError, match="leave one of them at 1 or empty"):
        parse(SPECS["train_kto"].spec, {"dataset": "x", "base": "y", "good_weight": 2, "bad_weight": 3})


def test_a_round_on_policy(project: Project, researcher: User, base: ModelVersion, artifacts: Path) -> None:
    """Four samples a prompt, scored by a reward model, those far apart paired, and the policy trained on the pairs."""
    make_dataset(project, "preference", "pairs", artifacts)
    reward = run(start(project, researcher, "train_reward", **TRAINING)[0])
    for number in range(6):
        make_prompt(project, f"q-{number}")
    decoding = [{"max_new_tokens": 8, "samples": 4, "temperature": 1.0}]
    run(start(project, researcher, "sample", model="base", split="all", decoding=decoding)[0])
    for prompt in Prompt.objects.all():
        written = list(prompt.responses.order_by("sample"))
        for pair in (written[:2], written[2:]):
            services.create_task(prompt=prompt, responses=pair)
    run(start(project, researcher, "score", model=reward.name)[0])
    assert ResponseScore.objects.count() == Response.objects.filter(job__kind="sample").count() == 24
    built = run(
        start(project, researcher, "build_dataset", name="round", rows="rs_dpo", held_out_share=0.3,
              options={"eta": 0.51, "most_pairs": 4})[0]
    )  # fmt: skip
    context, sent = start(project, researcher, "train_dpo", **{**TRAINING, "dataset": built.result["dataset"]})
    assert ModelVersion.objects.get(job=run(context)).dataset == Dataset.objects.get(name="round")
    assert curve(sent, "loss")[-1] < curve(sent, "loss")[0]
