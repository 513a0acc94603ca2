"""train_reward from votes to a model: its settings, an ensemble and its opinion of the pairs, and who takes it up."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from annotate.models import Response, ResponseScore, Task, TaskResponse
from curate import strengths
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, SpecError, TrainRewardSpec, parse
from tests.factories import make_model, make_prompt, make_raters, make_task, make_vote
from tests.workers.test_reward_heads import bert, make_encoder
from tests.workers.tiny import make_tiny_model
from workers import modeling, sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import build_dataset, merge, score, train_dpo, train_reward
from workers.jobs.strengths import votes_margin

pytestmark = pytest.mark.django_db(transaction=True)  # a dataset is read in a snapshot of its own
RUN = {
    "train_dpo": train_dpo.run,
    "build_dataset": build_dataset.run,
    "train_reward": train_reward.run,
    "score": score.run,
    "merge": merge.run,
}
SETTINGS = {
    "dataset": "prefs-v1", "base": "base", "lora_rank": 2, "batch_size": 4, "epochs": 2, "learning_rate": 1e-2,
    "precision": "float32", "checkpoint_every": 1, "eval_every": 100,
}  # fmt: skip


@pytest.fixture(autouse=True)
def base(project: Project, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    return make_model(project, "base")


@pytest.fixture
def dataset(project: Project, researcher: User) -> Dataset:
    """Short answers win but in four tasks, whose labels are likely wrong."""
    for number in range(16):
        task = make_task(project, f"p-{number:02}", texts=("Yes.", f"Well, it is a long story, number {number}."))
        (rater,) = make_raters(project, 1, prefix=task.prompt.key)
        make_vote(task, rater, -2 if number in (1, 3, 8, 12) else 2)
    run(claimed(project, researcher, "build_dataset", held_out_share=0.3, seed=1))
    return Dataset.objects.get()


def claimed(project: Project, user: User, kind: str, **params: Any) -> JobContext:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    return JobContext(job)


def run(context: JobContext) -> Job:
    RUN[context.job.kind](context, parse(SPECS[context.job.kind].spec, context.job.params))  # type: ignore[operator]
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


def trained(project: Project, user: User, **params: Any) -> tuple[ModelVersion, list[str]]:
    said: list[str] = []
    context = claimed(project, user, "train_reward", **{**SETTINGS, **params})
    context._send = lambda event: said.append(event.get("text", ""))
    return ModelVersion.objects.get(job=run(context)), said


def test_settings_that_do_not_go_together_are_refused() -> None:
    for wrong, sentence in (
        ({"ensemble": 2, "method": "full"}, "made of adapters"),
        ({"margin_from": "ensemble"}, "needs strength_model"),
        ({"flip_share": 0.6, "soft_share": 0.6}, "more than all pairs"),
        ({"ensemble": 9}, "ensemble"),
        ({"label_smoothing": 0.5}, "label_smoothing"),
    ):
        with pytest.raises(SpecError, match=sentence):
            parse(TrainRewardSpec, {"dataset": "d", "base": "b", **wrong})


def test_label_smoothing_and_centering_reach_the_loss(project: Project, researcher: User, dataset: Dataset) -> None:
    """At a learning rate that changes nothing rewards are 0, so smoothing shows in what training makes of them."""
    plain, _ = trained(project, researcher)
    smoothed, _ = trained(project, researcher, label_smoothing=0.3)
    centred, _ = trained(project, researcher, centering=1.0)
    losses = [model.metrics["loss"]["value"] for model in (plain, smoothed, centred)]
    assert len(set(losses)) == 3
    assert (smoothed.config["label_smoothing"], centred.config["centering"]) == (0.3, 1.0)


def test_an_ensemble_is_one_model_with_an_opinion_of_every_pair(
    project: Project, researcher: User, dataset: Dataset
) -> None:
    model, _ = trained(project, researcher, ensemble=3)
    assert {f"member-{number}/adapter_config.json" for number in (1, 2, 3)} <= set(model.manifest)
    accuracies = [model.metrics[name] for name in ("accuracy", *(f"accuracy_member_{n}" for n in (1, 2, 3)))]
    assert all(one["n"] == dataset.rows["held_out"] and one["low"] <= one["value"] <= one["high"] for one in accuracies)
    assert strengths.models_of(dataset) == [model]
    found = strengths.read(model)
    assert [(one.split, one.row) for one in found] == [
        (split, row) for split in ("train", "held_out") for row in range(dataset.rows[split])
    ]
    reward, tokenizer = sources.reward_and_tokenizer(model, device="cpu", precision="float32")
    rows = [row for split in ("train", "held_out") for row in sources.rows_of(dataset, split)]
    for one, row in zip(found, rows, strict=True):
        assert one.key == strengths.key_of(row) and one.prompt_key == row["prompt_key"]
        chosen, rejected = modeling.reward_scores(
            reward, tokenizer,
            [modeling.Conversation(row["prompt"], row[side][0]["content"]) for side in ("chosen", "rejected")],
        )  # fmt: skip
        assert one.strength == pytest.approx(chosen - rejected, abs=1e-4)
        assert one.strength == pytest.approx(sum(one.differences) / 3) and one.deviation > 0
    margins = dict(model.metrics["held_out_pairs"])
    assert margins == {one.prompt_key: one.strength for one in found if one.split == "held_out"}


def test_a_stopped_ensemble_goes_on_where_it_was(project: Project, researcher: User, dataset: Dataset) -> None:
    whole, _ = trained(project, researcher, ensemble=2)
    context = claimed(project, researcher, "train_reward", **SETTINGS, ensemble=2)
    asked = iter(range(1000))
    context.should_stop = lambda: next(asked) == 8  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run(context)
    said: list[str] = []
    again = JobContext(context.job, send=lambda event: said.append(event.get("text", "")))
    model = ModelVersion.objects.get(job=run(again))
    assert "Member 2 of 2, with the seed 1" in said and not any("Member 1" in text for text in said)
    assert {name: one["sha256"] for name, one in model.manifest.items() if name.endswith("safetensors")} == {
        name: one["sha256"] for name, one in whole.manifest.items() if name.endswith("safetensors")
    }


def test_scores_of_responses_are_the_ensembles_mean(project: Project, researcher: User, dataset: Dataset) -> None:
    model, _ = trained(project, researcher, ensemble=2)
    task = Task.objects.create(project=project, prompt=make_prompt(project, "open"))
    for position, text in enumerate(("Yes.", "No, but then again perhaps.")):
        response = Response.objects.create(prompt=task.prompt, text=text, finish_reason="stop")
        TaskResponse.objects.create(task=task, response=response, position=position)
    run(claimed(project, researcher, "score", model=model.name))
    reward, tokenizer = sources.reward_and_tokenizer(model, device="cpu", precision="float32")
    for stored in ResponseScore.objects.filter(response__prompt=task.prompt):
        item = modeling.Conversation(task.prompt.messages, stored.response.text)
        assert [stored.score] == pytest.approx(modeling.reward_scores(reward, tokenizer, [item]), abs=1e-4)


def test_weak_labels_are_flipped_or_softened_by_an_ensemble(
    project: Project, researcher: User, dataset: Dataset
) -> None:
    ensemble, _ = trained(project, researcher, ensemble=2, epochs=1.5)
    train = [one for one in strengths.read(ensemble) if one.split == "train"]
    weak = [one for one in train if one.strength < 0]
    assert weak, "the labels of some tasks are the other way round"
    share = len(weak) / len(train)
    model, said = trained(
        project, researcher, strength_model=ensemble.name, flip_share=share, soft_share=0.25, use_margin=True,
        margin_from="ensemble",
    )  # fmt: skip
    [line] = [text for text in said if text.startswith("Labels by")]
    assert f"{len(weak)} flipped" in line and f"{round(0.25 * len(train))} softened" in line
    kept, _ = trained(project, researcher, strength_model=ensemble.name, flip_share=0, soft_share=0)
    untouched, _ = trained(project, researcher)
    assert kept.metrics["loss"] == untouched.metrics["loss"] != model.metrics["loss"]


def test_a_policy_takes_up_the_same_opinion(project: Project, researcher: User, dataset: Dataset) -> None:
    ensemble, _ = trained(project, researcher, ensemble=2, epochs=1.5)
    train = [one for one in strengths.read(ensemble) if one.split == "train"]
    weak = [one for one in train if one.strength < 0]
    told: list[str] = []
    context = claimed(
        project, researcher, "train_dpo", **SETTINGS, strength_model=ensemble.name,
        flip_share=len(weak) / len(train), soft_share=0.25, sample_prompts=0,
    )  # fmt: skip
    context._send = lambda event: told.append(event.get("text", ""))
    run(context)
    [line] = [text for text in told if text.startswith("Labels by")]
    assert f"{len(weak)} flipped" in line and f"{round(0.25 * len(train))} softened" in line


def test_a_single_model_has_no_opinion(project: Project, researcher: User, dataset: Dataset) -> None:
    single, _ = trained(project, researcher)
    with pytest.raises(JobError, match=r"is a single reward model.*ensemble 2"):
        trained(project, researcher, strength_model=single.name)


def test_an_opinion_that_was_changed_on_disk_is_not_read(
    project: Project, researcher: User, dataset: Dataset, settings: Any
) -> None:
    model, _ = trained(project, researcher, ensemble=2)
    path = Path(settings.ARTIFACTS) / model.config["strengths"]["path"]
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(strengths.StrengthsMissing, match="not the file"):
        strengths.read(model)


@pytest.mark.parametrize(
    ("raters", "disagreement", "margin"),
    [(1, 0.0, 0.6931472), (4, 0.0, 1.6094379), (4, 0.5, 0.0), (3, 1 / 3, 0.4054651), (0, 0.0, 0.0), (2, None, 0.0)],
)
def test_the_margin_of_votes_is_their_log_odds(raters: int, disagreement: float | None, margin: float) -> None:
    """Four of four with a vote more on each side: ln(5/1)."""
    assert votes_margin({"raters": raters, "disagreement": disagreement}) == pytest.approx(margin, abs=1e-6)


def test_a_margin_from_disagreement_is_trained_with(project: Project, researcher: User, dataset: Dataset) -> None:
    """With rewards of 0 the loss of a pair is -log sigmoid(-margin); one rater each is a margin of ln 2."""
    model, _ = trained(project, researcher, use_margin=True, margin_from="disagreement", learning_rate=1e-9)
    assert model.metrics["loss"]["value"] == pytest.approx(1.0986123, abs=1e-4)  # ln 3


def test_an_encoder_is_trained_and_scores(project: Project, researcher: User, dataset: Dataset, settings: Any) -> None:
    make_encoder(Path(settings.ARTIFACTS) / "models" / "bert", bert())
    make_model(project, "bert")
    model, said = trained(project, researcher, base="bert")
    assert "bert reads 160 tokens at most, so longer rows than that are left out" in said
    reward, tokenizer = sources.reward_and_tokenizer(model, device="cpu", precision="float32")
    row = next(sources.rows_of(dataset, "held_out"))
    chosen, rejected = modeling.reward_scores(
        reward, tokenizer,
        [modeling.Conversation(row["prompt"], row[side][0]["content"]) for side in ("chosen", "rejected")],
    )  # fmt: skip
    margins = [margin for key, margin in model.metrics["held_out_pairs"] if key == row["prompt_key"]]
    assert margins == pytest.approx([chosen - rejected], abs=1e-4) and chosen != rejected


def test_an_ensemble_is_not_merged_into_one_of_its_members(
    project: Project, researcher: User, dataset: Dataset
) -> None:
    model, _ = trained(project, researcher, ensemble=2)
    with pytest.raises(JobError, match="ensemble of 2 adapters"):
        run(claimed(project, researcher, "merge", model=model.name))
    assert not ModelVersion.objects.filter(parent=model).exists()
