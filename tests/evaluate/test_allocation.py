"""Which pair is judged next: by simulation against judging all pairs alike."""

import numpy as np
import pytest

from evaluate.allocation import SCALE, Z, next_battles, state


def judged(wins, pairs, strength, rng):
    for (i, j), times in pairs.items():
        won = rng.binomial(times, 1 / (1 + np.exp(strength[j] - strength[i])))
        wins[i, j] += won
        wins[j, i] += times - won


def round_robin(models, number, start):
    pairs = [(i, j) for i in range(models) for j in range(i + 1, models)]
    found = {}
    for k in range(start, start + number):
        pair = pairs[k % len(pairs)]
        found[pair] = found.get(pair, 0) + 1
    return found


def battles_until(width, strength, wins, *, planned, seed, batch=30):
    """How many battles it takes until the root mean square half-width is at most `width` points."""
    rng, wins, used = np.random.default_rng(seed), wins.copy(), 0
    while np.sqrt((state(wins).half_widths ** 2).mean()) > width:
        pairs = next_battles(wins, batch).battles if planned else round_robin(len(strength), batch, used)
        judged(wins, pairs, strength, rng)
        used += batch
        assert used < 40_000
    return used


@pytest.mark.parametrize("seed", range(3))
def test_it_needs_fewer_battles_than_all_pairs_alike_where_models_are_far_apart(seed):
    strength = np.linspace(-4, 4, 8)
    none = np.zeros((8, 8))
    planned = battles_until(45, strength, none, planned=True, seed=seed)
    alike = battles_until(45, strength, none, planned=False, seed=seed)
    assert planned < 0.8 * alike


@pytest.mark.parametrize("seed", range(3))
def test_it_needs_far_fewer_where_one_model_is_new(seed):
    rng, strength = np.random.default_rng(seed), np.linspace(-0.6, 0.6, 8)
    wins = np.zeros((8, 8))
    judged(wins, {(i, j): 150 for i in range(7) for j in range(i + 1, 7)}, strength, rng)
    planned = battles_until(22, strength, wins, planned=True, seed=seed)
    alike = battles_until(22, strength, wins, planned=False, seed=seed)
    assert planned < 0.5 * alike


def test_the_new_model_is_in_every_next_battle():
    wins = np.full((5, 5), 200.0) * (1 - np.eye(5))
    wins[4, :] = wins[:, 4] = 0
    plan = next_battles(wins, 20)
    assert sum(plan.battles.values()) == 20
    assert all(4 in pair for pair in plan.battles)
    assert plan.after < plan.before


def test_of_equal_models_all_pairs_get_the_same():
    plan = next_battles(np.full((4, 4), 10.0) * (1 - np.eye(4)), 60)
    assert set(plan.battles.values()) == {10}


def test_the_interval_of_two_models_is_the_one_of_the_log_odds():
    """n battles, half won: the variance of the gap is 4 / n, and each rating, read against the mean, has a half of
    the gap."""
    found = state([[0, 50], [50, 0]], prior=0)
    assert found.half_widths == pytest.approx([SCALE * Z * np.sqrt(4 / 100) / 2] * 2)
    assert found.strength == pytest.approx([0, 0])


def test_what_is_expected_is_what_a_recount_says():
    wins = np.array([[0, 30.0, 12], [10, 0, 20], [8, 20, 0]])
    plan = next_battles(wins, 25)
    known, later = state(wins), wins.copy()
    for (i, j), times in plan.battles.items():  # as won as they are expected to be
        chance = 1 / (1 + np.exp(known.strength[j] - known.strength[i]))
        later[i, j] += times * chance
        later[j, i] += times * (1 - chance)
    assert plan.after == pytest.approx(state(later).half_widths.max(), rel=1e-6)


def test_intervals_hold_the_truth_as_often_as_they_say():
    strength, held, times = np.array([-1.0, -0.2, 0.3, 0.9]), 0, 200
    for seed in range(times):
        rng, wins = np.random.default_rng(seed), np.zeros((4, 4))
        for _ in range(10):
            judged(wins, next_battles(wins, 40).battles, strength, rng)
        found = state(wins)
        held += int((np.abs(SCALE * (found.strength - strength)) <= found.half_widths).sum())
    assert 0.93 <= held / (4 * times) <= 0.97


def test_it_stops_where_intervals_are_narrow_or_nothing_is_left():
    wins = np.full((3, 3), 5_000.0) * (1 - np.eye(3))
    assert "within 10 points" in next_battles(wins, 50, target=10).stop
    few = np.zeros((3, 3))
    assert next_battles(few, 50, allowed=np.zeros((3, 3))).stop == "Every battle that there can be was judged."
    some = next_battles(few, 50, allowed=np.full((3, 3), 2))
    assert sum(some.battles.values()) == 6
    assert not some.stop
    reached = next_battles(few, 100_000, target=60)
    assert reached.after <= 60 < reached.before
    assert sum(reached.battles.values()) < 100_000


@pytest.mark.parametrize("wins", [[[0]], [[0, -1], [1, 0]], [[1, 0], [0, 0]], [[0, float("nan")], [1, 0]], [1, 2]])
def test_what_are_no_wins_is_refused(wins):
    with pytest.raises(ValueError, match="Wins"):
        next_battles(wins, 1)


def test_what_is_left_must_fit_the_models():
    with pytest.raises(ValueError, match="shape"):
        next_battles(np.zeros((3, 3)), 1, allowed=np.zeros((2, 2)))
