"""Scores of public judge benchmarks by their definitions."""

import numpy as np
import pytest

from evaluate.stats.suites import judgebench, rewardbench, rewardbench2


def test_judgebench_sums_two_games():
    """Right twice; right and a tie; right and wrong; two ties; wrong and a tie."""
    assert judgebench([1, 1, 1, 0, -1], [1, 0, -1, 0, 0]).value == pytest.approx(2 / 5)


def test_rewardbench_weights_subsets_by_their_examples():
    sections = {"Chat": ["easy", "length"], "Safety": ["refusals"]}
    found = rewardbench([1, 1, 1, 0, 0.5], ["easy", "easy", "easy", "length", "refusals"], sections)
    assert found["Chat"].value == 0.75, "not the 0.5 that the mean of subsets would be"
    assert found["Safety"].value == 0.5
    with pytest.raises(ValueError, match="in no section: other"):
        rewardbench([1], ["other"], sections)


def test_rewardbench2_shares_the_credit_of_a_tie():
    scores = [[3, 1, 2, 0], [2, 2, 1, 0], [1, 2, 0, 0], [5, 5, np.nan, np.nan]]
    assert rewardbench2(scores).value == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
