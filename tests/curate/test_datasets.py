"""Recipes: what becomes a pair, what is left out and why, and that a version is the same everywhere."""

import pytest

from accounts.models import Project
from curate.datasets import ContentHash, Funnel, Pair, pairs, preview, split_of
from registry.specs import BuildDatasetSpec
from tests.factories import TEXTS, make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db


def build(project: Project, **recipe: object) -> tuple[list[Pair], Funnel]:
    funnel = Funnel()
    return list(pairs(project, BuildDatasetSpec(**recipe), funnel)), funnel  # type: ignore[arg-type]


def voted(project: Project, key: str, *preferences: int | str, **values: object) -> None:
    task = make_task(project, key, wanted=len(preferences), **values)  # type: ignore[arg-type]
    for rater, preference in zip(make_raters(project, len(preferences), prefix=key), preferences, strict=True):
        make_vote(task, rater, preference)


def test_the_majority_chooses(project: Project) -> None:
    voted(project, "p-1", 3, 2, -1)
    ((pair,), funnel) = build(project)
    assert (pair.chosen, pair.rejected) == TEXTS
    assert (pair.raters, pair.agreement) == (3, pytest.approx(2 / 3))
    assert pair.margin == pytest.approx(4 / 3)
    assert len(pair.feedback_ids) == 3
    assert (funnel.answers, funnel.tasks) == (3, 1)


def test_sides_do_not_matter(project: Project) -> None:
    voted(project, "p-1", -3, -2, -1, 1)
    ((pair,), _) = build(project)
    assert (pair.rejected, pair.chosen) == TEXTS


@pytest.mark.parametrize(
    ("preferences", "reason"),
    [((1, -1), "tie"), ((0, 0), "tie"), (("both_bad", "both_bad", 1), "both_bad"), ((1, 1, -1, 0, 0), "agreement")],
)
def test_what_is_left_out_is_counted(project: Project, preferences: tuple[int | str, ...], reason: str) -> None:
    voted(project, "p-1", *preferences)
    rows, funnel = build(project, minimum_agreement=0.6)
    assert rows == []
    assert funnel.dropped == {reason: 1}


def test_the_same_text_twice_teaches_nothing(project: Project) -> None:
    voted(project, "p-1", 2, texts=("Yes.", "Yes. "))
    rows, funnel = build(project)
    assert rows == []
    assert funnel.dropped == {"same_text": 1}


def test_a_kept_tie_has_no_margin(project: Project) -> None:
    voted(project, "p-1", 2, -1)
    ((pair,), _) = build(project, ties="keep")
    assert (pair.margin, pair.tie) == (0, True)


def test_a_majority_of_faint_votes_is_not_a_tie(project: Project) -> None:
    voted(project, "p-1", 1, 1, -3)
    ((pair,), _) = build(project)
    assert (pair.chosen, pair.margin, pair.tie) == (TEXTS[0], 0.0, False)


def test_a_row_says_how_many_of_its_answers_are_simulated(project: Project) -> None:
    task = make_task(project, wanted=2)
    one, two = make_raters(project, 2)
    one.is_simulated = True
    one.save()
    make_vote(task, one, 2)
    make_vote(task, two, 2)
    ((pair,), _) = build(project)
    assert (pair.raters, pair.simulated) == (2, 1)
    assert pair.row()["simulated"] == 1


def test_each_answer_can_be_a_row(project: Project) -> None:
    voted(project, "p-1", 3, -1, 2)
    rows, _ = build(project, aggregate="each")
    assert [pair.margin for pair in rows] == [3, 1, 2]


def test_withdrawn_answers_are_not_taken(project: Project, annotator: object) -> None:
    from annotate import services

    task = make_task(project, wanted=2)
    make_vote(task, annotator, 2)  # type: ignore[arg-type]
    services.undo(project=project, annotator=annotator)  # type: ignore[arg-type]
    assert build(project)[0] == []


def test_a_prompt_is_on_one_side_of_the_split(project: Project) -> None:
    for number in range(40):
        voted(project, f"p-{number}", 2)
    sides: dict[str, set[str]] = {}
    for pair in build(project, held_out_share=0.5)[0]:
        sides.setdefault(pair.prompt_key, set()).add(pair.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "held_out"}


def test_the_share_of_held_out_prompts_is_kept() -> None:
    keys = [f"prompt-{number}" for number in range(20_000)]
    share = sum(split_of(key, seed=3, held_out_share=0.3) == "held_out" for key in keys) / len(keys)
    assert share == pytest.approx(0.3, abs=0.015)


def test_the_hash_is_of_the_content(project: Project) -> None:
    voted(project, "p-1", 2)
    voted(project, "p-2", -3, 1, -1)

    def digest(**recipe: object) -> str:
        content = ContentHash()
        for pair in build(project, **recipe)[0]:
            content.add(pair)
        return content.hexdigest()

    assert digest() == digest()
    assert digest() != digest(seed=1, held_out_share=0.9)


def test_a_preview_counts_what_freezing_gives(project: Project) -> None:
    for number in range(12):
        voted(project, f"p-{number}", 2)
    found = preview(project, BuildDatasetSpec(), rows=10)
    assert (found.balance.rows, len(found.sample)) == (12, 10)
    assert any("shorter one in 100%" in text for text in found.balance.warnings())


def test_a_language_filter_reads_only_that_language(project: Project) -> None:
    voted(project, "p-1", 2)
    assert build(project, languages=["ja"])[1].answers == 0
