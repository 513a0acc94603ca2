"""Engine trl: TRL's trainers through the same jobs, on the same tokens, with the same curves and results as ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from accounts.models import Project, User
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import SPECS, SpecError, parse
from tests.factories import make_model
from tests.workers.test_train_kinds import TRAINING, TYPES, curve, make_dataset, run, start
from tests.workers.tiny import make_tiny_model
from workers import sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.trl_engine import recipe

pytest.importorskip("trl", reason="the engine is not installed: pip install -c constraints.txt -e '.[trl]'")
pytestmark = pytest.mark.django_db(transaction=True)
KINDS = {kind: TYPES[kind] for kind in ("train_dpo", "train_sft", "train_kto")} | {
    "train_reward": ("preference", "pairs")
}
TRL = {**TRAINING, "engine": "trl", "precision": "float32", "sample_prompts": 0}
OWN = {
    "train_dpo": "plain", "train_sft": "own", "train_kto": "own", "train_reward": "own",
}  # fmt: skip


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def base(project: Project, artifacts: Path) -> ModelVersion:
    make_tiny_model(artifacts / "models" / "base")
    return make_model(project, "base")


def weights_of(model: ModelVersion) -> dict[str, torch.Tensor]:
    return {
        name: weight for path in sorted(model.folder.glob("*.safetensors")) for name, weight in load_file(path).items()
    }


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", ["train_dpo", "train_sft", "train_reward"])
def test_both_engines_take_the_same_steps(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str, method: str
) -> None:
    """18 steps over six epochs: losses, learning rates and gradients step by step, and the weights at the end."""
    make_dataset(project, *KINDS[kind], artifacts)
    found, weights = {}, {}
    for engine in ("trl", OWN[kind]):
        rate = 2e-3 if method == "full" else 1e-2
        asked = {**TRL, "engine": engine, "method": method, "learning_rate": rate, "eval_every": 6, "micro_batch": 4}
        context, sent = start(project, researcher, kind, **asked)
        model = ModelVersion.objects.get(job=run(context))
        names = ["loss", "learning_rate", "grad_norm", "held_out_loss"] + ["accuracy", "margin"] * (kind != "train_sft")
        found[engine] = {name: curve(sent, name) for name in names}
        weights[engine] = weights_of(model)
        assert model.format == ("adapter" if method == "lora" else "full") and model.metrics["loss"]["n"] == 6
    own = OWN[kind]
    assert len(found["trl"]["loss"]) == 18 and found["trl"]["loss"][-1] < found["trl"]["loss"][0]
    if "accuracy" in found[own]:  # where nothing is learned yet both rewards are equal: half right to us, wrong to TRL
        assert (found[own]["accuracy"].pop(0), found["trl"]["accuracy"].pop(0)) == (0.5, 0.0)
    for name, values in found[own].items():
        # TRL's held-out loss of texts is a mean over batches of their means over tokens; ours is over tokens.
        rough = name == "grad_norm" or (kind == "train_sft" and name == "held_out_loss")
        assert found["trl"][name] == pytest.approx(values, abs=1e-3 if rough else 1e-4), name
    assert weights["trl"].keys() == weights[own].keys()
    for name, weight in weights[own].items():
        assert torch.allclose(weights["trl"][name], weight, atol=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_makes_is_what_our_own_loop_makes(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str
) -> None:
    dataset = make_dataset(project, *KINDS[kind], artifacts)
    asked = {**TRL, "checkpoint_every": 6, "sample_prompts": 0 if kind == "train_reward" else 2}
    if kind == "train_reward":
        del asked["sample_prompts"]
    context, sent = start(project, researcher, kind, **asked)
    model = ModelVersion.objects.get(job=run(context))
    held_out = curve(sent, "held_out_loss")
    assert held_out[-1] < held_out[0]
    assert (model.parent, model.dataset, model.format) == (base, dataset, "adapter")
    assert model.metrics["loss"]["value"] == pytest.approx(held_out[-1])
    assert {"loss", "grad_norm", "learning_rate", "tokens_per_s", "memory_mb"} <= {
        name for one in sent if one["type"] == "metrics" for name in one["values"]
    }
    if kind != "train_sft":
        assert model.metrics["accuracy"]["value"] > 0.9 and len(model.metrics["held_out_pairs"]) == 6
    assert ("kl" in model.metrics) == (kind in ("train_dpo", "train_kto"))
    shown = [one for one in sent if one["type"] == "sample"]
    assert {one["step"] for one in shown} == (set() if kind == "train_reward" else {6, 12, 18})
    if kind == "train_reward":
        sources.reward_and_tokenizer(model, device="cpu", precision="float32")
    else:
        sources.policy_and_tokenizer(model, device="cpu", precision="float32")
    assert not [path for path in model.folder.rglob("*") if "ref" in path.parts]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_to_the_same_weights(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str, method: str
) -> None:
    """Stopped inside the third epoch; resumed by another attempt, as after a dead worker."""
    make_dataset(project, *KINDS[kind], artifacts)
    asked = {**TRL, "method": method, "learning_rate": 2e-3, "micro_batch": 2, "checkpoint_every": 50, "eval_every": 50}
    whole = ModelVersion.objects.get(job=run(start(project, researcher, kind, **asked)[0]))
    context, sent = start(project, researcher, kind, **asked)
    send = context._send

    def stop_after_six(event: dict[str, Any]) -> None:
        send(event)
        if event["type"] == "progress" and event["done"] == 6:
            context._stop.set()

    context._send = stop_after_six
    with pytest.raises(Stopped):
        run(context)
    assert [path.name for path in (context.job.folder / "checkpoints").iterdir()] == ["step-7"]
    assert not ModelVersion.objects.filter(job=context.job).exists()
    jobs.release(context.job)
    again = jobs.claim("cpu", worker="test")
    assert again is not None
    resumed = ModelVersion.objects.get(job=run(JobContext(again, send=sent.append)))
    assert [one["step"] for one in sent if one["type"] == "metrics" and "loss" in one["values"]] == list(range(1, 19))
    for name, weight in weights_of(whole).items():
        assert torch.allclose(weights_of(resumed)[name], weight, atol=1e-5), name


@pytest.mark.parametrize("objective", ["aot", "aot_unpaired", "bco_pair", "ipo", "robust"])
def test_losses_that_only_trl_has_and_some_that_both_have_train(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, objective: str
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, sent = start(project, researcher, "train_dpo", **TRL, objective=objective)
    model = ModelVersion.objects.get(job=run(context))
    assert curve(sent, "loss")[-1] < curve(sent, "loss")[0]
    assert model.config["objective"] == objective and model.config["engine"] == "trl"
    assert model.metrics["accuracy"]["value"] > 0.9


def test_a_mixture_with_fine_tuning_on_the_chosen_response(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, sent = start(project, researcher, "train_dpo", **TRL, mixture="dpo: 1, sft: 0.5")
    run(context)
    # ln 2 of DPO at the start, and half of the likelihood of bytes that nothing is known of yet.
    assert curve(sent, "loss")[0] > 0.6931 + 0.5 * 4


def test_a_loss_of_answers_without_the_estimate(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, *KINDS["train_kto"], artifacts)
    context, sent = start(project, researcher, "train_kto", **TRL, objective="apo_zero_unpaired")
    run(context)
    assert curve(sent, "held_out_loss")[-1] < curve(sent, "held_out_loss")[0]


def test_a_likelihood_weighed_by_the_tokens_probabilities(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    """At the start each of 259 tokens is about as likely as another: p ln(1 / p) is ln(259) / 259."""
    make_dataset(project, *KINDS["train_sft"], artifacts)
    context, sent = start(project, researcher, "train_sft", **TRL, objective="dft")
    run(context)
    assert curve(sent, "loss")[0] == pytest.approx(5.557 / 259, rel=0.2)


def test_patience_keeps_the_best_weights(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, sent = start(project, researcher, "train_dpo", **TRL, eval_every=1, patience=2)
    job = run(context)
    accuracy = curve(sent, "held_out_accuracy")
    assert job.result["steps"] < 18 and len(curve(sent, "loss")) == job.result["steps"]
    assert ModelVersion.objects.get(job=job).metrics["accuracy"]["value"] == pytest.approx(max(accuracy))


def test_the_reference_is_the_merged_start_model_when_an_adapter_is_trained_on(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    first = ModelVersion.objects.get(job=run(start(project, researcher, "train_dpo", **TRL)[0]))
    context, sent = start(project, researcher, "train_dpo", **TRL)
    context.job.params["base"] = first.name
    second = ModelVersion.objects.get(job=run(context))
    assert curve(sent, "held_out_loss")[0] == pytest.approx(0.6931, abs=1e-3)
    assert (second.parent, second.format) == (first, "full")


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        ("train_dpo", {"objective": "simpo"}, "engine trl does not have the loss simpo"),
        ("train_dpo", {"label_smoothing": 0.1}, "the dpo of TRL knows no label_smoothing"),
        ("train_dpo", {"objective": "exo_pair"}, "asks for a label_smoothing above 0"),
        ("train_kto", {"objective": "apo_zero_unpaired", "engine": "own"}, "only engine trl has the loss"),
        ("train_sft", {"objective": "dft", "engine": "own"}, "only engine trl has the loss dft"),
        ("train_reward", {"label_smoothing": 0.1, "ensemble": 2}, "has no label_smoothing, ensemble"),
        ("train_sft", {"devices": 2, "engine": "own"}, "only engine trl trains on several"),
        ("train_sft", {"devices": 3}, "batch of 4 rows cannot be dealt to 3 devices"),
        ("train_sft", {"devices": 2, "strategy": "fsdp"}, "Choose method full"),
        ("train_sft", {"devices": 2, "strategy": "fsdp", "method": "full", "patience": 2}, "patience keeps the best"),
    ],
)
def test_what_an_engine_does_not_have_is_said_in_the_form(kind: str, asked: dict[str, Any], said: str) -> None:
    values = {**TRAINING, "engine": "trl", **asked}
    with pytest.raises(SpecError, match=said):
        parse(SPECS[kind].spec, values)


def test_rows_of_different_weight_are_refused(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts, weight=0.5)
    context, _ = start(project, researcher, "train_dpo", **TRL)
    with pytest.raises(JobError, match=r"12 pairs have a weight of their own .* counts every row once"):
        run(context)


def test_a_loss_that_is_no_number_ends_the_run(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    path = artifacts / "models" / "base" / "model.safetensors"
    from safetensors.torch import save_file

    broken = {name: weight * torch.nan for name, weight in load_file(path).items()}
    save_file(broken, path, metadata={"format": "pt"})
    context, _ = start(project, researcher, "train_dpo", **TRL)
    with pytest.raises(JobError, match=r"loss is nan .* Nothing of it was published"):
        run(context)
    assert Job.objects.get(pk=context.job.pk).status == Job.Status.RUNNING


def test_without_trl_the_run_says_how_to_install_it(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(project, "preference", "pairs", artifacts)
    context, _ = start(project, researcher, "train_dpo", **TRL)
    found = recipe.importlib.util.find_spec
    monkeypatch.setattr(recipe.importlib.util, "find_spec", lambda name: None if name == "trl" else found(name))
    with pytest.raises(JobError, match=r"lacks trl\. .*pip install -c constraints.txt -e '\.\[trl\]'"):
        run(context)
