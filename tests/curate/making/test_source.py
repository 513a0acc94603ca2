"""Each filter of a recipe: what it leaves out is counted, and the rest stays."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from accounts.pseudonyms import pseudonym
from annotate.models import Assignment, Feedback, Image, Prompt, Response, Task, Verdict
from curate.models import ConsentWithdrawal
from registry.models import Job
from tests.curate.building import build, frozen, text, voted
from tests.factories import TEXTS, make_prompt, make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db


def keys(project: Project, **recipe: Any) -> list[str]:
    return sorted(row.prompt_key for row in build(project, **recipe)[0])


@pytest.fixture
def two(project: Project) -> Project:
    voted(project, "p-1", 2)
    voted(project, "p-2", -2)
    Prompt.objects.filter(key="p-1").update(lang="de", tags=["beans"])
    Prompt.objects.filter(key="p-2").update(tags=["rice", "lunch"])
    return project


def test_languages_tags_and_people(two: Project) -> None:
    assert keys(two, languages=["de"]) == ["p-1"]
    assert keys(two, tags=["lunch", "nothing"]) == ["p-2"]
    assert keys(two, annotators=["p-1-0"]) == ["p-1"]
    rater = Feedback.objects.get(task__prompt__key="p-2").annotator
    assert keys(two, annotators=[pseudonym(two.pk, rater.pk)]) == ["p-2"]
    assert keys(two, annotators=[pseudonym(two.pk + 1, rater.pk)]) == []
    assert keys(two, annotators=["nobody"]) == []


def test_days_are_both_inside(two: Project) -> None:
    first = Feedback.objects.get(task__prompt__key="p-1")
    first.created_at = timezone.now() - timedelta(days=3)
    first.save()
    day = first.created_at.date()
    assert keys(two, until=day) == ["p-1"]
    assert keys(two, since=day, until=day) == ["p-1"]
    assert keys(two, since=day + timedelta(days=1)) == ["p-2"]


def test_rounds_are_the_sample_runs_of_the_responses(two: Project) -> None:
    job = Job.objects.create(project=two, kind="sample", name="round-2", params={}, queue="gpu")
    Response.objects.filter(prompt__key="p-2", text=TEXTS[0]).update(job=job)
    assert keys(two, rounds=["round-2"]) == ["p-2"]


def test_raters_need_their_accuracy(two: Project) -> None:
    gold = make_task(two, "g-1", wanted=9, priority=9)
    (good,) = make_raters(two, 1, prefix="good")
    make_vote(gold, good, 2)
    Task.objects.filter(pk=gold.pk).update(purpose="gold")
    Feedback.objects.filter(task=gold).update(right=True)
    both = make_task(two, "p-3")
    make_vote(both, good, 2)
    rows, funnel = build(two, minimum_gold_accuracy=0.8)
    assert [row.prompt_key for row in rows] == ["p-3"]
    assert funnel.left_out == {"gold": 2}
    Feedback.objects.filter(task=gold).update(right=False)
    assert keys(two, minimum_gold_accuracy=0.8) == []


def test_items_need_their_raters(two: Project) -> None:
    voted(two, "p-3", 2, 2)
    assert keys(two, minimum_raters=2) == ["p-3"]


def test_withdrawn_consent_takes_answers_out_until_it_is_given_again(two: Project) -> None:
    person = Feedback.objects.get(task__prompt__key="p-1").annotator
    gone = ConsentWithdrawal.objects.create(project=two, user=person)
    rows, funnel = build(two)
    assert [row.prompt_key for row in rows] == ["p-2"]
    assert funnel.left_out == {"consent": 1}
    gone.reversed_at = timezone.now()
    gone.save()
    assert keys(two) == ["p-1", "p-2"]


def test_origins(two: Project) -> None:
    Feedback.objects.filter(task__prompt__key="p-1").update(origin="imported")
    assert keys(two) == ["p-2"]
    assert keys(two, origins=["imported"]) == ["p-1"]


def test_ratings_decide_only_where_the_recipe_names_them(two: Project) -> None:
    Feedback.objects.filter(task__prompt__key="p-1").update(kind="rubric")
    assert keys(two) == ["p-2"]
    assert keys(two, kinds=["rubric"]) == ["p-1"]
    assert keys(two, kinds=["rubric", "pairwise"]) == ["p-1", "p-2"]


def test_criteria_two_prompts_known_answers_and_unfinished_items_make_no_plain_pairs(project: Project) -> None:
    changes = {"c": {"criterion": "Shorter is better"}, "t": {"two_prompts": True}, "g": {"purpose": "gold"}}
    for key, change in changes.items():
        voted(project, key, 2)
        Task.objects.filter(prompt__key=key).update(**change)
    voted(project, "u", 2)
    Assignment.objects.filter(task__prompt__key="u").update(status="leased")
    rows, funnel = build(project)
    assert (rows, funnel.count("answers")) == ([], 0)


def verdict(task: Task, preference: int | None) -> None:
    (judge,) = make_raters(task.project, 1, prefix=f"judge-{task.pk}")
    Verdict.objects.create(
        project=task.project, task=task, adjudicator=judge, preference=preference, order=[0, 1],
        idempotency_key=uuid.uuid4(),
        value={"both_bad": True} if preference is None else {"strength": preference},
    )  # fmt: skip


def test_a_verdict_decides_and_the_raters_are_kept(project: Project) -> None:
    voted(project, "p-1", 2, 2, -1)
    verdict(Task.objects.get(prompt__key="p-1"), -3)
    ((row,), _) = build(project, minimum_agreement=0.6)
    assert (text(row, "chosen"), row.columns["margin"], row.raters) == (TEXTS[1], 3.0, 3)
    assert row.agreement == pytest.approx(1 / 3)
    ((row,), _) = build(project, adjudicated_first=False)
    assert text(row, "chosen") == TEXTS[0]
    ((row,), _) = build(project, aggregate="each")
    assert text(row, "chosen") == TEXTS[1]


def test_a_verdict_of_both_bad_makes_no_row(project: Project) -> None:
    voted(project, "p-1", 2, 2)
    verdict(Task.objects.get(prompt__key="p-1"), None)
    assert build(project)[1].left_out == {"both_bad": 1}


def test_the_hash_knows_no_ids(project: Project, tmp_path: Path) -> None:
    """The same feedback in two projects, in another order, so that every id is another."""
    other = Project.objects.create(name="Another", slug="another")
    votes = {"p-1": (2, 3), "p-2": (-1,), "p-3": (1, 1, -2)}
    for place, order in ((project, list(votes)), (other, list(votes)[::-1])):
        for key in order:
            make_prompt(place, key)
            task = make_task(place, key, wanted=len(votes[key]))
            raters = make_raters(place, len(votes[key]), prefix=f"{place.slug}-{key}")
            for rater, preference in zip(raters, votes[key], strict=True):
                make_vote(task, rater, preference)
    # Which side was shown first is drawn from ids, and is part of what was given.
    Feedback.objects.update(order=[0, 1])
    for number, recipe in enumerate(({}, {"aggregate": "dawid_skene"}, {"aggregate": "mace"}, {"rows": "unpaired"})):
        hashes = {frozen(place, tmp_path / f"{number}-{place.pk}", **recipe).content_hash for place in (project, other)}
        assert len(hashes) == 1, recipe


@pytest.mark.parametrize("slug", ["judge_pairwise", "joint"])
def test_a_criterion_of_an_item_is_for_those_who_say_it(project: Project, tmp_path: Path, slug: str) -> None:
    voted(project, "p-1", 2)
    voted(project, "p-2", -2)
    Task.objects.filter(prompt__key="p-2").update(criterion="Which one is kinder?")
    assert keys(project, rows="pairs") == ["p-1"]
    assert set(keys(project, rows=slug)) == {"p-1", "p-2"}
    rows, _ = build(project, rows="judge_pairwise")
    asked = {row.prompt_key: text(row, "prompt") for row in rows}
    assert "Which one is kinder?" in asked["p-2"] and "kinder" not in asked["p-1"]
    whole = frozen(project, tmp_path / slug, rows=slug, held_out_share=0)
    assert whole.rows["train"] == len(build(project, rows=slug)[0])


def test_a_prompt_with_a_picture_gives_no_row_and_is_counted(project: Project, tmp_path: Path) -> None:
    voted(project, "p-1", 2)
    voted(project, "p-2", -2)
    shown = Image.objects.create(project=project, sha256="0" * 64, media_type="image/png", width=1, height=1, size=1)
    assert keys(project) == ["p-1", "p-2"]  # a picture that nobody is asked about
    Prompt.objects.filter(key="p-2").update(image=shown)
    rows, funnel = build(project)
    assert [row.prompt_key for row in rows] == ["p-1"] and funnel.left_out["pictures"] == 1
    whole = frozen(project, tmp_path / "whole", held_out_share=0)
    left = {one["key"]: (one["left_out"], one["why"]) for one in whole.card["funnel"]}
    assert left["pictures"] == (1, "rows hold texts alone") and whole.rows["train"] == 1
