"""Partial pooling against groups that are known to differ, groups that do not, and a group with next to nothing."""

import numpy as np
import pytest

from evaluate.stats.arena import SCALE, arena
from evaluate.stats.battles import NoRatings, battles
from evaluate.stats.pooled import pooled_ratings

MODELS, GROUPS = 6, 8


def made(seed, spread, n=3000):
    rng = np.random.default_rng(seed)
    truth = np.linspace(1, -1, MODELS) + rng.normal(0, 1, (GROUPS, MODELS)) * spread
    first = rng.integers(0, MODELS, n)
    second, group = (first + rng.integers(1, MODELS, n)) % MODELS, rng.integers(0, GROUPS, n)
    outcomes = rng.random(n) < 1 / (1 + np.exp(truth[group, second] - truth[group, first]))
    names = [f"m{i}" for i in first], [f"m{i}" for i in second]
    return *names, outcomes.astype(float), [f"g{i}" for i in group], truth


def gaps(values):
    """What ratings of a group mean: differences from the group's own mean."""
    return values - values.mean(axis=1, keepdims=True)


def test_the_spread_between_groups_is_found_and_intervals_hold_the_truth():
    spreads, hits = [], []
    for seed in range(8):
        *given, truth = made(seed, 0.4)
        found = pooled_ratings(*given)
        spreads.append(found.spread)
        half = (found.high - found.low) / 2
        hits.append(np.abs(gaps(found.values) - SCALE * gaps(truth)) <= half)
    assert np.mean(spreads) == pytest.approx(0.4 * SCALE, rel=0.2)
    assert 0.92 <= np.mean(hits) <= 1


def test_groups_that_are_alike_are_pooled_to_the_common_ratings():
    *given, _ = made(1, 0.0)
    found = pooled_ratings(*given)
    assert found.spread < 25
    assert found.values == pytest.approx(np.tile(found.overall, (GROUPS, 1)), abs=25)
    plain = arena(battles(*given[:3]), rounds=0).points()[0]
    assert found.overall == pytest.approx(plain, abs=8)


def test_pooling_is_closer_to_the_truth_than_each_group_alone():
    first, second, outcomes, groups, truth = made(3, 0.15, n=800)
    found = pooled_ratings(first, second, outcomes, groups)
    alone = []
    for name in found.groups:
        rows = [i for i, group in enumerate(groups) if group == name]
        fought = battles([first[i] for i in rows], [second[i] for i in rows], outcomes[rows])
        alone.append(arena(fought, rounds=0, prior=0.5).points()[0])
    error = [np.abs(gaps(np.array(values)) - SCALE * gaps(truth)).mean() for values in (found.values, alone)]
    assert error[0] < 0.8 * error[1]


def test_a_group_that_never_saw_a_model_has_its_common_rating_and_a_wide_interval():
    first, second, outcomes, groups, _ = made(2, 0.4)
    first, second, groups = [*first, "m0"], [*second, "m1"], [*groups, "new"]
    found = pooled_ratings(first, second, [*outcomes, 1.0], groups)
    new, old = found.groups.index("new"), found.groups.index("g0")
    assert found.battles[new].tolist() == [1, 1, 0, 0, 0, 0]
    assert found.values[new, 3] == pytest.approx(found.overall[3])
    assert found.high[new, 3] - found.low[new, 3] > found.high[old, 3] - found.low[old, 3]


def test_models_that_never_met_are_refused():
    with pytest.raises(NoRatings, match="never met"):
        pooled_ratings(["a", "c"], ["b", "d"], [1, 0], ["x", "x"])
    with pytest.raises(ValueError, match="one group an outcome"):
        pooled_ratings(["a"], ["b"], [1], [])
