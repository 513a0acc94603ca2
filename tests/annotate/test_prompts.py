"""From text to prompts and from responses to tasks: all or nothing, and never the same pair twice."""

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project, User
from annotate.models import Prompt, Task
from registry import jobs
from registry.models import Job
from tests.factories import make_prompt, make_response

pytestmark = pytest.mark.django_db


def add(client: Client, text: str) -> str:
    return client.post("/p/helpful/prompts/new/", {"text": text}, follow=True).content.decode()


def test_text_and_json_lines(project: Project, researcher_client: Client) -> None:
    add(
        researcher_client,
        'How do I cook beans?\n\n{"prompt": "Come si fa il pesto?", "lang": "it", "key": "pesto", "tags": ["food"]}\n'
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}, '
        '{"role": "user", "content": "And now?"}], "key": "turns"}',
    )
    assert set(project.prompts.values_list("key", "lang")) == {("prompt-00001", "en"), ("pesto", "it"), ("turns", "en")}
    assert len(Prompt.objects.get(key="turns").messages) == 3
    assert AuditEvent.objects.get().data == {"count": 3}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "torn', "Line 2: it is not valid JSON"),
        ('{"prompt": ""}', "say something"),
        ('{"messages": []}', "not a list of turns"),
        ('{"messages": [{"role": "wizard", "content": "x"}]}', "needs a role"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "must be the user"),
        ('{"prompt": "x", "key": "%s"}' % ("k" * 81), "80 characters"),
        ('{"prompt": "x", "tags": 3}', "not a list of words"),
        ('{"prompt": ["x"]}', "needs a role"),
        ('{"a":' + "[" * 3000, "not valid JSON"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_added(
    project: Project, researcher_client: Client, line: str, words: str
) -> None:
    assert words in add(researcher_client, f"A good one\n{line}")
    assert not project.prompts.exists()


def test_known_keys_are_refused(project: Project, researcher_client: Client) -> None:
    make_prompt(project, "pesto")
    assert "is in the project already" in add(researcher_client, '{"prompt": "Pesto?", "key": "pesto"}')
    assert project.prompts.count() == 1


def test_generated_keys_are_free_ones(project: Project, researcher_client: Client) -> None:
    make_prompt(project, "prompt-00007")
    add(researcher_client, 'First?\n{"prompt": "Mine?", "key": "prompt-00009"}\nSecond?')
    assert "2 prompts added" in add(researcher_client, "Third?\nFourth?")
    keys = {prompt.text: prompt.key for prompt in project.prompts.exclude(key="prompt-00007")}
    assert keys == {
        "Mine?": "prompt-00009", "First?": "prompt-00010", "Second?": "prompt-00011", "Third?": "prompt-00012",
        "Fourth?": "prompt-00013",
    }  # fmt: skip


def test_the_same_text_twice_is_told(project: Project, researcher_client: Client) -> None:
    add(researcher_client, "One?\nTwo?")
    told = add(researcher_client, "Three?\nTwo?\nThree?")
    assert "Line 2: the same is in the project already, as prompt-00002." in told
    assert "Line 3: the same is on line 1." in told and project.prompts.count() == 2
    pair = '{"prompt": "One?", "responses": ["%s", "Slowly."]}'
    assert "1 prompt added, with 2 responses" in add(researcher_client, pair % "Quickly.")
    assert "as prompt-00003" in add(researcher_client, pair % "Quickly."), "the same responses again"
    assert "1 prompt added" in add(researcher_client, pair % "At once."), "other responses"
    assert "1 prompt added" in add(researcher_client, '{"prompt": "Two?", "key": "again"}'), "a key of its own"


def sampled(project: Project, user: User, name: str, *texts: str) -> Job:
    job = jobs.request_job(
        project=project, kind="sample", params={"model": "base", "split": "all"}, user=user, name=name
    )
    Job.objects.filter(pk=job.pk).update(status="succeeded")
    prompt = project.prompts.first() or make_prompt(project)
    for number, text in enumerate(texts):
        make_response(prompt, text, job=job, sample=number)
    return job


def test_responses_become_tasks_once(project: Project, researcher: User, researcher_client: Client) -> None:
    sampled(project, researcher, "sample-1", "One.", "Two.", "Three.", "Three. ")
    url = "/p/helpful/runs/sample-1/tasks/"
    assert researcher_client.get(url).status_code == 200
    researcher_client.post(url, {"pairs": "100", "wanted": "2"})
    assert Task.objects.count() == 5, "six pairs, one of them of equal texts"
    assert set(Task.objects.values_list("wanted", flat=True)) == {2}
    again = researcher_client.post(url, {"pairs": "100", "wanted": "2"})
    assert again.status_code == 422
    assert Task.objects.count() == 5


def test_two_runs_are_compared_with_each_other(project: Project, researcher: User, researcher_client: Client) -> None:
    one, two = sampled(project, researcher, "sample-1", "One."), sampled(project, researcher, "sample-2", "Two.")
    researcher_client.post("/p/helpful/runs/sample-1/tasks/", {"pairs": "1", "wanted": "1", "against": "sample-2"})
    shown = Task.objects.get().task_responses.values_list("response__job", flat=True)
    assert set(shown) == {one.pk, two.pk}


@pytest.mark.parametrize(
    "data", [{"pairs": "0", "wanted": "1"}, {"pairs": "x", "wanted": ""}, {"pairs": "1", "wanted": "999"}]
)
def test_wrong_numbers_are_told(
    project: Project, researcher: User, researcher_client: Client, data: dict[str, str]
) -> None:
    sampled(project, researcher, "sample-1", "One.", "Two.")
    assert researcher_client.post("/p/helpful/runs/sample-1/tasks/", data).status_code == 422
    assert not Task.objects.exists()


def test_who_may(project: Project, researcher: User, annotator_client: Client, outsider_client: Client) -> None:
    sampled(project, researcher, "sample-1", "One.", "Two.")
    for path in ("prompts/new/", "runs/sample-1/tasks/"):
        assert annotator_client.get(f"/p/helpful/{path}").status_code == 403
        assert outsider_client.get(f"/p/helpful/{path}").status_code == 404
    assert annotator_client.get("/p/helpful/runs/nothing/tasks/").status_code == 403


def test_administrators_find_everything_in_the_admin(project: Project, admin_client: Client) -> None:
    for path in ("accounts/user", "accounts/project", "accounts/auditevent", "annotate/prompt", "annotate/task",
                 "registry/modelversion"):  # fmt: skip
        assert admin_client.get(f"/admin/{path}/").status_code == 200
    assert admin_client.get("/admin/accounts/auditevent/add/").status_code == 403


def test_releasing_a_flagged_task_does_not_touch_its_counts(project: Project, admin_client: Client) -> None:
    from tests.factories import make_task

    task = make_task(project, wanted=3)
    Task.objects.filter(pk=task.pk).update(flagged=True)
    page = admin_client.get(f"/admin/annotate/task/{task.pk}/change/")
    assert page.status_code == 200
    Task.objects.filter(pk=task.pk).update(claimed=2, answered=1)  # while the page is open
    admin_client.post(
        f"/admin/annotate/task/{task.pk}/change/",
        {"wanted": "3", "priority": "0", "criterion": "", "skill": "", "ceiling": ""},
    )
    task.refresh_from_db()
    assert (task.flagged, task.claimed, task.answered) == (False, 2, 1)
