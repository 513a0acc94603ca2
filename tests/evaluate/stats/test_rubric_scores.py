"""Macro-F1 against scikit-learn, and preference accuracy by its definition."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from evaluate.stats import UNDEFINED
from evaluate.stats.rubric_scores import macro_f1, preference_accuracy


def test_macro_f1_is_scikit_learns():
    rng = np.random.default_rng(0)
    given = rng.integers(1, 6, 400)
    said = np.clip(given + rng.integers(-1, 2, 400), 1, 6)
    found = macro_f1(said, given)
    assert found.value == pytest.approx(f1_score(given, said, average="macro"))
    assert found.low < found.value < found.high
    assert macro_f1([1, 2, 3], [1, 2, 3]).value == 1
    assert macro_f1([3, 3], [3, 4]).value == pytest.approx((2 / 3 + 0) / 2), "a level only people used counts 0"
    assert macro_f1([], []) == UNDEFINED


def test_preferences_are_those_that_scores_imply():
    """Same side; other side; a tie of both; a tie of people only."""
    found = preference_accuracy([5, 2, 3, 4], [3, 4, 3, 2], [4, 3, 2, 3], [1, 1, 2, 3])
    assert (found.value, found.n) == (0.5, 4)
    with pytest.raises(ValueError, match="two of people"):
        preference_accuracy([1], [1], [1], [1, 2])
