"""The matrix of win rates against its parts."""

import numpy as np
import pytest

from evaluate.stats import UNDEFINED, clustered_win_rate, wilson
from evaluate.stats.matrix import win_rate_matrix


def test_each_cell_is_the_win_rate_of_its_pair():
    rng = np.random.default_rng(0)
    first = rng.choice(["a", "b"], 300)
    second = np.where(first == "a", "b", "a")
    outcomes = rng.choice([0, 0.5, 1], 300)
    prompts = rng.integers(0, 60, 300)
    matrix = win_rate_matrix(first.tolist(), second.tolist(), outcomes, clusters=prompts)
    lower = np.where(first == "a", outcomes, 1 - outcomes)
    cell = matrix.cell("a", "b")
    assert cell.wilson.value == pytest.approx(lower.mean())
    assert (cell.wilson.low, cell.wilson.high) == pytest.approx(wilson(lower.sum(), 300))
    assert cell.bootstrap == clustered_win_rate(lower, prompts)


def test_the_halves_mirror_each_other_and_pairs_that_never_met_are_undefined():
    matrix = win_rate_matrix(["a", "a", "b", "a"], ["b", "b", "c", "b"], [1, 0.5, 1, 0])
    one, other = matrix.cell("a", "b").wilson, matrix.cell("b", "a").wilson
    assert (one.value, one.n) == (0.5, 3)
    assert (1 - one.value, 1 - one.high, 1 - one.low) == pytest.approx((other.value, other.low, other.high))
    assert matrix.cell("a", "c").wilson == matrix.cell("a", "a").bootstrap == UNDEFINED
    assert matrix.cell("c", "b").wilson.value == 0
    assert win_rate_matrix([], [], []).cells == ()
    with pytest.raises(ValueError, match="one cluster an outcome"):
        win_rate_matrix(["a"], ["b"], [1], clusters=[1, 2])
