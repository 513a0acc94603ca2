"""Style control against scikit-learn's fit of the same design, and against what the data was made with."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from evaluate.stats.arena import SCALE, arena
from evaluate.stats.battles import battles
from evaluate.stats.style import relative, standardised, style_controlled


def made(n=4000, seed=0, length=1.2):
    rng = np.random.default_rng(seed)
    strength = np.array([0.6, 0.2, -0.2, -0.6])
    typical = np.array([100, 200, 400, 800])  # the weaker the longer
    first = rng.integers(0, 4, n)
    second = (first + rng.integers(1, 4, n)) % 4
    feature = relative(typical[first] * rng.lognormal(0, 0.7, n), typical[second] * rng.lognormal(0, 0.7, n))
    gap = strength[first] - strength[second] + length * feature
    outcomes = (rng.random(n) < 1 / (1 + np.exp(-gap))).astype(float)
    outcomes[rng.random(n) < 0.1] = 0.5
    return battles([f"m{i}" for i in first], [f"m{i}" for i in second], outcomes), feature


def test_features_are_relative_and_scored_over_the_battles():
    assert relative([3, 0], [1, 0]).tolist() == [0.4, 0]
    assert standardised([1, 2, 3], "x") == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    with pytest.raises(ValueError, match="'x' is the same in every battle"):
        standardised([0.1, 0.1, 0.1], "x")


@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_it_agrees_with_scikit_learn(penalty):
    fought, feature = made()
    scored = standardised(feature, "length")
    styled = style_controlled(fought, scored[:, None], ["length"], rounds=0, penalty=penalty)
    n = fought.scores.size
    sides = np.zeros((n, 4))
    sides[np.arange(n), fought.first], sides[np.arange(n), fought.second] = 1, -1
    # In units of 400 points, as the Arena has them, all parameters have the same penalty.
    design = np.hstack([sides * np.log(10), scored[:, None]])
    both = np.concatenate([fought.scores, 1 - fought.scores])
    model = LogisticRegression(C=1 / penalty if penalty else np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000)
    model.fit(np.concatenate([design, design]), np.repeat([1, 0], n), both)
    ratings = model.coef_[0][:4] * np.log(10)
    assert styled.strengths.values == pytest.approx(ratings - ratings.mean(), abs=1e-5)
    assert styled.coefficients[0].value == pytest.approx(model.coef_[0][4], abs=1e-5)


def test_ratings_at_equal_length_are_those_the_data_was_made_with():
    fought, feature = made(20_000, seed=2)
    scored = standardised(feature, "length")
    styled = style_controlled(fought, scored[:, None], ["length"], rounds=50)
    plain = arena(fought, rounds=0).values
    # Forced ties pull gaps in by a tenth.
    assert styled.strengths.values == pytest.approx(0.9 * np.array([0.6, 0.2, -0.2, -0.6]), abs=0.09)
    assert np.abs(plain - styled.strengths.values).max() > 0.2
    (row,) = styled.coefficients
    assert row.low < 0.9 * 1.2 * feature.std() < row.high or row.value == pytest.approx(1.08 * feature.std(), rel=0.15)


def test_intervals_are_as_wide_as_those_without_style():
    """A feature that says nothing leaves ratings and intervals as they are."""
    fought, _ = made(3000, seed=4, length=0)
    noise = standardised(np.random.default_rng(1).normal(size=3000), "noise")
    styled = style_controlled(fought, noise[:, None], ["noise"], rounds=300)
    plain = arena(fought, rounds=300)
    assert SCALE * styled.strengths.values == pytest.approx(SCALE * plain.values, abs=1)
    assert styled.strengths.drawn.std(axis=0) == pytest.approx(plain.drawn.std(axis=0), rel=0.2)
    assert styled.coefficients[0].low < 0 < styled.coefficients[0].high


def test_a_wrong_shape_is_refused():
    fought, feature = made(50)
    with pytest.raises(ValueError, match="50 battles and 2 features"):
        style_controlled(fought, feature[:, None], ["a", "b"])
