"""Calibration against worked bins, judges that are calibrated by construction, and one that is not."""

import numpy as np
import pytest

from evaluate.stats.calibration import calibration, cost


def test_worked_bins():
    """Two of 0.9 with one right: gap 0.4; two of 0.6, both right: gap 0.4; one of 0.1, wrong: gap 0.1."""
    found = calibration([0.9, 0.9, 0.6, 0.6, 0.1], [1, 0, 1, 1, 0])
    used = {(round(row.begin, 1), row.accuracy.n, row.accuracy.value) for row in found.bins if row.accuracy.n}
    assert used == {(0.8, 2, 0.5), (0.5, 2, 1.0), (0.0, 1, 0.0)}
    assert found.error.value == pytest.approx((0.8 + 0.8 + 0.1) / 5)
    assert found.brier.value == pytest.approx((0.01 + 0.81 + 0.16 + 0.16 + 0.01) / 5)
    assert (found.mean_confidence, found.accuracy) == (pytest.approx(0.62), pytest.approx(0.6))


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    found = calibration([0.0, 0.5, 0.51, 1.0], [0, 1, 1, 1], bins=2)
    assert [row.accuracy.n for row in found.bins] == [2, 2]


def test_a_calibrated_judge_and_one_that_is_too_sure():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 20_000)
    right = (rng.random(20_000) < sure).astype(float)
    fair, brash = calibration(sure, right, draws=200), calibration(0.5 + sure / 2, right, draws=200)
    assert fair.error.value < 0.02
    assert brash.error.value == pytest.approx(0.125, abs=0.02)
    assert brash.error.low < brash.error.value < brash.error.high
    assert brash.brier.value > fair.brier.value


def test_prompts_are_what_is_resampled():
    rng = np.random.default_rng(1)
    right = np.repeat(rng.integers(0, 2, 50), 20).astype(float)
    sure = np.full(1000, 0.8)
    alone, by_prompt = calibration(sure, right), calibration(sure, right, clusters=np.repeat(np.arange(50), 20))
    assert by_prompt.error.high - by_prompt.error.low > 2 * (alone.error.high - alone.error.low)


def test_nothing_and_nonsense():
    assert calibration([], []).error.value is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([1.2], [1])
    with pytest.raises(ValueError, match="one of each"):
        calibration([1.0], [])


def test_cost_counts_unreadable_judgements_too():
    found = cost([100, 200, 300], [1, 2, 3], [0.1, 0.2, 0.3], [1, 0, 1])
    assert (found.n, found.tokens, found.seconds) == (3, 600, 6)
    assert (found.per_judgement, found.per_right) == (pytest.approx(0.2), pytest.approx(0.3))
    assert cost([1], [1], [1], [0]).per_right is None
