"""The demo's steps fit the kinds of job, in an order in which each finds what it names."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Project, User
from annotate.demo import seed
from evaluate import demo
from evaluate.models import Judgement
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_prompt, make_response


def test_every_step_is_a_job_that_can_be_asked_for() -> None:
    made = {seed.BASE, "prefs-v1"}
    for step in demo.steps():
        spec = parse(SPECS[step.kind].spec, step.params)
        named = {value for name in ("base", "model", "dataset", "first", "second", "reward_model")
                 if isinstance(value := getattr(spec, name, ""), str) and value}  # fmt: skip
        assert named <= made, f"{step.name} names what is not there yet"
        made.add(step.name)


@pytest.mark.django_db
def test_no_demo_says_how_to_get_one() -> None:
    with pytest.raises(CommandError, match="make demo"):
        call_command("demo", "--report", "--json")


@pytest.mark.django_db
def test_the_report_is_computed_from_the_demos_own_rows(researcher: User) -> None:
    project = Project.objects.create(name="Demo", slug=seed.SLUG)
    base = seed.base_model(project)
    made = {}
    for step in demo.steps():
        made[step.name] = jobs.request_job(
            project=project, kind=step.kind, params=step.params, user=researcher, name=step.name
        )
    Job.objects.filter(project=project).update(status=Job.Status.SUCCEEDED)
    pairs = [[f"p-{number}", 1.0 if number % 4 else -1.0] for number in range(40)]
    reward = make(project, "demo-rm", "reward", base, made, metrics={"held_out_pairs": pairs})
    tuned = make(project, "demo-dpo", "policy", base, made)
    for number in range(20):
        prompt = make_prompt(project, f"p-{number}")
        first = make_response(prompt, "Yes.", model=tuned, job=made["demo-dpo-answers"])
        second = make_response(prompt, "Well, yes.", model=base, job=made["demo-base-answers"])
        for kind, name, model in (("hidden_preference", "concise", None), ("reward_model", "demo-rm", reward)):
            Judgement.objects.create(
                project=project, job=made["demo-judge"], judge_kind=kind, judge_name=name, judge_model=model,
                first=first, second=second, score_first=1, score_second=0, outcome=float(number % 5 > 0),
            )  # fmt: skip
    make(project, "rm-later", "reward", base, made, metrics={"held_out_pairs": [["p-1", -1.0]]}, job=None)
    out = StringIO()
    call_command("demo", "--report", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert report["reward_accuracy"]["value"] == 0.75
    assert report["win_rate"]["value"] == report["win_rate_by_reward_model"]["value"] == 0.8
    assert report["win_rate"]["low"] < 0.8 < report["win_rate"]["high"]
    assert report["win_rate"]["n"] == 20
    assert set(report["seconds"]) == {step.name for step in demo.steps()}


def make(
    project: Project, name: str, role: str, base: ModelVersion, made: dict[str, Job], **values: object
) -> ModelVersion:
    fields = {"project": project, "name": name, "role": role, "format": "adapter", "path": name, "parent": base}
    return ModelVersion.objects.create(**{**fields, "job": made.get(name), **values})
