"""Rankings as pairs: how many there are, that none contradicts its ranking, and what several raters become."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.kinds.ranking import competition, level
from curate.builders.rankings import BUILDER
from tests.curate.builders.items import build, item, ranked

TEXTS = ("w", "x", "y", "z")


def pairs(*answers, texts=TEXTS, pairs="all", **recipe):
    built = build(BUILDER, item(*texts, answers=answers), options={"pairs": pairs}, recipe=recipe)
    return list(zip(built.text("chosen"), built.text("rejected"), strict=True)), built


def test_an_order_of_four_is_six_pairs() -> None:
    found, _ = pairs(ranked(2, 1, 3, 4))
    assert set(found) == {("x", "w"), ("x", "y"), ("x", "z"), ("w", "y"), ("w", "z"), ("y", "z")}


def test_the_best_over_the_rest() -> None:
    assert pairs(ranked(2, 1, 3, 4), pairs="best_vs_rest")[0] == [("x", "w"), ("x", "y"), ("x", "z")]


def test_two_that_share_the_first_place_are_each_over_the_rest() -> None:
    assert set(pairs(ranked(1, 1, 3, 4), pairs="best_vs_rest")[0]) == {("w", "y"), ("w", "z"), ("x", "y"), ("x", "z")}


def test_each_place_over_the_next() -> None:
    assert pairs(ranked(2, 1, 3, 4), pairs="adjacent")[0] == [("x", "w"), ("w", "y"), ("y", "z")]


def test_responses_below_the_places_are_below_all_and_not_compared_among_themselves() -> None:
    for which in ("all", "best_vs_rest", "adjacent"):
        assert set(pairs(ranked(1, None, None, None), pairs=which)[0]) == {("w", "x"), ("w", "y"), ("w", "z")}


def test_positions_are_read_through_the_order_shown() -> None:
    assert pairs(ranked(1, 2, 3, 4, order=[3, 1, 0, 2]), pairs="best_vs_rest")[0] == [
        ("w", "x"), ("w", "y"), ("w", "z")
    ]  # fmt: skip


def test_a_tie_gives_no_pair_unless_the_recipe_keeps_it() -> None:
    assert pairs(ranked(1, 1), texts=("w", "x"))[1].dropped == {"all_tied": 1}
    found, built = pairs(ranked(1, 1), texts=("w", "x"), ties="keep")
    assert found == [("w", "x")] and built.column("tie") == [True] and built.column("margin") == [0]
    found, built = pairs(ranked(1, 1), texts=("w", "x"), ties="half")
    assert found == [("w", "x"), ("x", "w")] and built.column("weight") == [0.5, 0.5]


def test_raters_are_counted_pair_by_pair() -> None:
    found, built = pairs(ranked(1, 2, 3, by=1), ranked(1, 3, 2, by=2), ranked(2, 1, 3, by=3), texts=("w", "x", "y"))
    share = dict(zip(found, [row.agreement for row in built.rows], strict=True))
    assert share == {("w", "x"): 2 / 3, ("w", "y"): 1, ("x", "y"): 2 / 3}
    assert all(row.raters == 3 and len(row.feedback_ids) == 3 for row in built.rows)
    disagreement = dict(zip(found, built.column("disagreement"), strict=True))
    assert disagreement[("w", "x")] == pytest.approx(1 / 3)


def test_a_pair_with_too_little_agreement_is_left_out() -> None:
    answers = ranked(1, 2, 3, by=1), ranked(1, 3, 2, by=2), ranked(2, 1, 3, by=3)
    assert pairs(*answers, texts=("w", "x", "y"), minimum_agreement=0.9)[0] == [("w", "y")]


def test_agreement_that_is_just_enough_is_enough() -> None:
    answers = [ranked(*ranks, by=by) for by, ranks in enumerate([(1, 2), (1, 2), (1, 2), (2, 1)])]
    assert pairs(*answers, texts=("w", "x"), minimum_agreement=0.75)[0] == [("w", "x")]


def test_who_saw_the_chosen_response_before_the_other_is_counted() -> None:
    answers = ranked(1, 2, by=1, order=[1, 0]), ranked(1, 2, by=2, order=[1, 0]), ranked(1, 2, by=3, order=[0, 1])
    assert pairs(*answers, texts=("w", "x"))[1].column("chosen_first") == [pytest.approx(1 / 3)]


def test_two_raters_who_contradict_each_other_are_a_tie() -> None:
    found, built = pairs(ranked(1, 2, by=1), ranked(2, 1, by=2), texts=("w", "x"))
    assert found == [] and built.dropped == {"all_tied": 1}


def test_each_rater_by_itself() -> None:
    found, built = pairs(ranked(1, 2, by=1), ranked(2, 1, by=2), texts=("w", "x"), aggregate="each")
    assert found == [("w", "x"), ("x", "w")] and [row.raters for row in built.rows] == [1, 1]


def test_the_margin_is_how_many_places_lie_between() -> None:
    found, built = pairs(ranked(1, 2, 3, 4, 5), texts=("v", *TEXTS))
    margin = dict(zip(found, built.column("margin"), strict=True))
    assert (margin[("v", "w")], margin[("v", "x")], margin[("v", "y")], margin[("v", "z")]) == (1, 2, 3, 3)
    assert built.column("strength") == [None] * 10


def test_equal_texts_make_no_pair() -> None:
    assert pairs(ranked(1, 2, 3), texts=("w", "w ", "y"))[0] == [("w", "y"), ("w ", "y")]


def test_models_and_seed_are_those_of_the_two_responses() -> None:
    row = pairs(ranked(2, 1), texts=("w", "x"))[1].rows[0]
    assert row.models == ("model-1", "model-0") and row.seed == 1


@st.composite
def rankings(draw, k: int):
    places = draw(st.integers(1, k))
    given = draw(st.lists(st.integers(1, k) | (st.none() if places < k else st.nothing()), min_size=k, max_size=k))
    return competition(given, places)


@given(st.data())
def test_no_pair_contradicts_its_ranking_and_none_is_missing(data) -> None:
    k = data.draw(st.integers(2, 7))
    ranks = data.draw(rankings(k))
    order = data.draw(st.permutations(range(k)))
    texts = [f"text {at}" for at in range(k)]
    found, _ = pairs(ranked(*ranks, order=order), texts=texts)
    rank = {text: level(rank) for text, rank in zip(texts, ranks, strict=True)}
    expected = {
        frozenset(both) for both in combinations(texts, 2) if rank[both[0]] != rank[both[1]]
    }  # fmt: skip
    assert all(rank[chosen] < rank[rejected] for chosen, rejected in found)
    assert len(found) == len(expected) and {frozenset(one) for one in found} == expected


@given(st.data())
def test_the_few_pairs_are_among_all_pairs(data) -> None:
    k = data.draw(st.integers(2, 6))
    answers = [
        ranked(*data.draw(rankings(k)), by=rater, order=data.draw(st.permutations(range(k)))) for rater in range(3)
    ]
    texts = [f"text {at}" for at in range(k)]
    everything = set(pairs(*answers, texts=texts)[0])
    for which in ("best_vs_rest", "adjacent"):
        assert set(pairs(*answers, texts=texts, pairs=which)[0]) <= everything
