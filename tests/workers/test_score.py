"""score: the scores are the reward model's own, and a stopped job goes on where it was."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from accounts.models import Project
from annotate.models import Collection, Prompt, Response, ResponseScore, Task, TaskResponse
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_prompt
from tests.workers.tiny import make_tiny_model, make_tokenizer
from workers import modeling
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import score

pytestmark = pytest.mark.django_db(transaction=True)  # publishing may open a new connection


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def reward(project: Project, artifacts: Path) -> ModelVersion:
    folder = make_tiny_model(artifacts / "models" / "rm")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(0))
    model.save_pretrained(folder)
    return make_model(project, "rm", role="reward", config={"precision": "float32"})


def task_of(project: Project, texts: tuple[str, ...], **values: Any) -> Task:
    prompt = Prompt.objects.filter(project=project).first() or make_prompt(project)
    task = Task.objects.create(project=project, prompt=prompt, **values)
    for position, text in enumerate(texts):
        response = Response.objects.create(prompt=prompt, text=text, setting="plain")
        TaskResponse.objects.create(task=task, response=response, position=position)
    return task


def claimed(project: Project, **params: Any) -> JobContext:
    jobs.request_job(project=project, kind="score", params={"model": "rm", **params}, user=None)
    job = jobs.claim("cpu", worker="test")
    assert job is not None
    return JobContext(job)


def run(context: JobContext) -> Job:
    score.run(context, parse(SPECS["score"].spec, context.job.params))  # type: ignore[arg-type]
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


def test_scores_are_the_models_own(project: Project, reward: ModelVersion) -> None:
    for number in range(4):
        task_of(project, ("Soak them." + "!" * number, f"A longer story, number {number}."))
    task_of(project, ("Done", "already"), wanted=1, claimed=1, answered=1)
    Collection.objects.create(project=project, sampler="uncertain")
    job = run(claimed(project, batch_size=3))
    assert job.result == {"model": "rm", "responses": 8, "too_long": 0, "tasks_put_in_order": 4}
    model, tokenizer = modeling.load_reward_model(reward.folder), make_tokenizer()
    stored = {one.response: one.score for one in ResponseScore.objects.select_related("response__prompt")}
    expected = modeling.reward_scores(
        model, tokenizer, [modeling.Conversation(one.prompt.messages, one.text) for one in stored]
    )
    assert list(stored.values()) == pytest.approx(expected, abs=1e-4)
    gaps = {}
    for task in Task.objects.filter(answered=0):
        a, b = (stored[row.response] for row in task.task_responses.select_related("response"))
        gaps[task.pk] = abs(a - b)
    order = list(Task.objects.filter(answered=0).order_by("place").values_list("pk", flat=True))
    assert order == sorted(gaps, key=lambda pk: gaps[pk])


def test_a_stopped_job_goes_on_where_it_was(
    project: Project, reward: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        task_of(project, (f"one {number}", f"other {number}"))
    context = claimed(project, batch_size=2)
    calls = iter([None, None])

    def stop_at_third() -> None:
        if next(calls, Stopped) is Stopped:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(context, "check_stop", stop_at_third)
        with pytest.raises(Stopped):
            run(context)
    kept = set(ResponseScore.objects.values_list("pk", flat=True))
    assert len(kept) == 4
    run(context)
    assert ResponseScore.objects.count() == 10 and kept <= set(ResponseScore.objects.values_list("pk", flat=True))


def test_long_ones_are_left_out_and_counted(project: Project, reward: ModelVersion) -> None:
    task_of(project, ("short", "long " * 100))
    job = run(claimed(project, max_tokens=200))
    assert (job.result["responses"], job.result["too_long"]) == (1, 1)
    assert ResponseScore.objects.get().response.text == "short"


def test_a_model_that_diverged_is_a_sentence(
    project: Project, reward: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_of(project, ("a", "b"))
    monkeypatch.setattr(modeling, "reward_scores", lambda *_, **__: [float("nan"), 1.0])
    with pytest.raises(JobError, match="diverged"):
        run(claimed(project))
    assert not ResponseScore.objects.exists()


def test_no_open_task_and_no_model_are_sentences(project: Project, reward: ModelVersion) -> None:
    with pytest.raises(JobError, match="no task of the project is open"):
        run(claimed(project))
    context = claimed(project)
    reward.delete()
    with pytest.raises(JobError, match="no reward model rm"):
        run(context)
