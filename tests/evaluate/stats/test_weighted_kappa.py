"""Quadratic kappa and mean error: by hand, and intervals that take prompts as units."""

import numpy as np
import pytest

from evaluate.stats.weighted_kappa import mean_error, weighted_kappa


def keys(count: int) -> list[str]:
    return [f"p-{number}" for number in range(count)]


def test_kappa_by_hand() -> None:
    """One level apart once in four, against what the same levels cost when paired at random."""
    given, said = [0, 0, 2, 2], [0, 1, 2, 2]
    chance = sum((one - other) ** 2 for one in given for other in said) / 4
    found = weighted_kappa(given, said, keys(4), levels=3)
    assert found.value == pytest.approx(1 - 1 / chance) and found.n == found.clusters == 4


def test_the_same_levels_are_one_and_the_other_way_round_is_below_zero() -> None:
    levels = [0, 1, 2, 3, 4]
    assert weighted_kappa(levels, levels, keys(5), levels=5).value == pytest.approx(1)
    assert weighted_kappa(levels, levels[::-1], keys(5), levels=5).value == pytest.approx(-1)


def test_a_judge_that_always_says_one_level_has_no_kappa_above_chance() -> None:
    assert weighted_kappa([0, 1, 2], [1, 1, 1], keys(3), levels=3).value == pytest.approx(0)
    nothing = weighted_kappa([1, 1], [1, 1], keys(2), levels=3)
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 2)
    assert not weighted_kappa([], [], [], levels=3).defined


def test_the_mean_error_counts_levels() -> None:
    assert mean_error([0, 4, 2], [1, 1, 2], keys(3), levels=5).value == pytest.approx(4 / 3)


def test_ratings_of_one_prompt_are_one_piece_of_evidence() -> None:
    random = np.random.default_rng(1)
    given = random.integers(0, 5, 200)
    said = np.clip(given + random.integers(-1, 2, 200), 0, 4)
    many = mean_error(given, said, keys(200), levels=5)
    few = mean_error(np.repeat(given, 5), np.repeat(said, 5), [key for key in keys(200) for _ in range(5)], levels=5)
    assert few.n == 5 * many.n and few.clusters == many.clusters
    assert many.low is not None and many.high is not None and few.low is not None and few.high is not None
    assert few.high - few.low == pytest.approx(many.high - many.low, rel=0.1)
    assert many.low < float(np.abs(given - said).mean()) < many.high


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        weighted_kappa([0, 1], [0], keys(2), levels=2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        weighted_kappa([0, 2], [0, 1], keys(2), levels=2)
