"""The next step of the loop, from an empty project to a judged model."""

from urllib.parse import unquote

import pytest

from evaluate import steps
from evaluate.overview import overview


def next_need(project):
    return next((need for need in overview(project).needs if need.word == "next"), None)


def test_the_steps_come_one_after_the_other(project, world, base):
    assert next_need(project).text == "There are no prompts yet"

    prompt = world.prompt()
    assert next_need(project).text == "There are no tasks yet: let a model answer prompts"

    answers = world.job("sample", name="answers-1", params={"model": "base"})
    need = next_need(project)
    assert need.text.startswith("answers-1 has answered the prompts")
    assert need.act == "Ask people to compare"
    answers.delete()

    task = world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"))
    assert next_need(project).url == "/p/helpful/annotate/"

    world.vote(task, 1)
    assert next_need(project).url == "/p/helpful/datasets/new/"

    data = world.dataset()
    assert next_need(project).url == "/p/helpful/launch/train_reward/?dataset=prefs-v1"

    world.model("rm-01", role="reward", parent=base)
    assert next_need(project).url == "/p/helpful/launch/train_dpo/?dataset=prefs-v1"

    world.model("dpo-01", parent=base, dataset=data)
    assert next_need(project).url == "/p/helpful/launch/sample/?model=dpo-01&dataset=prefs-v1&split=held_out"

    world.job("sample", name="sample-1", params={"model": "dpo-01", "dataset": "prefs-v1"})
    assert next_need(project).text == "base has not answered the held-out prompts yet"

    world.job("sample", name="sample-2", params={"model": "base", "dataset": "prefs-v1"})
    step = next_need(project)
    assert unquote(step.url) == "/p/helpful/launch/judge/?first=sample-1&second=sample-2&reward_model=rm-01"

    world.job("judge", params={"first": "sample-1", "second": "sample-2"})
    assert next_need(project) is None


def test_a_step_that_is_under_way_is_not_asked_for_again(project, world, base):
    prompt = world.prompt()
    world.vote(world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b")), 1)
    job = world.job("build_dataset", status="queued")
    assert next_need(project) is None
    job.status = "running"
    job.save()
    assert [need.word for need in overview(project).needs] == ["running"]


def test_failures_are_named_until_somebody_takes_them_up(project, world):
    failed = world.job("train_dpo", name="dpo-03", status="failed", error="The GPU is out of memory. Halve.")
    (need,) = [need for need in overview(project).needs if need.state == "failed"]
    assert (need.name, need.text, need.url) == ("dpo-03", "The GPU is out of memory", "/p/helpful/runs/dpo-03/")
    world.job("train_dpo", status="succeeded", cloned_from=failed)
    assert not [need for need in overview(project).needs if need.state == "failed"]


def test_prompts_and_tasks_lead_to_their_pages(project, world):
    assert next_need(project).url == "/p/helpful/prompts/new/"
    world.prompt()
    world.job("sample", name="answers-1")
    world.job("sample", name="answers-2", status="failed")
    assert next_need(project).url == "/p/helpful/runs/answers-1/tasks/"


def test_a_page_that_the_site_does_not_have_is_no_link():
    assert steps.page("no-such-page", "helpful") == ""


def flagged_need(project, user=None):
    return next(need for need in overview(project, user=user).needs if need.word == "flagged")


@pytest.mark.parametrize(("flagged", "said"), [(1, "1 task is"), (2, "2 tasks are")])
def test_flagged_tasks_wait_for_who_may_decide(project, world, base, annotator, reviewer, client, flagged, said):
    for _ in range(flagged):
        prompt = world.prompt()
        world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"), flagged=True)
    need = flagged_need(project, annotator)
    assert need.text == f"{said} given to nobody until a reviewer has looked"
    assert need.url == ""
    url = flagged_need(project, reviewer).url
    assert url == "/p/helpful/flagged/"
    client.force_login(reviewer)
    assert client.get(url).status_code == 200
