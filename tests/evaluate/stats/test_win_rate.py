"""Win rates against naive references, golden values and what must hold for any votes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.stats import UNDEFINED, accuracy_of, clustered_win_rate, wilson, win_rate

outcomes = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=60)


def naive_cluster_bootstrap(scores, clusters, draws, seed):
    """Draw whole prompts with replacement, one after the other, and take percentiles of the means."""
    rng = np.random.default_rng(seed)
    groups = {key: [s for s, c in zip(scores, clusters, strict=True) if c == key] for key in clusters}
    keys = list(groups)
    means = []
    for _ in range(draws):
        drawn = [s for i in rng.integers(len(keys), size=len(keys)) for s in groups[keys[i]]]
        means.append(np.mean(drawn))
    return np.percentile(means, [2.5, 97.5])


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(8, 10, 0.490, 0.943), (10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278), (1, 1, 0.207, 1.0), (50, 100, 0.404, 0.596)],
)
def test_wilson_golden_values(wins, n, low, high):
    assert wilson(wins, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("wins", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(wins, n):
    with pytest.raises(ValueError, match=r"n|wins"):
        wilson(wins, n)


def test_a_tie_is_half_a_win():
    assert win_rate([1, 0.5, 0.5, 0]).value == 0.5
    assert win_rate([1, 0.5]).value == 0.75


def test_no_battles_are_no_estimate():
    assert win_rate([]) == UNDEFINED
    assert clustered_win_rate([], []) == UNDEFINED
    assert not UNDEFINED.defined
    assert not UNDEFINED.excludes(0.5)


@pytest.mark.parametrize("bad", [[1, 2], [float("nan")], [[1, 0]]])
def test_outcomes_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match=r"utcome"):
        win_rate(bad)


def test_each_outcome_needs_a_cluster():
    with pytest.raises(ValueError, match="2 outcomes and 1 clusters"):
        clustered_win_rate([1, 0], ["a"])


def test_the_bootstrap_matches_one_that_draws_prompt_by_prompt():
    rng = np.random.default_rng(5)
    clusters = rng.integers(0, 40, size=160)
    scores = rng.choice([0.0, 0.5, 1.0], p=[0.3, 0.1, 0.6], size=160)
    estimate = clustered_win_rate(scores, clusters, draws=8000, seed=1)
    low, high = naive_cluster_bootstrap(scores.tolist(), clusters.tolist(), 3000, 2)
    assert estimate.value == pytest.approx(scores.mean())
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.012)


def test_repeating_every_vote_does_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    scores = rng.choice([0.0, 1.0], size=50)
    once = clustered_win_rate(scores, np.arange(50))
    often = clustered_win_rate(np.repeat(scores, 20), np.repeat(np.arange(50), 20))
    assert often.n == 1000
    assert often.clusters == 50
    assert often.high - often.low == pytest.approx(once.high - once.low, abs=0.02)
    naive = win_rate(np.repeat(scores, 20))
    assert often.high - often.low > 3 * (naive.high - naive.low)


def test_all_wins_leave_room_for_a_loss():
    estimate = clustered_win_rate(np.ones(60), np.repeat(np.arange(30), 2))
    assert estimate.value == 1.0
    assert estimate.high == 1.0
    assert estimate.low == pytest.approx(wilson(30, 30)[0])


def test_a_single_prompt_says_nearly_nothing():
    estimate = clustered_win_rate(np.ones(500), ["only"] * 500)
    assert estimate.low == pytest.approx(0.207, abs=1e-3)


def test_the_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(200):
        chance = rng.beta(6, 4, size=40)  # prompts differ, the mean is 0.6
        scores = (rng.random((40, 4)) < chance[:, None]).astype(float)
        estimate = clustered_win_rate(scores.ravel(), np.repeat(np.arange(40), 4), draws=500, seed=trial)
        hits += estimate.low <= 0.6 <= estimate.high
    assert hits >= 180


@settings(max_examples=60, deadline=None)
@given(outcomes, st.integers(1, 12), st.integers(0, 3))
def test_intervals_hold_their_value_and_turn_over_with_the_sides(scores, groups, seed):
    clusters = [i % groups for i in range(len(scores))]
    one = clustered_win_rate(scores, clusters, draws=200, seed=seed)
    other = clustered_win_rate([1 - s for s in scores], clusters, draws=200, seed=seed)
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert one.low < one.high
    assert other.value == pytest.approx(1 - one.value)
    assert one == clustered_win_rate(scores, clusters, draws=200, seed=seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.data())
def test_wilson_solves_its_own_equation(n, data):
    """Each end p satisfies |wins/n - p| = z sqrt(p (1 - p) / n), the test that the interval inverts."""
    wins = data.draw(st.integers(0, n))
    for end in wilson(wins, n):
        assert abs(wins / n - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / n), abs=1e-6)


def test_accuracy_counts_right_margins_and_half_of_the_undecided():
    margins = [2.0, 0.1, -0.3, 0.0]
    assert accuracy_of(margins, ["a", "b", "c", "d"]).value == pytest.approx(0.625)
    assert accuracy_of([], []).value is None


def test_accuracy_takes_prompts_as_the_units():
    rng = np.random.default_rng(3)
    margins = np.repeat(rng.normal(0.4, 1, size=40), 5)
    keys = [f"p{i}" for i in np.repeat(np.arange(40), 5)]
    estimate = accuracy_of(margins, keys)
    assert (estimate.n, estimate.clusters) == (200, 40)
    assert estimate.as_dict().keys() == {"value", "low", "high", "n", "clusters"}


def test_accuracy_refuses_margins_that_are_not_numbers():
    with pytest.raises(ValueError, match="1 of 2 margins"):
        accuracy_of([1.0, float("nan")], ["a", "b"])
