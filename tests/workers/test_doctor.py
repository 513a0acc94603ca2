"""The data doctor: what it finds in rows that were made wrong on purpose, and its page."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_raters, make_task, make_vote
from tests.workers.tiny import make_tiny_model
from workers import doctor
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import build_dataset
from workers.jobs import doctor as doctor_job
from workers.modeling import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(make_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def row(chosen: str = "Yes.", rejected: str = "No, never.", prompt: str = "Well?", **columns: Any) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}], "rejected": [{"role": "assistant", "content": rejected}],
        "chosen_finished": True, "rejected_finished": True, **columns,
    }  # fmt: skip


def found(tokenizer: Any, rows: list[dict[str, Any]], held_out: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    splits = {
        "train": doctor.examine_split(tokenizer, rows, max_tokens=120),
        "held_out": doctor.examine_split(tokenizer, held_out or [], max_tokens=120),
    }
    return doctor.report(tokenizer, splits, max_tokens=120)


def said(report: dict[str, Any], level: str) -> str:
    return " | ".join(words for one, words in report["findings"] if one == level)


def test_sound_rows_are_good(tokenizer: Any) -> None:
    rows = [row("Yes, indeed.", f"Yes, indee{n}", prompt=f"Is it {n}?") for n in range(4)]
    report = found(tokenizer, rows, [row(prompt="Another?")])
    assert not said(report, "bad") and not said(report, "warn")
    assert "All 4 rows fit into 120 tokens" in said(report, "good") and "No prompt is in both" in said(report, "good")
    assert report["splits"]["train"]["eos"] == {"one": 8}
    assert report["splits"]["train"]["tokens"] > 0


def test_ends_of_turns_are_counted(tokenizer: Any) -> None:
    eos = tokenizer.eos_token
    rows = [row(rejected_finished=False), row(f"Yes{eos} and no", "No.")]
    report = found(tokenizer, rows)
    assert report["splits"]["train"]["eos"] == {"one": 2, "none": 1, "inside": 1}
    assert f"1 of 4 texts hold {eos} before their end" in said(report, "warn")


def test_a_template_that_begins_twice_is_bad(tokenizer: Any) -> None:
    kept = tokenizer.chat_template
    tokenizer.chat_template = "{{ bos_token }}{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    try:
        report = found(tokenizer, [row()])
    finally:
        tokenizer.chat_template = kept
    assert "2 of 2 texts begin with <|im_start|> twice" in said(report, "bad")


def test_what_is_left_out_is_counted_and_refused_over_five_percent(tokenizer: Any) -> None:
    rows = [row(prompt=f"Is it {n}?") for n in range(17)] + [row("x" * 200), row("Same.", "Same."), row("", "No.")]
    report = found(tokenizer, rows)
    # the empty text still ends its turn, so it is one token and learned
    assert report["splits"]["train"]["left_out"] == {"too_long": 1, "same": 1}
    assert "would be left out" in said(report, "bad") and "Raise max_tokens, or tick allow_left_out" in said(
        report, "bad"
    )
    few = found(tokenizer, [row(prompt=f"Is it {n}?") for n in range(30)] + [row("x" * 200)])
    assert not said(few, "bad") and "1 of 31 rows are left out: 1 longer than max_tokens" in said(few, "warn")


def test_prompts_in_both_splits_and_repeated_rows_are_told(tokenizer: Any) -> None:
    report = found(tokenizer, [row(), row(), row(prompt="Other?")], [row("Maybe.", "No.")])
    assert report["both_splits"] == 1 and "1 prompts are in both splits" in said(report, "warn")
    assert report["splits"]["train"]["repeated"] == 1


def test_a_skew_in_length_is_told(tokenizer: Any) -> None:
    report = found(tokenizer, [row("A long and winding answer.", "No.", prompt=f"Is it {n}?") for n in range(20)])
    assert "Chosen is the longer one in 100% of 20 rows" in said(report, "warn")


def test_samples_mark_what_is_learned(tokenizer: Any) -> None:
    side = found(tokenizer, [row()])["splits"]["train"]["samples"][0]["sides"][0]
    learned = "".join(text for _, text, is_learned in side["tokens"] if is_learned)
    assert learned == "Yes." + tokenizer.eos_token
    assert side["prompt"] == sum(not is_learned for *_, is_learned in side["tokens"])


# --- The job and its page -------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(project: Project, researcher: User, tmp_path: Path, settings: Any) -> Dataset:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    make_model(project, "base")
    for number in range(12):
        task = make_task(project, f"p-{number:02}", texts=("Yes.", f"Well, it is a long story, number {number}."))
        (rater,) = make_raters(project, 1, prefix=task.prompt.key)
        make_vote(task, rater, 2)
    jobs.request_job(project=project, kind="build_dataset", params={"held_out_share": 0.3}, user=researcher)
    job = jobs.claim("default", worker="test")
    assert job is not None
    build_dataset.run(JobContext(job), parse(SPECS["build_dataset"].spec, job.params))  # type: ignore[arg-type]
    return Dataset.objects.get()


def examined(kind: str = "cpu") -> Job:
    job = jobs.claim(kind, worker="test")
    assert job is not None
    doctor_job.run(JobContext(job), parse(SPECS["doctor"].spec, job.params))  # type: ignore[arg-type]
    job.refresh_from_db()
    return job


@pytest.mark.django_db(transaction=True)
def test_the_page_says_what_will_be_read(
    project: Project, researcher_client: Client, outsider_client: Client, dataset: Dataset
) -> None:
    form = {"dataset": str(dataset), "base": "base"}
    asked = researcher_client.post("/p/helpful/launch/train_dpo/examine/", form)
    assert asked.status_code == 302
    waiting = researcher_client.get(asked["Location"]).content.decode()
    assert "Waiting for a worker" in waiting
    again = researcher_client.post("/p/helpful/launch/train_dpo/examine/", form)
    assert again["Location"] == asked["Location"] and Job.objects.filter(kind="doctor").count() == 1
    job = examined()
    assert job.status == "succeeded" and job.result["bad"] == 0
    page = researcher_client.get(asked["Location"]).content.decode()
    assert "What it will cost" in page and "As the model reads it" in page and "No prompt is in both splits" in page
    assert "nobody knows its speed" in page
    assert outsider_client.get(asked["Location"]).status_code in {403, 404}
    assert not ModelVersion.objects.filter(job=job).exists()


@pytest.mark.django_db(transaction=True)
def test_wrong_settings_are_told_and_ask_for_nothing(
    project: Project, researcher_client: Client, dataset: Dataset
) -> None:
    answer = researcher_client.post("/p/helpful/launch/train_dpo/examine/", {"dataset": "none-v1", "base": "base"})
    assert answer.status_code == 422 and "There is no dataset none-v1" in answer.content.decode()
    assert researcher_client.post("/p/helpful/launch/sample/examine/", {}).status_code == 404
    assert not Job.objects.filter(kind="doctor").exists()


@pytest.mark.django_db(transaction=True)
def test_a_report_that_is_gone_is_told(project: Project, researcher_client: Client, dataset: Dataset) -> None:
    asked = researcher_client.post("/p/helpful/launch/train_dpo/examine/", {"dataset": str(dataset), "base": "base"})
    job = examined()
    path = job.folder / f"attempt-{job.attempt}" / doctor_job.FILE
    assert json.loads(path.read_text())["dataset"] == str(dataset)
    path.unlink()
    assert "The report of this examination is gone" in researcher_client.get(asked["Location"]).content.decode()


def test_only_trainings_are_examined(project: Project) -> None:
    with pytest.raises(JobError, match="sample is no kind of training"):
        doctor_job.training_of(parse(SPECS["doctor"].spec, {"kind": "sample", "params": {}}))  # type: ignore[arg-type]
