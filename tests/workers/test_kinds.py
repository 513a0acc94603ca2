"""Every kind of job, run in this process on a tiny random model: votes -> dataset -> models -> samples -> verdicts."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings as django_settings

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Feedback, Response
from evaluate.models import Judgement
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_prompt, make_raters, make_task, make_vote
from tests.workers.tiny import make_tiny_model
from workers import sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import build_dataset, judge, sample, train_dpo, train_reward

pytestmark = pytest.mark.django_db(transaction=True)  # a dataset is read in a snapshot of its own
RUN = {
    "build_dataset": build_dataset.run, "sample": sample.run, "judge": judge.run,
    "train_reward": train_reward.run, "train_dpo": train_dpo.run,
}  # fmt: skip


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def base(project: Project, artifacts: Path) -> ModelVersion:
    make_tiny_model(artifacts / "models" / "base")
    return make_model(project, "base")


@pytest.fixture
def votes(project: Project) -> None:
    for number in range(16):
        task = make_task(project, f"p-{number:02}", texts=("Yes.", f"Well, it is a long story, number {number}."))
        (rater,) = make_raters(project, 1, prefix=task.prompt.key)
        make_vote(task, rater, 2)


def claimed(project: Project, user: User, kind: str, **params: Any) -> JobContext:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    return JobContext(job)


def run(context: JobContext) -> Job:
    spec = parse(SPECS[context.job.kind].spec, context.job.params)
    RUN[context.job.kind](context, spec)  # type: ignore[operator]
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


@pytest.fixture
def dataset(project: Project, researcher: User, votes: None) -> Dataset:
    run(claimed(project, researcher, "build_dataset", held_out_share=0.4, seed=1))
    return Dataset.objects.get()


TRAINING = {"dataset": "prefs-v1", "base": "base", "lora_rank": 2, "batch_size": 4, "eval_every": 1}


def test_a_dataset_holds_every_vote_that_it_used(dataset: Dataset) -> None:
    rows = [row for split in ("train", "held_out") for row in sources.rows_of(dataset, split)]
    assert len(rows) == 16
    assert {pk for row in rows for pk in row["feedback_ids"]} == set(Feedback.objects.values_list("pk", flat=True))
    assert DatasetFeedback.objects.filter(dataset=dataset).count() == 16
    assert rows[0]["chosen"] == [{"role": "assistant", "content": "Yes."}]
    assert dataset.rows == {"train": pq.read_metadata(dataset.folder / "train.parquet").num_rows,
                            "held_out": pq.read_metadata(dataset.folder / "held_out.parquet").num_rows}  # fmt: skip


def test_the_same_votes_give_the_same_hash_and_the_next_version(
    project: Project, researcher: User, dataset: Dataset
) -> None:
    run(claimed(project, researcher, "build_dataset", held_out_share=0.4, seed=1))
    again = Dataset.objects.exclude(pk=dataset.pk).get()
    assert (again.version, again.content_hash) == (2, dataset.content_hash)


def test_no_votes_is_a_sentence(project: Project, researcher: User) -> None:
    with pytest.raises(JobError, match="leaves no row"):
        run(claimed(project, researcher, "build_dataset"))
    assert not Dataset.objects.exists()


def test_a_reward_model_is_published_with_its_figures(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    job = run(claimed(project, researcher, "train_reward", **TRAINING))
    model = ModelVersion.objects.get(job=job)
    assert (model.role, model.parent, model.dataset) == ("reward", base, dataset)
    accuracy = model.metrics["accuracy"]
    assert accuracy["n"] == dataset.rows["held_out"]
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    assert len(model.metrics["held_out_pairs"]) == accuracy["n"]
    assert set(model.manifest) >= {"adapter_config.json", "adapter_model.safetensors"}


@pytest.mark.parametrize("engine", ["shared_prefix", "plain"])
def test_a_policy_says_how_it_read_its_prompts(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset, artifacts: Path, engine: str
) -> None:
    said: list[str] = []
    for _ in range(2):
        context = claimed(project, researcher, "train_dpo", **TRAINING, engine=engine)
        context._send = lambda event: said.append(event.get("text", ""))
        run(context)
    assert ("Each prompt is read once for both of its responses" in said) == (engine == "shared_prefix")
    # The second run finds what the first one measured.
    assert any("known from earlier runs" in text for text in said)
    assert list((artifacts / "reference-log-probs").glob("*/*.npz"))


def test_the_whole_loop(project: Project, researcher: User, base: ModelVersion, dataset: Dataset) -> None:
    reward = run(claimed(project, researcher, "train_reward", **TRAINING))
    tuned = run(claimed(project, researcher, "train_dpo", **TRAINING))
    decoding = [{"name": "plain", "max_new_tokens": 6, "samples": 2}]
    samples = [
        run(claimed(project, researcher, "sample", model=name, dataset="prefs-v1", decoding=decoding)).name
        for name in (tuned.name, "base")
    ]
    judged = run(
        claimed(
            project, researcher, "judge", first=samples[0], second=samples[1], reward_model=reward.name,
            hidden_preference="concise",
        )
    )  # fmt: skip
    prompts = {row["prompt_key"] for row in sources.rows_of(dataset, "held_out")}
    assert Response.objects.filter(job__name=samples[0]).count() == 2 * len(prompts)
    assert Judgement.objects.filter(job=judged).count() == 2 * 2 * len(prompts)
    for verdict in Judgement.objects.select_related("first", "second"):
        assert verdict.first.prompt_id == verdict.second.prompt_id
        assert verdict.outcome == (verdict.score_first > verdict.score_second) + 0.5 * (
            verdict.score_first == verdict.score_second
        )


def test_sampling_goes_on_where_it_stopped(
    project: Project, researcher: User, base: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        make_prompt(project, f"p-{number}")
    params = {"model": "base", "split": "all", "batch_size": 2, "decoding": [{"max_new_tokens": 4}]}
    whole = run(claimed(project, researcher, "sample", **params))
    expected = dict(Response.objects.filter(job=whole).values_list("prompt__key", "text"))

    cut = claimed(project, researcher, "sample", **params)
    calls = iter([None, None])

    def stop_at_third() -> None:
        if next(calls, Stopped) is Stopped:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(cut, "check_stop", stop_at_third)
        with pytest.raises(Stopped):
            run(cut)
    assert Response.objects.filter(job=cut.job).count() == 4
    run(cut)
    assert dict(Response.objects.filter(job=cut.job).values_list("prompt__key", "text")) == expected


def test_a_prompt_that_is_too_long_is_named(project: Project, researcher: User, base: ModelVersion) -> None:
    make_prompt(project, "the-long-one", messages=[{"role": "user", "content": "word " * 200}])
    with pytest.raises(JobError, match="the-long-one"):
        run(claimed(project, researcher, "sample", model="base", split="all", max_prompt_tokens=32))


def test_missing_weights_are_a_sentence(project: Project, researcher: User) -> None:
    make_model(project, "gone")
    make_prompt(project)
    with pytest.raises(JobError, match="Restore them from a backup"):
        run(claimed(project, researcher, "sample", model="gone", split="all"))


def test_a_reward_model_does_not_stand_on_an_adapter(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    tuned = run(claimed(project, researcher, "train_dpo", **TRAINING))
    context = claimed(project, researcher, "train_reward", **TRAINING)
    context.job.params["base"] = tuned.name
    with pytest.raises(JobError, match="is an adapter"):
        run(context)


def test_artifacts_lie_in_the_folder_of_their_attempt(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    job = run(claimed(project, researcher, "train_dpo", **TRAINING))
    model = ModelVersion.objects.get(job=job)
    assert model.folder == Path(django_settings.ARTIFACTS) / f"job-{job.pk}" / "attempt-1" / "model"


def test_margins_are_used_only_when_asked_for(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    losses = {}
    for wanted in (False, True):
        job = run(claimed(project, researcher, "train_reward", **TRAINING, use_margin=wanted, learning_rate=1e-9))
        losses[wanted] = ModelVersion.objects.get(job=job).metrics["loss"]["value"]
    assert losses[False] == pytest.approx(0.6931, abs=1e-3), "equal scores, no margin: ln 2"
    assert losses[True] > 2, "equal scores are far from a margin of 2"


def test_a_policy_does_not_learn_from_ties(project: Project, researcher: User, base: ModelVersion, votes: None) -> None:
    task = make_task(project, "tied", texts=("One thing.", "Another thing."), wanted=2)
    for rater, preference in zip(make_raters(project, 2, prefix="tied"), (1, -1), strict=True):
        make_vote(task, rater, preference)
    run(claimed(project, researcher, "build_dataset", held_out_share=0, ties="keep"))
    sent: list[dict[str, Any]] = []
    for kind in ("train_dpo", "train_reward"):
        context = claimed(project, researcher, kind, **TRAINING)
        context._send = sent.append
        run(context)
    told = [event["text"] for event in sent if event["type"] == "log" and event["text"].startswith("train: ")]
    assert told == [
        "train: 17 rows read, 16 used; left out: 1 that are ties, which say nothing about what to write",
        "train: 17 rows read, 17 used",
    ]


def test_answers_at_different_settings_are_not_compared(project: Project, researcher: User, base: ModelVersion) -> None:
    make_prompt(project)
    names = [
        run(
            claimed(project, researcher, "sample", model="base", split="all",
                    decoding=[{"max_new_tokens": 4, "temperature": temperature}])
        ).name
        for temperature in (0.2, 1.5)
    ]  # fmt: skip
    with pytest.raises(JobError, match="sample both alike"):
        run(claimed(project, researcher, "judge", first=names[0], second=names[1], hidden_preference="concise"))


def test_what_was_written_in_chats_is_not_sampled_by_default(
    project: Project, researcher: User, base: ModelVersion
) -> None:
    make_prompt(project, "given")
    make_prompt(project, "chat-1/1", origin="chat")
    run(claimed(project, researcher, "sample", model="base", split="all", decoding=[{"max_new_tokens": 4}]))
    assert set(Response.objects.values_list("prompt__key", flat=True)) == {"given"}
