"""The page that says how tasks are given out: who may, what is refused with which words, what saving does."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project, User
from annotate.intake import collection
from annotate.models import Collection, Prompt, Response, ResponseEmbedding, Task, TaskResponse
from annotate.sampling import SAMPLERS
from registry.models import Job
from tests.factories import make_model, make_prompt

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/collection/"
FORM = {
    "sampler": "priority", "gold_percent": "0", "test_tasks": "0", "test_right": "0", "daily_goal": "",
    "settle_percent": "67",
}  # fmt: skip


def task_of(project: Project, **values: Any) -> Task:
    prompt = Prompt.objects.filter(project=project).first() or make_prompt(project)
    task = Task.objects.create(project=project, prompt=prompt, **values)
    for position in (0, 1):
        response = Response.objects.create(prompt=prompt, text=f"answer {position}", setting="plain")
        TaskResponse.objects.create(task=task, response=response, position=position)
    return task


def words_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_who_may_open_and_change_it(
    project: Project, researcher_client: Client, owner_client: Client, reviewer_client: Client,
    annotator_client: Client, outsider_client: Client, client: Client,
) -> None:  # fmt: skip
    for one in (researcher_client, owner_client):
        assert one.get(PAGE).status_code == 200
    for one, status in ((reviewer_client, 403), (annotator_client, 403), (outsider_client, 404), (client, 302)):
        assert one.get(PAGE).status_code == status
        assert one.post(PAGE, {**FORM, "daily_goal": "9"}).status_code == status
        assert one.post(PAGE, {"order": "1"}).status_code == status
    assert not Collection.objects.exists() and not AuditEvent.objects.exists()


def test_the_navigation_leads_there(project: Project, researcher_client: Client, annotator_client: Client) -> None:
    assert PAGE in researcher_client.get(PAGE).content.decode()
    assert PAGE not in annotator_client.get("/p/helpful/").content.decode()


def test_defaults_are_shown_and_not_saved(project: Project, researcher_client: Client) -> None:
    page = researcher_client.get(PAGE)
    form = page.context["form"]
    assert {name: str(form[name].value()) for name in FORM} == FORM
    assert collection.rules_of(project).settle_below == 0.67
    response = researcher_client.post(PAGE, FORM, follow=True)
    assert "Nothing was changed." in words_of(response)
    assert not Collection.objects.exists()


def test_all_settings_are_saved_with_who_changed_what(
    project: Project, researcher: User, researcher_client: Client
) -> None:
    for _ in range(5):
        task_of(project, purpose="test", wanted=32_000)
    asked = {
        "sampler": "random", "match_languages": "on", "gold_percent": "7", "gold_feedback": "on", "test_tasks": "5",
        "test_right": "4", "daily_goal": "120", "settle_percent": "62.5",
    }  # fmt: skip
    response = researcher_client.post(PAGE, asked)
    assert response.status_code == 302
    saved = Collection.objects.get(project=project)
    assert {name: getattr(saved, name) for name in collection.SETTINGS} == {
        "sampler": "random", "match_languages": True, "gold_rate": 0.07, "gold_feedback": True, "test_tasks": 5,
        "test_right": 4, "daily_goal": 120, "settle_below": 0.625,
    }  # fmt: skip
    event = AuditEvent.objects.get(action="collection.changed")
    assert event.actor == researcher
    assert event.data["changed"]["gold_rate"] == [0.0, 0.07]
    assert event.data["changed"].keys() == set(collection.SETTINGS)
    form = researcher_client.get(PAGE).context["form"]
    assert (form["gold_percent"].value(), form["settle_percent"].value()) == ("7", "62.5")
    researcher_client.post(PAGE, {**FORM, "sampler": "random", "daily_goal": ""})
    saved.refresh_from_db()
    assert (saved.daily_goal, saved.match_languages, saved.gold_rate) == (None, False, 0)


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("sampler", "by_mood", "There is no such order. Choose one of these."),
        ("sampler", "", "Choose one of these orders."),
        ("gold_percent", "51", "Write a number from 0 to 50 percent."),
        ("gold_percent", "-1", "Write a number from 0 to 50 percent."),
        ("gold_percent", "nan", "Write a number from 0 to 50 percent."),
        ("gold_percent", "1e999", "Write a number from 0 to 50 percent."),
        ("gold_percent", "", "Write a number from 0 to 50 percent."),
        ("test_tasks", "half", "Write a whole number from 0 to 100."),
        ("test_tasks", "2.5", "Write a whole number from 0 to 100."),
        ("test_tasks", "4", "There are 3 test tasks in the project. Make more first, or ask for fewer."),
        ("test_right", "1", "Nobody can have 1 right in a test of 0."),
        ("test_right", "\x00", "Write a whole number from 0 to 100."),
        ("daily_goal", "0", "Write a whole number from 1 to 10,000, or nothing for no goal."),
        ("daily_goal", "9" * 500, "Write a whole number from 1 to 10,000, or nothing for no goal."),
        ("settle_percent", "101", "Write a number from 0 to 100 percent."),
    ],
)
def test_what_is_wrong_is_kept_and_told_beside_its_field(
    project: Project, researcher_client: Client, field: str, typed: str, sentence: str
) -> None:
    for _ in range(3):
        task_of(project, purpose="test", wanted=32_000)
    response = researcher_client.post(PAGE, {**FORM, "gold_feedback": "on", field: typed})
    assert response.status_code == 422
    assert response.context["form"].errors == {field: [sentence]}
    text = response.content.decode()
    assert sentence in text and "Not saved: 1 thing to mend." in text
    if field != "sampler":
        assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', text)
        assert response.context["form"][field].value() == typed
    assert response.context["form"]["gold_feedback"].value()
    assert not Collection.objects.exists()


def test_one_flagged_test_task_does_not_count(project: Project, researcher_client: Client) -> None:
    task_of(project, purpose="test", wanted=32_000)
    task_of(project, purpose="test", wanted=32_000, flagged=True)
    response = researcher_client.post(PAGE, {**FORM, "test_tasks": "2"})
    assert response.context["form"].errors == {
        "test_tasks": ["There is 1 test task in the project. Make more first, or ask for fewer."]
    }


def test_what_each_order_lacks_is_told(project: Project, researcher_client: Client) -> None:
    assert "No task is open." in words_of(researcher_client.get(PAGE))
    embedded = task_of(project)
    for row in embedded.task_responses.all():
        ResponseEmbedding.objects.create(response=row.response, encoder="small", vector=[1.0, 0.0])
    task_of(project)
    page = researcher_client.get(PAGE)
    assert "1 of 2 open tasks have embeddings of all their responses." in words_of(page)
    assert "/p/helpful/launch/embed/" in page.content.decode()
    assert "Train a reward model first" in words_of(page)
    make_model(project, "rm", role="reward")
    page = researcher_client.get(PAGE)
    assert "Launch a scoring run" in words_of(page)
    assert "/p/helpful/launch/score/" in page.content.decode()
    for kind in ("embed", "score"):
        assert researcher_client.get(f"/p/helpful/launch/{kind}/").status_code == 200


def test_a_new_order_places_the_queue_at_once(project: Project, researcher_client: Client) -> None:
    near, far, unknown = (task_of(project) for _ in range(3))
    for task, vector in ((near, [1.0, 0.1]), (far, [0.0, 1.0])):
        for row, one in zip(task.task_responses.all(), ([1.0, 0.0], vector), strict=True):
            ResponseEmbedding.objects.create(response=row.response, encoder="small", vector=one)
    response = researcher_client.post(PAGE, {**FORM, "sampler": "dissimilar"}, follow=True)
    assert list(Task.objects.order_by("place")) == [far, near, unknown]
    assert "Nothing is known yet about 1 of 3 open tasks; they come last, at random." in words_of(response)
    Task.objects.update(place=0)
    researcher_client.post(PAGE, {**FORM, "sampler": "dissimilar", "daily_goal": "5"})
    assert not Task.objects.exclude(place=0).exists(), "another setting leaves the queue alone"
    response = researcher_client.post(PAGE, {"order": "1"}, follow=True)
    assert list(Task.objects.order_by("place")) == [far, near, unknown]
    assert Collection.objects.get().daily_goal == 5
    assert AuditEvent.objects.filter(action="queue.ordered").count() == 1


def test_many_tasks_are_placed_by_a_job(
    project: Project, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "AT_ONCE", 1)
    for _ in range(2):
        task_of(project)
    response = researcher_client.post(PAGE, {**FORM, "sampler": "random"}, follow=True)
    job = Job.objects.get(kind="place")
    assert (job.name, job.status, job.queue) == ("order-1", "queued", "default")
    assert "order-1 puts 2 tasks in order" in words_of(response)
    assert job.get_absolute_url() in response.content.decode()
    researcher_client.post(PAGE, {"order": "1"})
    assert Job.objects.filter(kind="place").count() == 1, "one that waits is enough"
    Job.objects.update(status="running")
    researcher_client.post(PAGE, {**FORM, "sampler": "priority"})
    assert Job.objects.filter(kind="place").count() == 2, "one that runs may have begun under the other order"
    assert researcher_client.get(job.get_absolute_url()).status_code == 200
    assert researcher_client.get("/p/helpful/launch/place/").status_code == 404


def test_an_order_of_another_version_is_shown_as_the_default(project: Project, researcher_client: Client) -> None:
    Collection.objects.create(project=project, sampler="of-old")
    assert researcher_client.get(PAGE).context["form"]["sampler"].value() == "priority"


def test_every_order_is_offered(project: Project, researcher_client: Client) -> None:
    offered = [one.sampler.slug for one in researcher_client.get(PAGE).context["choices"]]
    assert offered == list(SAMPLERS)
