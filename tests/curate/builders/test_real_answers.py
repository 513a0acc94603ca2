"""Builders on answers that people really gave: through the services, the database and the plan of a recipe."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence

import pytest

from accounts.models import Project
from annotate import services
from annotate.models import Assignment, Feedback, Protocol, Task
from curate.making.tokens import tokens_of
from tests.curate.building import build, text
from tests.factories import make_prompt, make_raters, make_response, make_task

pytestmark = pytest.mark.django_db
TEXTS = ("Boil them for a minute.", "Soak them overnight.", "Cook them for an hour.")


def make_item(project: Project, *texts: str, steps: Sequence[Mapping[str, object]], wanted: int = 1) -> Task:
    prompt = make_prompt(project)
    return services.create_task(
        prompt=prompt, responses=[make_response(prompt, one) for one in texts], wanted=wanted,
        protocol=Protocol.objects.create(project=project, name="asked", title="Asked", steps=list(steps)),
    )  # fmt: skip


def answered(task: Task, *steps: Callable[[Assignment], dict[str, str]], raters: int = 1) -> list[Feedback]:
    """Each rater answers all steps, with the form fields that `steps` make of the order shown."""
    found = []
    for rater in make_raters(task.project, raters):
        held = services.next_assignment(project=task.project, annotator=rater)
        assert held is not None
        for number, fields in enumerate(steps):
            held.refresh_from_db()
            found.append(
                services.record_feedback(
                    assignment=held, annotator=rater, data=fields(held), idempotency_key=uuid.uuid4(), step=number
                )
            )
    return found


def test_rankings_of_raters_who_saw_other_orders(project: Project) -> None:
    task = make_item(project, *TEXTS, steps=[{"kind": "ranking"}], wanted=4)
    best_last = {2: "1", 1: "2", 0: "3"}

    def rank(held: Assignment) -> dict[str, str]:
        ranks = {f"rank-{place}": best_last[position] for place, position in enumerate(held.order)}
        return ranks | {"as_shown": "yes"}

    answers = answered(task, rank, raters=4)
    assert len({tuple(one.order) for one in answers}) > 1
    rows, _ = build(project, rows="rankings")
    assert {(text(row, "chosen"), text(row, "rejected")) for row in rows} == {
        (TEXTS[2], TEXTS[1]), (TEXTS[2], TEXTS[0]), (TEXTS[1], TEXTS[0])
    }  # fmt: skip
    for row in rows:
        assert row.agreement == 1 and row.raters == 4
        assert set(row.feedback_ids) == {one.pk for one in answers}


def test_a_critique_and_an_edit_of_the_loser_are_critique_revision_pair_and_token_weights(project: Project) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "critique", "of": "loser"}, {"kind": "edit", "of": "loser"}]
    task = make_item(project, *TEXTS[:2], steps=steps)
    mark = {"start": 0, "end": 4, "quote": "Boil", "label": "factual error", "severity": "major", "comment": "Cook."}
    _vote, critique, edit = answered(
        task,
        lambda held: {"strength": "2" if held.order[0] == 1 else "-2"},
        lambda held: {"marks": json.dumps([mark]), "weaknesses": "Too short.", "refinement": "Say an hour."},
        lambda held: {"text": "Boil them for an hour."},
    )
    (row,), _ = build(project, rows="critiques")
    assert text(row, "completion") == (
        "What is wrong: Too short.\n\n- “Boil” (factual error, major): Cook.\n\nConclusion: wrong [END]"
    )
    (row,), _ = build(project, rows="revisions")
    assert text(row, "completion") == "Boil them for an hour." and "Say an hour." in text(row, "prompt")
    assert row.feedback_ids == (critique.pk, edit.pk)
    (row,), _ = build(project, rows="edits")
    assert (text(row, "chosen"), text(row, "rejected")) == ("Boil them for an hour.", TEXTS[0])
    assert row.notes["edit_cost"] == 2
    (row,), _ = build(project, rows="figa")
    tokens = tokens_of(project)
    for name, written in (("original", TEXTS[0]), ("revised", "Boil them for an hour.")):
        assert row.columns[f"{name}_ids"] == [*tokens.ids(written), tokens.eos]
    up = [one for one, weight in zip(row.columns["revised_ids"], row.columns["revised_weights"], strict=True) if weight]
    assert tokens.tokenizer.decode(up, skip_special_tokens=True).split() == ["an", "hour"] and up[-1] == tokens.eos


def test_ratings_are_judge_data_and_labels(project: Project) -> None:
    task = make_item(project, *TEXTS[:2], steps=[{"kind": "rubric"}])

    def rate(held: Assignment) -> dict[str, str]:
        better = {0: "2", 1: "5"}
        return {f"rate-{n}-{place}": better[position] for n in range(4) for place, position in enumerate(held.order)}

    (answer,) = answered(task, rate)
    rows, _ = build(project, rows="judge_pointwise")
    assert [text(row, "completion") for row in rows] == ["2"] * 4 + ["5"] * 4
    rows, _ = build(project, rows="judge_pairwise")
    assert [text(row, "completion") for row in rows] == ["B", "A"] * 5  # in general and on four dimensions
    rows, _ = build(project, rows="unpaired")
    assert {text(row, "completion"): row.columns["label"] for row in rows} == {TEXTS[0]: False, TEXTS[1]: True}
    assert all(row.feedback_ids == (answer.pk,) for row in rows)


def test_both_bad_is_two_bad_ones(project: Project) -> None:
    answered(make_task(project, texts=TEXTS[:2]), lambda held: {"strength": "both_bad"})
    rows, _ = build(project, rows="unpaired")
    assert {text(row, "completion"): row.columns["label"] for row in rows} == {TEXTS[0]: False, TEXTS[1]: False}


def test_selections_of_two_raters(project: Project) -> None:
    task = make_item(project, *TEXTS, steps=[{"kind": "selection"}], wanted=2)
    answered(task, lambda held: {f"fit-{held.order.index(2)}": "on"}, raters=2)
    (row,), _ = build(project, rows="selections")
    assert text(row, "completion") == TEXTS[2] and row.raters == 2 and row.agreement == 1


def test_two_prompts_are_a_joint_pair(project: Project) -> None:
    beans, lentils = make_prompt(project, "beans"), make_prompt(project, "lentils")
    task = services.create_task(
        prompt=beans, responses=[make_response(beans, "An hour."), make_response(lentils, "Twenty minutes.")]
    )
    answered(task, lambda held: {"strength": "3" if held.order[0] == 1 else "-3"})
    (row,), _ = build(project, rows="joint")
    assert (text(row, "chosen"), text(row, "rejected")) == ("Twenty minutes.", "An hour.")
    assert "lentils" in text(row, "prompt_chosen") and "beans" in text(row, "prompt_rejected")
    assert row.columns["margin"] == 3
