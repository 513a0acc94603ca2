"""A judge from people's votes: dataset of verdicts -> judge model -> battles judged in both orders."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from annotate.models import Prompt, Response
from evaluate.models import Judgement
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_prompt, make_raters, make_task, make_vote
from tests.workers.tiny import make_tiny_model
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import build_dataset, judge, train_judge

pytestmark = pytest.mark.django_db(transaction=True)  # a dataset is read in a snapshot of its own
RUN = {"build_dataset": build_dataset.run, "train_judge": train_judge.run, "judge": judge.run}


@pytest.fixture(autouse=True)
def base(project: Project, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    return make_model(project, "base")


@pytest.fixture
def votes(project: Project) -> None:
    for number in range(12):
        task = make_task(project, f"p-{number:02}", texts=("Yes.", f"Well, it is a long story, number {number}."))
        (rater,) = make_raters(project, 1, prefix=task.prompt.key)
        make_vote(task, rater, 2)


def run(project: Project, user: User, kind: str, **params: Any) -> Job:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    RUN[kind](JobContext(job), parse(SPECS[kind].spec, job.params))  # type: ignore[operator]
    job.refresh_from_db()
    return job


def verdicts(project: Project, user: User, **recipe: Any) -> Dataset:
    params = {"rows": "judge_pairwise", "origins": ["human"], "held_out_share": 0.3, **recipe}
    run(project, user, "build_dataset", **params)
    return Dataset.objects.latest("pk")


def trained(project: Project, user: User, dataset: Dataset, **settings: Any) -> Job:
    return run(
        project, user, "train_judge", dataset=str(dataset), base="base", epochs=1, batch_size=4, micro_batch=2,
        lora_rank=2, max_tokens=1024, precision="float32", **settings,
    )  # fmt: skip


def sampled(project: Project, user: User, model: ModelVersion, name: str, text: str) -> Job:
    asked = Prompt.objects.filter(project=project, key__startswith="q-").order_by("key")
    prompts = list(asked) or [make_prompt(project, f"q-{number}") for number in range(3)]
    job = Job.objects.create(
        project=project, kind="sample", name=name, status="succeeded", queue="cpu", created_by=user, params={}
    )
    for number in range(3):
        Response.objects.create(
            prompt=prompts[number], text=f"{text} {number}", model=model, job=job, setting="t0",
            sample=0, finish_reason="stop",
        )  # fmt: skip
    return job


def test_a_judge_is_trained_measured_in_both_orders_and_judges(
    project: Project, researcher: User, base: ModelVersion, votes: None
) -> None:
    dataset = verdicts(project, researcher)
    job = trained(project, researcher, dataset)
    made = ModelVersion.objects.get(job=job)
    assert made.role == "judge" and made.parent == base and made.config["reasoned"] is False
    metrics = made.metrics
    assert metrics["both_orders_accuracy"]["n"] == metrics["consistency"]["n"] == metrics["accuracy"]["n"] / 2 > 0
    assert 0 <= metrics["first_slot"]["low"] <= metrics["first_slot"]["value"] <= metrics["first_slot"]["high"] <= 1
    first = sampled(project, researcher, base, "sample-1", "Yes")
    second = sampled(project, researcher, base, "sample-2", "No")
    done = run(project, researcher, "judge", first=first.name, second=second.name, judge_model=made.name)
    judgements = list(Judgement.objects.filter(job=done))
    assert len(judgements) == 3 and done.result[f"win_rate_by_{made.name}"] is not None
    for one in judgements:
        given, swapped = (one.readings[order]["probabilities"] for order in ("given", "swapped"))
        tie = (given["C"] + swapped["C"]) / 2
        assert one.score_first == pytest.approx((given["A"] + swapped["B"]) / 2 + tie / 2, abs=1e-5)
        assert one.score_first + one.score_second == pytest.approx(1, abs=1e-5)
        assert one.judge_kind == "judge_model" and one.judge_model == made


def test_any_language_model_can_be_asked(project: Project, researcher: User, base: ModelVersion) -> None:
    first = sampled(project, researcher, base, "sample-1", "Yes")
    second = sampled(project, researcher, base, "sample-2", "No")
    done = run(
        project, researcher, "judge", first=first.name, second=second.name, judge_model="base", criterion="Brevity."
    )
    assert Judgement.objects.filter(job=done, judge_name="base", judge_model=base).count() == 3


def test_rows_that_are_no_verdicts_are_refused(project: Project, researcher: User, votes: None) -> None:
    dataset = verdicts(project, researcher, rows="pairs")
    with pytest.raises(JobError, match=r"holds no verdicts\. Build a dataset with the recipe"):
        trained(project, researcher, dataset)
    assert not ModelVersion.objects.filter(role="judge").exists()


def test_questions_that_are_too_long_are_counted(project: Project, researcher: User, votes: None) -> None:
    dataset = verdicts(project, researcher)
    with pytest.raises(JobError, match=r"No verdict of .* fits into 64 tokens\. Raise max_tokens\."):
        run(project, researcher, "train_judge", dataset=str(dataset), base="base", max_tokens=64)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("B", train_judge.Verdict("", ("A", "B", "C"), 1)),
        ("Answer A. Short.\n\nVerdict: C", train_judge.Verdict("Answer A. Short.\n\nVerdict: ", ("A", "B", "C"), 2)),
        ("4", train_judge.Verdict("", ("1", "2", "3", "4", "5"), 3)),
        ("Fine.\n\nScore: 5", train_judge.Verdict("Fine.\n\nScore: ", ("1", "2", "3", "4", "5"), 4)),
        ("I cannot say.", None),
        ("Verdict: A, I think.", None),
    ],
)
def test_the_verdict_of_a_completion(completion: str, expected: train_judge.Verdict | None) -> None:
    assert train_judge.verdict_of(completion) == expected


def test_a_question_in_both_orders_is_one(project: Project) -> None:
    rows = [
        {"prompt": [{"role": "user", "content": f"<a>{one}</a> <b>{two}</b>"}], "prompt_key": "p", "feedback_ids": [1]}
        for one, two in (("Yes", "No"), ("No", "Yes"), ("No", "Perhaps"))
    ]
    first, swapped, other = (train_judge.question_of(row) for row in rows)
    assert first == swapped != other
