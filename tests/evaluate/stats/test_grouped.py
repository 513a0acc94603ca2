"""Grouped figures against their worked values and their bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.stats import UNDEFINED
from evaluate.stats.grouped import all_right, both_orders, contrast_sets, nevir, pairwise_consistency


def test_nevir_on_three_items():
    """Right; one query wrong; a tie: a third."""
    first, second = [(0.9, 0.1), (0.9, 0.1), (0.5, 0.5)], [(0.2, 0.8), (0.9, 0.8), (0.1, 0.9)]
    assert nevir(first, second).value == pytest.approx(1 / 3)
    rng = np.random.default_rng(0)
    assert nevir(rng.random((4000, 2)), rng.random((4000, 2))).value == pytest.approx(0.25, abs=0.03)
    assert nevir([], []) == UNDEFINED
    with pytest.raises(ValueError, match="two documents"):
        nevir([(1, 2, 3)], [(1, 2, 3)])


def test_consistency_under_paraphrase():
    """A, A, B agree in one pair of three; C, C, C in three of three: four of six."""
    found = pairwise_consistency(list("AABCCC"), [1, 1, 1, 2, 2, 2])
    assert (found.value, found.n, found.clusters) == (pytest.approx(4 / 6), 6, 2)
    assert pairwise_consistency(["A", "B"], ["x", "y"]) == UNDEFINED
    with pytest.raises(ValueError, match="one group an answer"):
        pairwise_consistency(["A"], [])


def test_contrast_sets():
    found = contrast_sets([1, 1, 1, 0, 0, 1], ["p", "p", "q", "q", "r", "r"], [0, 1, 0, 1, 0, 1])
    assert found.originals.value == found.edits.value == pytest.approx(2 / 3)
    assert found.consistency.value == pytest.approx(1 / 3)
    assert found.consistency.n == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_consistency_is_no_more_than_either_accuracy(sets):
    right = [side for pair in sets for side in pair]
    groups = [i for i in range(len(sets)) for _ in range(2)]
    found = contrast_sets(right, groups, [0, 1] * len(sets), draws=10)
    assert found.consistency.value <= min(found.originals.value, found.edits.value) + 1e-12
    assert found.consistency == all_right(right, groups)


def test_both_orders_choose_the_same_response():
    assert both_orders([1, 2, 0, 1], [1, 1, 0, 0]).value == 0.25
