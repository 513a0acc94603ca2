"""Position and length: what a fair judge scores, what a biased one scores, and where nothing can be said."""

import numpy as np
import pytest

from evaluate.stats import UNDEFINED, first_slot_rate, first_slot_rates, length_coefficient, longer_wins, wilson


def test_the_first_slot_rate_leaves_ties_out():
    rate = first_slot_rate([3, 1, -2, 0, 0, 1])
    assert rate.value == 0.75
    assert rate.n == 4
    assert (rate.low, rate.high) == wilson(3, 4)


def test_only_ties_say_nothing_of_position():
    assert first_slot_rate([0, 0]) == UNDEFINED


def test_each_rater_has_a_row_most_votes_first():
    rows = first_slot_rates([1, 1, -1, 0, 1], ["ann", "bob", "bob", "bob", "bob"])
    assert [(row.rater, row.rate.n, row.ties) for row in rows] == [("bob", 3, 1), ("ann", 1, 0)]
    assert rows[0].rate.value == pytest.approx(2 / 3)


def test_the_longer_wins_is_the_same_from_either_side():
    rng = np.random.default_rng(0)
    one, two = rng.integers(5, 80, size=(2, 200))
    outcomes = rng.choice([0.0, 0.5, 1.0], size=200)
    prompts = np.arange(200) // 2
    ahead = longer_wins(one, two, outcomes, clusters=prompts)
    behind = longer_wins(two, one, 1 - outcomes, clusters=prompts)
    assert ahead.value == pytest.approx(behind.value)
    assert ahead.n == int((one != two).sum())


def test_equal_lengths_say_nothing():
    assert longer_wins([4, 4], [4, 4], [1, 0], clusters=[1, 2]) == UNDEFINED
    assert length_coefficient([4, 4], [4, 4], [1, 0], clusters=[1, 2]) == UNDEFINED
    assert length_coefficient([], [], [], clusters=[]) == UNDEFINED


def drawn(slope, n=1500, seed=1):
    rng = np.random.default_rng(seed)
    one, two = rng.normal(50, 12, size=(2, n))
    difference = one - two
    pull = np.tanh(difference / np.sqrt((difference**2).mean()))
    return one, two, (rng.random(n) < 1 / (1 + np.exp(-slope * pull))).astype(float), np.arange(n)


@pytest.mark.parametrize("slope", [-1.5, 0.0, 0.8])
def test_the_coefficient_recovers_what_made_the_votes(slope):
    one, two, outcomes, prompts = drawn(slope)
    estimate = length_coefficient(one, two, outcomes, clusters=prompts)
    assert estimate.low <= slope <= estimate.high
    assert estimate.high - estimate.low < 0.5


def test_the_coefficient_matches_a_search_over_the_likelihood():
    one, two, outcomes, prompts = drawn(0.8, n=60)
    pull = np.tanh((one - two) / np.sqrt(((one - two) ** 2).mean()))
    grid = np.linspace(-4, 4, 80_001)
    logs = -np.log1p(np.exp(-grid[:, None] * pull)) * outcomes - np.log1p(np.exp(grid[:, None] * pull)) * (1 - outcomes)
    prior = -0.5 * np.log1p(np.exp(-grid)) - 0.5 * np.log1p(np.exp(grid))
    best = grid[(logs.sum(axis=1) + prior).argmax()]
    assert length_coefficient(one, two, outcomes, clusters=prompts).value == pytest.approx(best, abs=2e-4)


def test_votes_that_length_decides_completely_stay_finite():
    one, two = np.array([1, 2, 3, 9.0] * 10), np.array([5, 6, 7, 1.0] * 10)
    estimate = length_coefficient(one, two, (one < two).astype(float), clusters=np.arange(40))
    assert estimate.value < -2
    assert -100 < estimate.low < estimate.high < 0


def test_votes_repeated_on_a_prompt_do_not_narrow_the_interval():
    one, two, outcomes, prompts = drawn(0.8, n=150)
    once = length_coefficient(one, two, outcomes, clusters=prompts)
    often = length_coefficient(*(np.repeat(x, 10) for x in (one, two, outcomes)), clusters=np.repeat(prompts, 10))
    assert often.high - often.low > 0.8 * (once.high - once.low)
