"""The length-controlled win rate against scikit-learn's own cross-validated fit, set up as AlpacaEval 2 sets it up."""

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import make_scorer
from sklearn.model_selection import GroupKFold

from evaluate.stats.length_control import CS, Judged, length_controlled, raw


def made(seed, *, items=300, shift=0.0, quality=0.0, weight=None, lost=()):
    rng = np.random.default_rng(seed)
    difficulty = np.random.default_rng(99).normal(0, 1.2, items)
    baseline = np.random.default_rng(98).integers(200, 3000, items).astype(float)
    length = np.maximum(1, baseline + rng.normal(shift, 900, items).round())
    gap = length - baseline
    pull = 1.4 * np.tanh(gap / gap.std(ddof=1)) + 0.9 * difficulty + quality + rng.normal(0, 1.5, items)
    preference = 1 / (1 + np.exp(-pull))
    preference[list(lost)] = np.nan
    return Judged(preference, length, baseline, difficulty, None if weight is None else np.full(items, weight))


def reference(judged, shared):
    """LogisticRegressionCV with soft labels as weighted rows, and the length difference counted from the baseline."""
    parts = []
    for one in (*shared, judged):
        gap = one.baseline_length - one.length
        features = [np.tanh(gap / gap.std(ddof=1)), one.difficulty, np.full(gap.size, float(one is judged))]
        weight = np.ones(gap.size) if one.weight is None else one.weight
        read = ~np.isnan(one.preference)
        parts.append((np.stack(features, axis=1)[read], one.preference[read], weight[read]))
    features, target, weight = (np.concatenate(column) for column in zip(*parts, strict=True))

    def loss(y_true, y_pred, target_share, row_weight):
        target = np.where(y_true == 1, target_share, 1 - target_share)
        chances = np.clip(y_pred, 1e-15, 1 - 1e-15)
        return -np.mean((target * np.log(chances) + (1 - target) * np.log(1 - chances)) * row_weight)

    n = target.size
    shares, weights = np.concatenate([target, 1 - target]), np.tile(weight, 2)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(loss, response_method="predict_proba", greater_is_better=False)
        scorer = scorer.set_score_request(target_share=True, row_weight=True)
        model = LogisticRegressionCV(
            cv=GroupKFold(5), scoring=scorer, random_state=123, l1_ratios=(1.0,), solver="liblinear",
            fit_intercept=False, use_legacy_attributes=False,
        ).set_fit_request(sample_weight=True)  # fmt: skip
        model.fit(
            np.tile(features, (2, 1)), np.repeat([1, 0], n), sample_weight=shares * weights,
            groups=np.tile(np.arange(n), 2), target_share=shares, row_weight=weights,
        )  # fmt: skip
        terms = np.stack([0 * judged.difficulty, judged.difficulty, 1 + 0 * judged.difficulty], axis=1)
        return 100 * model.predict_proba(terms)[:, 1].mean(), float(np.ravel(model.C_)[0])


@pytest.mark.parametrize(("seed", "shift", "quality"), [(1, 400, -0.8), (2, -300, 0.3), (3, 900, -3.0)])
def test_it_is_the_cross_validated_fit(seed, shift, quality):
    judged = made(seed, shift=shift, quality=quality, lost=(3, 50))
    shared = (made(11, shift=700, weight=0.1), made(12, shift=-700, weight=0.1))
    found = length_controlled(judged, shared, draws=0)
    value, c = reference(judged, shared)
    assert found.lc_win_rate.value == pytest.approx(value, abs=1e-9)
    assert pytest.approx(c) == found.C
    assert found.C in CS
    assert (found.unparseable, found.lc_win_rate.n, found.win_rate.n) == (2, 300, 298)


def test_at_equal_length_a_padded_answer_is_worth_what_it_was():
    """The same judge and quality, with 900 characters more: the raw rate rises, the controlled one stays."""
    plain, padded = made(7, items=800), made(7, items=800, shift=900)
    shared = (made(11, items=800, shift=700, weight=0.1), made(12, items=800, shift=-700, weight=0.1))
    one, other = (length_controlled(judged, shared, draws=0) for judged in (plain, padded))
    assert other.win_rate.value > one.win_rate.value + 8
    assert other.lc_win_rate.value == pytest.approx(one.lc_win_rate.value, abs=4)


def test_the_interval_is_about_as_wide_as_new_data_is_different():
    found = length_controlled(made(20), draws=100)
    fresh = [length_controlled(made(seed), draws=0).lc_win_rate.value for seed in range(30, 70)]
    assert (found.lc_win_rate.high - found.lc_win_rate.low) / 3.92 == pytest.approx(np.std(fresh), rel=0.4)


def test_the_raw_rate():
    rate, error = raw([0.0, 1.0, np.nan, 0.5])
    assert (rate.value, rate.n) == (50, 3)
    assert error == pytest.approx(50 / 3**0.5)
    assert raw([np.nan])[1] is None


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="5 are needed"):
        length_controlled(made(1, items=4))
    with pytest.raises(ValueError, match="between 0"):
        Judged(np.array([1.5]), np.array([1.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="one number an item"):
        Judged(np.array([0.5]), np.array([1.0, 2.0]), np.array([1.0]))
