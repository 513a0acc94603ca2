"""RS-DPO: pairs of samples whose rewards lie far enough apart. Values of METHODS2.md, method 58."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.builders.rs_dpo import BUILDER, least_gap, pairs_of_scores
from tests.curate.builders.items import build, candidates, item

REWARDS = [2.0, 0.1, 0.3, -1.5]


@pytest.mark.parametrize(
    ("tau", "pairs"),
    [
        (1.0, {(0, 1), (0, 3), (2, 3)}),
        (0.8, {(0, 1), (0, 3), (2, 3), (0, 2), (1, 3)}),
        (1.2, {(0, 3)}),
    ],
)
def test_published_check_values(tau: float, pairs: set[tuple[int, int]]) -> None:
    assert set(pairs_of_scores(REWARDS, eta=0.85, tau=tau)) == pairs


def test_eta_85_is_a_gap_of_1_734601_tau() -> None:
    assert least_gap(0.85, 1.0) == pytest.approx(1.734601, abs=1e-6)
    assert least_gap(0.85, 0.8) == pytest.approx(0.8 * 1.734601, abs=1e-6)


def test_the_widest_gaps_come_first_and_are_what_a_cap_keeps() -> None:
    one = item(candidates=candidates("w", "x", "y", "z", scores=REWARDS))
    built = build(BUILDER, one, options={"most_pairs": 2})
    assert list(zip(built.text("chosen"), built.text("rejected"), strict=True)) == [("w", "z"), ("w", "x")]
    assert built.column("chosen_score") == [2, 2] and built.column("rejected_score") == [-1.5, 0.1]
    assert built.column("margin") == [3.5, 1.9]
    assert [row.models for row in built.rows] == [("model-0", "model-3"), ("model-0", "model-1")]


def test_samples_of_the_same_text_make_no_pair_and_do_not_use_up_the_cap() -> None:
    one = item(candidates=candidates("w", "w", "x", scores=[5, 0, 1]))
    built = build(BUILDER, one, options={"most_pairs": 1})
    assert built.text("rejected") == ["x"]


def test_unscored_samples_are_passed_over() -> None:
    assert build(BUILDER, item("w", "x")).dropped == {"scored": 1}
    assert build(BUILDER, item(candidates=candidates("w", "x", scores=[1, 1.5]))).dropped == {"gap": 1}


@given(st.lists(st.floats(-20, 20), max_size=8), st.floats(0.5, 0.99), st.floats(0.1, 5))
def test_the_rule_is_the_sigmoid_of_the_gap(scores: list[float], eta: float, tau: float) -> None:
    found = set(pairs_of_scores(scores, eta=eta, tau=tau))
    for i in range(len(scores)):
        for j in range(len(scores)):
            sigmoid = 1 / (1 + math.exp(-(scores[i] - scores[j]) / tau))
            if abs(sigmoid - eta) > 1e-9 and i != j:
                assert ((i, j) in found) == (sigmoid > eta)
