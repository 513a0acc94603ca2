"""Corrections against worked examples and scipy; tests of differences under no difference, and under one."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from evaluate.stats.arena import arena
from evaluate.stats.battles import battles
from evaluate.stats.differences import benjamini_hochberg, holm, rating_differences

MODELS = 5


def rated(seed, spread):
    rng = np.random.default_rng(seed)
    strength = np.linspace(spread, -spread, MODELS)
    first = rng.integers(0, MODELS, 1500)
    second = (first + rng.integers(1, MODELS, 1500)) % MODELS
    outcomes = (rng.random(1500) < 1 / (1 + np.exp(strength[second] - strength[first]))).astype(float)
    return arena(battles([f"m{i}" for i in first], [f"m{i}" for i in second], outcomes), rounds=300, seed=seed)


def test_corrections():
    """Of 0.01, 0.04, 0.03, 0.005: Holm's factors are 4 for the smallest down to 1, and never fall."""
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    random = np.random.default_rng(0).random(50) ** 2
    assert benjamini_hochberg(random) == pytest.approx(false_discovery_control(random))
    assert (holm(random) >= benjamini_hochberg(random) - 1e-12).all()
    assert holm([]).size == 0


def test_equal_models_are_seldom_said_to_differ():
    found = [rating_differences(rated(seed, 0.0)) for seed in range(40)]
    assert np.mean([any(row.significant for row in rows) for rows in found]) <= 0.15
    uncorrected = np.mean([any(row.p < 0.05 for row in rows) for rows in found])
    assert uncorrected > 0.15, "without correction there are false findings, or the test shows nothing"


def test_models_that_differ_are_told_apart_better_first():
    rows = rating_differences(rated(1, 0.8))
    assert len(rows) == MODELS * (MODELS - 1) // 2
    assert all(row.value >= 0 and row.low <= row.value <= row.high for row in rows)
    best = next(row for row in rows if {row.model, row.other} == {"m0", "m4"})
    assert best.significant and best.model == "m0" and best.low > 0
    assert [row.p for row in rows] == sorted(row.p for row in rows)


def test_what_cannot_be_tested_is_refused():
    strengths = arena(battles(["a", "b"], ["b", "a"], [1, 1]), rounds=0)
    with pytest.raises(ValueError, match="needs resamples"):
        rating_differences(strengths)
    with pytest.raises(ValueError, match="no correction 'none'"):
        rating_differences(strengths, correction="none")
