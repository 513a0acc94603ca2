"""The Arena's ratings against their definition, evalica, refits one by one, and graphs without a rating."""

import evalica
import numpy as np
import pytest

from evaluate.stats.arena import RIDGE, SCALE, arena
from evaluate.stats.battles import NoRatings, battles, unbeaten
from evaluate.stats.newton import solve
from evaluate.stats.rankings import METHODS, ranking


def made(n=3000, models=12, seed=0, spread=0.8):
    rng = np.random.default_rng(seed)
    strength = np.linspace(spread, -spread, models)
    first = rng.integers(0, models, n)
    second = (first + rng.integers(1, models, n)) % models
    outcomes = (rng.random(n) < 1 / (1 + np.exp(strength[second] - strength[first]))).astype(float)
    outcomes[rng.random(n) < 0.15] = 0.5
    return [f"m{i:02d}" for i in first], [f"m{i:02d}" for i in second], outcomes


def surprise(fought, strength, counts):
    """The slope of the log-likelihood, written down battle by battle kind; 0 at the maximum."""
    slope = np.zeros(len(fought.names))
    for (low, high), outcome, count in zip(fought.pairs[fought.pair], fought.outcome, counts, strict=True):
        gap = count * (outcome - 1 / (1 + np.exp(strength[high] - strength[low])))
        slope[low] += gap
        slope[high] -= gap
    return slope


def test_counts_are_those_of_the_battles():
    fought = battles(["b", "a", "b", "a"], ["a", "b", "c", "b"], [1, 0, 0.5, 1])
    assert fought.names == ("a", "b", "c")
    assert fought.pairs.tolist() == [[0, 1], [1, 2]]
    kinds = list(zip(fought.pair.tolist(), fought.outcome.tolist(), fought.counts.tolist(), strict=True))
    assert kinds == [(0, 0.0, 2), (0, 1.0, 1), (1, 0.5, 1)]
    assert (fought.fought.tolist(), fought.won.tolist()) == ([3, 4, 1], [1, 2.5, 0.5])
    wins, games = fought.by_pair(fought.counts[None, :])
    assert (wins.tolist(), games.tolist()) == ([[1, 0.5]], [[3, 1]])


def test_shares_of_a_win_other_than_a_half_are_kept():
    fought = battles(["a", "b", "a"], ["b", "a", "b"], [0.25, 0.75, 0.875])
    assert fought.outcome.tolist() == [0.25, 0.875]
    assert fought.counts.tolist() == [2, 1]


def test_each_resample_is_fitted_to_its_maximum():
    fought = battles(*made())
    rng = np.random.default_rng(1)
    counts = rng.multinomial(3000, fought.counts / 3000, size=40)
    start = arena(fought, rounds=0).values
    assert np.abs(surprise(fought, start, fought.counts)).max() < 1e-8
    together = solve(fought.pairs, *fought.by_pair(counts), 12, start=start, exact=1e-9)
    for strength, drawn in zip(together, counts, strict=True):
        assert np.abs(surprise(fought, strength, drawn)).max() < 1e-5
    alone = [solve(fought.pairs, *fought.by_pair(drawn[None, :]), 12)[0] for drawn in counts]
    assert together == pytest.approx(np.array(alone), abs=1e-7)


def test_what_bounds_a_resample_moves_the_others_by_less_than_a_hundredth_of_a_point():
    fought = battles(*made())
    wins, games = fought.by_pair(fought.counts[None, :])
    plain, bounded = (SCALE * solve(fought.pairs, wins, games, 12, ridge=ridge) for ridge in (0.0, RIDGE))
    assert np.abs(plain - bounded).max() < 0.01


def test_resamples_in_which_a_model_wins_everything_are_finite():
    names, other, outcomes = ["top"] * 12, ["base"] * 12, [1.0] * 11 + [0.0]
    strengths = arena(battles(names, other, outcomes), rounds=300)
    _, low, high = strengths.points()
    assert np.isfinite([low, high]).all()
    top = strengths.drawn[:, list(strengths.names).index("top")]
    assert top.max() - np.median(top) > 1, "the simulation must contain such a resample"


def test_the_spread_of_the_resamples_is_that_of_new_battles():
    strengths = arena(battles(*made(seed=5)), rounds=400)
    fresh = [arena(battles(*made(seed=seed)), rounds=0).values for seed in range(100, 180)]
    assert strengths.drawn.std(axis=0) == pytest.approx(np.std(fresh, axis=0), rel=0.35)


def test_it_agrees_with_evalica():
    first, second, outcomes = made()
    kinds = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    theirs = evalica.bradley_terry(first, second, [kinds[o] for o in outcomes], tolerance=1e-14, limit=100_000).scores
    strengths = arena(battles(first, second, outcomes), rounds=0)
    shares = dict(zip(strengths.names, strengths.shares()[0], strict=True))
    assert shares == pytest.approx((theirs / theirs.sum()).to_dict(), abs=1e-8)


def test_points_logs_and_shares_say_the_same():
    strengths = arena(battles(*made()), rounds=50)
    points, logs, shares = strengths.points()[0], strengths.logs()[0], strengths.shares()[0]
    assert points == pytest.approx(1000 + 400 / np.log(10) * logs)
    assert shares[0] / (shares[0] + shares[3]) == pytest.approx(1 / (1 + 10 ** ((points[3] - points[0]) / 400)))
    moved, low, high = strengths.points(("m03", 1114.0))
    assert moved[3] == low[3] == high[3] == 1114
    assert moved - points == pytest.approx(np.full(12, 1114 - points[3]))


def test_the_same_seed_gives_the_same_resamples():
    fought = battles(*made(500))
    one, again, other = (arena(fought, rounds=130, seed=seed).drawn for seed in (1, 1, 2))
    assert (one == again).all()
    assert one.shape == (130, 12)
    assert not (one == other).all()


def test_a_graph_without_a_common_scale_is_named():
    with pytest.raises(NoRatings, match=r"2 groups that never met, .*: a, b; c, d"):
        arena(battles(["a", "c"], ["b", "d"], [0.5, 0.5]))
    with pytest.raises(NoRatings, match="from a, b, so ratings have no bound"):
        arena(battles(["a", "b", "c", "d"], ["b", "c", "d", "c"], [0.5, 1, 1, 1]))
    with pytest.raises(NoRatings, match="There are no battles"):
        arena(battles([], [], []))
    assert unbeaten(battles(["a", "b", "c"], ["b", "c", "a"], [1, 1, 1])) == []


def test_a_model_that_wins_everything_has_a_rating_with_a_prior():
    """20 wins of 20 and half a win a side: odds of 20.5 to 0.5."""
    points = arena(battles(["top"] * 20, ["base"] * 20, [1.0] * 20), rounds=0, prior=0.5).points()[0]
    assert points[1] - points[0] == pytest.approx(400 * np.log10(41))


@pytest.mark.parametrize("method", METHODS)
def test_other_methods_rank_the_strongest_first_and_their_intervals_narrow(method):
    few, many = (ranking(battles(*made(n, models=4)), method, rounds=60) for n in (200, 4000))
    assert many.values.argmax() == 0 and many.values.argmin() == 3
    if method != "counting":  # whose scores grow with the battles
        assert (many.high - many.low)[0] < (few.high - few.low)[0] or method == "elo"
    with pytest.raises(ValueError, match="ties only"):
        ranking(battles(["a"], ["b"], [0.3]), method)
