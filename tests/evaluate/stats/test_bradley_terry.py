"""Ratings against evalica, a slow reference, closed forms, and graphs that have no rating."""

import math

import numpy as np
import pytest
from evalica import Winner
from evalica import bradley_terry as evalica_bradley_terry
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.stats import bradley_terry
from evaluate.stats.bradley_terry import SCALE

NAMES = ["a", "b", "c", "d"]


def battles(n=400, seed=0, strengths=(0.8, 0.3, 0.0, -0.9)):
    rng = np.random.default_rng(seed)
    firsts = rng.integers(0, 4, size=n)
    seconds = (firsts + rng.integers(1, 4, size=n)) % 4
    gap = np.array(strengths)[firsts] - np.array(strengths)[seconds]
    outcomes = (rng.random(n) < 1 / (1 + np.exp(-gap))).astype(float)
    outcomes[rng.random(n) < 0.1] = 0.5
    return [NAMES[i] for i in firsts], [NAMES[i] for i in seconds], outcomes


def values(ratings):
    return {row.model: row.value for row in ratings.rows}


def by_gradient_ascent(firsts, seconds, outcomes, prior):
    """The same likelihood, climbed one small step at a time."""
    strength = dict.fromkeys(sorted({*firsts, *seconds}), 0.0)
    games = list(zip(firsts, seconds, outcomes, strict=True))
    met = {tuple(sorted((a, b))) for a, b, _ in games}
    weighted = [(a, b, o, 1.0) for a, b, o in games] + [(a, b, 0.5, 2 * prior) for a, b in met]
    for _ in range(3000):
        slope = dict.fromkeys(strength, 0.0)
        for a, b, outcome, weight in weighted:
            surprise = weight * (outcome - 1 / (1 + math.exp(strength[b] - strength[a])))
            slope[a] += surprise
            slope[b] -= surprise
        strength = {name: value + 0.02 * slope[name] for name, value in strength.items()}
    mean = sum(strength.values()) / len(strength)
    return {name: 1000 + SCALE * (value - mean) for name, value in strength.items()}


def test_it_agrees_with_evalica():
    firsts, seconds, outcomes = battles()
    winners = [{1.0: Winner.X, 0.0: Winner.Y, 0.5: Winner.Draw}[o] for o in outcomes]
    theirs = evalica_bradley_terry(firsts, seconds, winners, tie_weight=0.5, tolerance=1e-12, limit=5000).scores
    logs = np.log(theirs)
    ours = values(bradley_terry(firsts, seconds, outcomes, prior=0, draws=0))
    for name in NAMES:
        assert ours[name] == pytest.approx(1000 + SCALE * (logs[name] - logs.mean()), abs=0.01)


def test_it_agrees_with_a_slow_reference_that_has_the_same_prior():
    firsts, seconds, outcomes = battles(60, seed=4)
    ours = values(bradley_terry(firsts, seconds, outcomes, draws=0))
    assert ours == pytest.approx(by_gradient_ascent(firsts, seconds, outcomes, 0.5), abs=0.01)


def test_two_models_have_a_closed_form():
    """30 wins of 40 with half a win a side on top: odds of 30.5 to 10.5."""
    outcomes = [1.0] * 30 + [0.0] * 10
    ratings = bradley_terry(["new"] * 40, ["base"] * 40, outcomes, anchor="base")
    assert values(ratings)["new"] == pytest.approx(1000 + 400 * math.log10(30.5 / 10.5))
    assert [row.model for row in ratings.rows] == ["new", "base"]
    assert ratings.rows[0].battles == 40


def test_the_anchor_stands_still_and_the_others_have_intervals():
    ratings = bradley_terry(*battles(), anchor="c")
    rows = {row.model: row for row in ratings.rows}
    assert rows["c"].low == rows["c"].value == rows["c"].high == 1000
    assert rows["a"].low < rows["a"].value < rows["a"].high
    assert rows["a"].low > 1000


def test_the_interval_holds_the_truth_about_95_times_in_100():
    truth = SCALE * 1.1  # a over c is 0.8, d is -0.9; a over b 0.5
    hits = 0
    for seed in range(100):
        ratings = bradley_terry(*battles(300, seed, (1.1, 0.4, 0.0, -0.5)), anchor="c", draws=200, seed=seed)
        row = {row.model: row for row in ratings.rows}["a"]
        # One battle in ten is a forced tie, which pulls every gap in a little: allow for that shift of the truth.
        hits += row.low <= 1000 + truth * 0.88 <= row.high
    assert hits >= 88


def test_more_battles_narrow_the_interval():
    few, many = (bradley_terry(*battles(n), anchor="c").rows[0] for n in (100, 1600))
    assert (many.high - many.low) < 0.45 * (few.high - few.low)


def test_a_model_that_wins_everything_stays_finite():
    ratings = bradley_terry(["top"] * 20, ["base"] * 20, [1.0] * 20, anchor="base")
    top = ratings.rows[0]
    assert 1000 < top.value < 2000
    assert math.isfinite(top.low)
    assert math.isfinite(top.high)


def test_without_a_prior_a_model_that_wins_everything_has_no_rating():
    ratings = bradley_terry(["top"] * 5, ["base"] * 5, [1.0] * 5, prior=0, draws=0)
    assert ratings.rows == ()
    assert "no bound" in ratings.problem


def test_models_that_never_met_have_no_common_scale():
    ratings = bradley_terry(["a", "c"], ["b", "d"], [1.0, 0.0])
    assert ratings.rows == ()
    assert ratings.groups == (("a", "b"), ("c", "d"))
    assert "a, b; c, d" in ratings.problem


def test_no_battles_and_an_absent_anchor_are_said():
    assert bradley_terry([], [], []).problem == "There are no battles yet."
    assert "zed" in bradley_terry(["a"], ["b"], [1.0], anchor="zed").problem


def test_a_battle_with_itself_is_refused():
    with pytest.raises(ValueError, match="itself"):
        bradley_terry(["a"], ["a"], [1.0])


def test_intervals_need_a_prior():
    with pytest.raises(ValueError, match="prior"):
        bradley_terry(["a"], ["b"], [1.0], prior=0)


def by_prompt(seed, *, prompts, samples):
    """Three equal models; on each prompt each has a taste of luck that all its samples share."""
    rng = np.random.default_rng(seed)
    luck = rng.normal(0, 1.5, size=(prompts, 3))
    prompt, pair, _ = (axis.reshape(-1) for axis in np.indices((prompts, 3, samples)))
    first, second = np.array([0, 0, 1])[pair], np.array([1, 2, 2])[pair]
    outcomes = rng.random(prompt.size) < 1 / (1 + np.exp(luck[prompt, second] - luck[prompt, first]))
    return [NAMES[i] for i in first], [NAMES[i] for i in second], outcomes.astype(float), prompt


def false_alarms(*, clustered, prompts, runs=150):
    """How often an equal model's interval excludes the anchor's 1,000."""
    alarms = []
    for seed in range(runs):
        firsts, seconds, outcomes, prompt = by_prompt(seed, prompts=prompts, samples=4)
        clusters = prompt if clustered else None
        ratings = bradley_terry(firsts, seconds, outcomes, clusters=clusters, anchor="a", draws=200, seed=seed)
        alarms += [not row.low <= 1000 <= row.high for row in ratings.rows if row.model != "a"]
    return float(np.mean(alarms))


@pytest.mark.parametrize("prompts", [12, 40])
def test_four_samples_of_a_prompt_are_no_four_facts(prompts):
    assert false_alarms(clustered=True, prompts=prompts) < 0.09
    assert false_alarms(clustered=False, prompts=prompts) > 0.16, "the simulation must be one that matters"


def test_a_cluster_a_battle_is_no_clusters():
    firsts, seconds, outcomes = battles(200)
    plain, own = (
        bradley_terry(firsts, seconds, outcomes, clusters=clusters, anchor="c") for clusters in (None, np.arange(200))
    )
    for one, other in zip(plain.rows, own.rows, strict=True):
        assert (one.model, one.value) == (other.model, other.value)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=25), "other draws, the same spread"


def test_keys_of_clusters_may_be_any_and_their_names_do_not_matter():
    firsts, seconds, outcomes, prompt = by_prompt(0, prompts=15, samples=2)
    words = [f"prompt {14 - i}" for i in prompt]
    one, other = (bradley_terry(firsts, seconds, outcomes, clusters=clusters) for clusters in (prompt, words))
    assert one == other
    with pytest.raises(ValueError, match="give one cluster"):
        bradley_terry(firsts, seconds, outcomes, clusters=prompt[1:])


@pytest.mark.parametrize(("battles_each", "prompts"), [(1, 1), (40, 1), (40, 3)])
def test_a_few_prompts_make_nobody_certain(battles_each, prompts):
    """All won, but on so few prompts that a resample cannot be any different."""
    firsts = ["new", "other"] * battles_each
    clusters = np.arange(len(firsts)) // 2 % prompts
    ratings = bradley_terry(firsts, ["base"] * len(firsts), [1.0] * len(firsts), clusters=clusters, anchor="base")
    assert all(row.low < 1000 < row.value < row.high for row in ratings.rows if row.model != "base")


def test_a_model_that_wins_everything_has_an_interval_and_does_not_widen_the_others():
    firsts, seconds, outcomes = battles(400, strengths=(0.4, 0.2, 0.0, -0.2))
    before = {row.model: row for row in bradley_terry(firsts, seconds, outcomes, anchor="c").rows}
    firsts, seconds, outcomes = [*firsts, *["top"] * 30], [*seconds, *["c"] * 30], [*outcomes, *[1.0] * 30]
    after = {row.model: row for row in bradley_terry(firsts, seconds, outcomes, anchor="c").rows}
    assert 1000 < after["top"].low < after["top"].value - 100
    for name in "abd":
        assert after[name].high - after[name].low == pytest.approx(before[name].high - before[name].low, rel=0.2)


games = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([0.0, 0.5, 1.0])).filter(
        lambda game: game[0] != game[1]
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(games)
def test_what_holds_for_any_battles(played):
    firsts, seconds, outcomes = (list(column) for column in zip(*played, strict=True))
    one = bradley_terry(firsts, seconds, outcomes, draws=20)
    turned = bradley_terry(seconds, firsts, [1 - o for o in outcomes], draws=20)
    assert one == turned, "which model is named first must not matter"
    if one.problem:
        assert len(one.groups) > 1
        return
    assert np.mean([row.value for row in one.rows]) == pytest.approx(1000)
    assert all(row.low <= row.value <= row.high and math.isfinite(row.high - row.low) for row in one.rows)
    mirrored = values(bradley_terry(firsts, seconds, [1 - o for o in outcomes], draws=0))
    assert {name: 2000 - value for name, value in mirrored.items()} == pytest.approx(values(one), abs=1e-5)
