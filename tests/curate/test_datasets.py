"""Recipes: what becomes a pair, what is left out and why, and that a version is the same everywhere."""

from pathlib import Path

import pytest

from accounts.models import Project, User
from annotate import services
from curate.making.split import split_of
from tests.curate.building import build, frozen, text, voted
from tests.factories import TEXTS, make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db


def test_the_majority_chooses(project: Project) -> None:
    voted(project, "p-1", 3, 2, -1)
    ((row,), funnel) = build(project)
    assert (text(row, "chosen"), text(row, "rejected")) == TEXTS
    assert (row.raters, row.agreement) == (3, pytest.approx(2 / 3))
    assert row.columns["margin"] == pytest.approx(4 / 3)
    assert row.columns["disagreement"] == pytest.approx(1 / 3)
    assert len(row.feedback_ids) == 3
    assert (funnel.count("answers"), funnel.count("items")) == (3, 1)


def test_sides_do_not_matter(project: Project) -> None:
    voted(project, "p-1", -3, -2, -1, 1)
    ((row,), _) = build(project)
    assert (text(row, "rejected"), text(row, "chosen")) == TEXTS


@pytest.mark.parametrize(
    ("preferences", "reason"),
    [((1, -1), "tie"), ((0, 0), "tie"), (("both_bad", "both_bad", 1), "both_bad"), ((1, 1, -1, 0, 0), "agreement")],
)
def test_what_is_left_out_is_counted(project: Project, preferences: tuple[int | str, ...], reason: str) -> None:
    voted(project, "p-1", *preferences)
    rows, funnel = build(project, minimum_agreement=0.6)
    assert rows == []
    assert funnel.left_out == {reason: 1}


def test_the_same_text_twice_teaches_nothing(project: Project) -> None:
    voted(project, "p-1", 2, texts=("Yes.", "Yes. "))
    rows, funnel = build(project)
    assert rows == []
    assert funnel.left_out == {"same_text": 1}


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_imported_vote_without_texts_makes_no_row(project: Project, empty: str) -> None:
    voted(project, "p-1", 2, texts=("Yes.", empty))
    voted(project, "p-2", 2, texts=(empty, empty))
    rows, funnel = build(project)
    assert rows == []
    assert funnel.left_out == {"written": 2}


def test_a_kept_tie_has_no_margin(project: Project) -> None:
    voted(project, "p-1", 2, -1)
    ((row,), _) = build(project, ties="keep")
    assert (row.columns["margin"], row.columns["tie"], row.columns["weight"]) == (0, True, 1)


def test_half_a_tie_is_written_in_both_orders(project: Project) -> None:
    voted(project, "p-1", 2, -2)
    one, other = build(project, ties="half")[0]
    assert (text(one, "chosen"), text(one, "rejected")) == TEXTS
    assert (text(other, "rejected"), text(other, "chosen")) == TEXTS
    assert [row.columns["weight"] for row in (one, other)] == [0.5, 0.5]


def test_a_majority_of_faint_votes_is_not_a_tie(project: Project) -> None:
    voted(project, "p-1", 1, 1, -3)
    ((row,), _) = build(project)
    assert (text(row, "chosen"), row.columns["margin"], row.columns["tie"]) == (TEXTS[0], 0.0, False)


def test_the_mean_lets_the_sure_one_win(project: Project) -> None:
    voted(project, "p-1", 1, 1, -3)
    assert build(project, aggregate="mean")[0] == [], "one of three is on the winner's side"
    voted(project, "p-2", 1, -3)
    ((row,), funnel) = build(project, aggregate="mean")
    assert (text(row, "chosen"), row.columns["margin"]) == (TEXTS[1], 1.0)
    assert funnel.left_out == {"agreement": 1}


def test_a_margin_of_disagreement(project: Project) -> None:
    voted(project, "p-1", 3, 3, 3, -1)
    ((row,), _) = build(project, margin="disagreement")
    assert row.columns["margin"] == pytest.approx(2 * 0.75 - 1)
    ((row,), _) = build(project, margin="none")
    assert row.columns["margin"] == 0


def test_a_row_says_how_many_of_its_answers_are_simulated(project: Project) -> None:
    task = make_task(project, wanted=2)
    one, two = make_raters(project, 2)
    one.is_simulated = True
    one.save()
    make_vote(task, one, 2)
    make_vote(task, two, 2)
    ((row,), _) = build(project)
    assert (row.raters, row.simulated) == (2, 1)
    ((row,), funnel) = build(project, origins=["human"])
    assert (row.raters, row.simulated) == (1, 0)
    assert funnel.left_out == {"origins": 1}


def test_each_answer_can_be_a_row(project: Project) -> None:
    voted(project, "p-1", 3, -1, 2)
    rows, _ = build(project, aggregate="each")
    assert [row.columns["margin"] for row in rows] == [3, 1, 2]


def test_withdrawn_answers_are_not_taken(project: Project, annotator: User) -> None:
    task = make_task(project, wanted=2)
    make_vote(task, annotator, 2)
    services.undo(project=project, annotator=annotator)
    assert build(project)[0] == []


def test_a_prompt_is_on_one_side_of_the_split(project: Project) -> None:
    for number in range(40):
        voted(project, f"p-{number}", 2)
    sides: dict[str, set[str]] = {}
    for row in build(project, held_out_share=0.5)[0]:
        sides.setdefault(row.prompt_key, set()).add(row.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "held_out"}


def test_the_share_of_held_out_prompts_is_kept() -> None:
    keys = [f"prompt-{number}" for number in range(20_000)]
    share = sum(split_of(key, seed=3, held_out_share=0.3) == "held_out" for key in keys) / len(keys)
    assert share == pytest.approx(0.3, abs=0.015)


def test_the_hash_is_of_the_content(project: Project, tmp_path: Path) -> None:
    voted(project, "p-1", 2)
    voted(project, "p-2", -3, 1, -1)

    def digest(**recipe: object) -> str:
        return frozen(project, tmp_path, **recipe).content_hash

    assert digest() == digest()
    assert digest() != digest(seed=1, held_out_share=0.9)


def test_a_language_filter_reads_only_that_language(project: Project) -> None:
    voted(project, "p-1", 2)
    rows, funnel = build(project, languages=["ja"])
    assert (rows, funnel.left_out) == ([], {"languages": 1})


def test_another_projects_answers_stay_there(project: Project) -> None:
    voted(project, "p-1", 2)
    other = Project.objects.create(name="Another", slug="another")
    voted(other, "p-9", -2)
    assert [row.prompt_key for row in build(project)[0]] == ["p-1"]
    assert [row.prompt_key for row in build(other)[0]] == ["p-9"]
