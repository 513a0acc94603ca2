"""Good or bad, one response a row, for KTO."""

import pytest

from curate.builders.unpaired import BUILDER
from tests.curate.builders.items import build, decision, item, rated, said, selected, voted


def labels(built):
    return dict(zip(built.text("completion"), built.column("label"), strict=True))


def test_the_winner_is_good_and_the_loser_is_not() -> None:
    vote = voted(-2)
    built = build(BUILDER, item("w", "x", answers=[vote], decisions=[decision(1, vote)]))
    assert labels(built) == {"x": True, "w": False}
    assert [row.feedback_ids for row in built.rows] == [(vote.feedback_id,)] * 2
    assert [row.models for row in built.rows] == [("model-1",), ("model-0",)]


def test_both_bad_to_most_raters_makes_both_bad() -> None:
    bad = [said("pairwise", {"both_bad": True}, by=by) for by in (1, 2)]
    built = build(BUILDER, item("w", "x", answers=[*bad, voted(1, by=3)]))
    assert labels(built) == {"w": False, "x": False}
    assert built.rows[0].agreement == pytest.approx(2 / 3)


def test_both_bad_to_half_of_the_raters_is_undecided() -> None:
    bad = said("pairwise", {"both_bad": True}, by=1)
    assert build(BUILDER, item("w", "x", answers=[bad, voted(0, by=2)])).dropped == {"undecided": 1}


def test_a_tie_says_nothing_of_good_or_bad() -> None:
    vote = voted(0)
    tied = item("w", "x", answers=[vote], decisions=[decision(0, vote, tie=True)])
    assert build(BUILDER, tied, recipe={"ties": "keep"}).dropped == {"undecided": 1}


def test_equal_texts_are_not_good_and_bad_at_once() -> None:
    assert build(BUILDER, item("w", "w ", decisions=[decision(0)])).dropped == {"same_text": 1}


def test_what_fits_is_good_and_what_does_not_is_bad() -> None:
    built = build(BUILDER, item("w", "x", "y", answers=[selected(0, 2, shown=[2, 0, 1])]))
    assert labels(built) == {"w": True, "x": False, "y": True}


def test_none_fits_makes_all_bad() -> None:
    assert labels(build(BUILDER, item("w", "x", answers=[selected(shown=[1, 0])]))) == {"w": False, "x": False}


def test_raters_of_a_selection_decide_by_majority_and_halves_are_left_out() -> None:
    one = item("w", "x", answers=[selected(0, 1, shown=[0, 1], by=1), selected(0, shown=[1, 0], by=2)])
    assert labels(build(BUILDER, one)) == {"w": True}


@pytest.mark.parametrize(("threshold", "good"), [(3.5, True), (4.0, False)])
def test_the_mean_of_ratings_decides(threshold: float, good: bool) -> None:
    answer = rated({"a": 3, "b": 4}, {"a": 1, "b": 2})
    built = build(BUILDER, item("w", "x", answers=[answer]), options={"good_from": threshold})
    assert labels(built) == {"w": good, "x": False}


def test_one_response_with_ratings_needs_no_second() -> None:
    assert labels(build(BUILDER, item("w", answers=[rated({"a": 5})]))) == {"w": True}


def test_ratings_can_be_left_to_decide_the_winner_alone() -> None:
    answer = rated({"a": 5}, {"a": 4})
    one = item("w", "x", answers=[answer], decisions=[decision(0, answer)])
    assert labels(build(BUILDER, one, options={"ratings_decide": False})) == {"w": True, "x": False}
