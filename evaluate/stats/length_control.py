"""Length-controlled win rate (Dubois et al. 2024), as AlpacaEval 2 computes it.

The preference for the model over the baseline is fitted by a logistic model without intercept on three terms:

- tanh(d / s): d is how much longer the baseline's answer is, s the sample standard deviation (n - 1) of d over all its
  answers, of unreadable judgements too. Each model that shares the fit has its own s. The mean of d is not taken off.
- the difficulty of the item, a number that is given. Without one the term is left out.
- 1 for the model that is rated, 0 for those that share the fit. AlpacaEval 2 lets two share it: the baseline asked to
  be verbose and concise, each row of theirs with the weight 0.1. They show what length alone does.

A preference p is fitted as two rows, one that is won with p times the weight and one that is lost with 1 - p times
the weight. L1 penalty by liblinear (scikit-learn's, random state 123, drawn on from C to C within a fold), which
solves to its own tolerance; the published figures have that in them, which is why it is used here. C is that of
logspace(-4, 4, 10) with the least mean log loss over 5 folds; the first of equals. A fold holds whole judgements,
both rows of each, as scikit-learn's GroupKFold deals them with those that share the fit first; within a fold the loss
is the plain mean over its rows of weight times loss. Judgements of one item by different models may be in different
folds, as they are in AlpacaEval.

The length-controlled win rate is 100 times the mean of sigma(difficulty term + model term) over the model's answers,
those with an unreadable judgement too. The raw win rate and its standard error (sample standard deviation over the
root of n) are over the judgements that can be read.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.arena import PERCENTILES
from evaluate.stats.estimate import CONFIDENCE_Z, UNDEFINED, Estimate

CS = np.logspace(-4, 4, 10)
FOLDS = 5
STATE = 123
DRAWS = 200


@dataclass(frozen=True)
class Judged:
    """The answers of a model that were judged against a baseline, (items,) each. `preference`: 0 to 1 for the model,
    NaN where the judgement cannot be read; `weight` counts where these share the fit of another model."""

    preference: NDArray[np.float64]
    length: NDArray[np.float64]
    baseline_length: NDArray[np.float64]
    difficulty: NDArray[np.float64] | None = None
    weight: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        parts = [self.preference, self.length, self.baseline_length, self.difficulty, self.weight]
        sizes = {np.shape(part) for part in parts if part is not None}
        if len(sizes) != 1 or len(np.shape(self.preference)) != 1:
            raise ValueError(f"Preferences, lengths and what else is given need one number an item each, not {sizes}.")
        read = self.preference[~np.isnan(self.preference)]
        if not ((read >= 0) & (read <= 1)).all():
            raise ValueError("A preference lies between 0 (the baseline is better) and 1 (the model is).")

    def features(self, *, rated: bool) -> NDArray[np.float64]:
        """(items, 3): the length term, the difficulty (0 without one), whether it is the model that is rated."""
        # This way round: liblinear stops within its tolerance, on another point if a sign is turned.
        difference = self.baseline_length - self.length
        spread = difference.std(ddof=1) if difference.size > 1 else 0.0
        pull = np.tanh(difference / spread) if spread > 0 else np.zeros(difference.size)
        hard = np.zeros(difference.size) if self.difficulty is None else self.difficulty
        return np.stack([pull, hard, np.full(difference.size, float(rated))], axis=1)


@dataclass(frozen=True)
class LengthControlled:
    """Win rates in percent. `coefficients`: of length, above 0 where longer answers are
    preferred, of difficulty (0 without one) and of the model."""

    win_rate: Estimate
    standard_error: float | None
    lc_win_rate: Estimate
    C: float
    coefficients: tuple[float, float, float]
    unparseable: int


def length_controlled(
    judged: Judged, shared: tuple[Judged, ...] = (), *, draws: int = DRAWS, seed: int = 0
) -> LengthControlled:
    """The definition above. shared: others that share the fit, with their weights.

    The interval of the length-controlled rate is ours: the 2.5 and 97.5 percentiles of refits with the same C on
    resampled answers, those of `shared` as they are. draws=0 gives none. Raises ValueError with fewer than 5
    judgements.
    """
    rows = Rows.of(judged, shared)
    if rows.target.size < FOLDS or not rows.own.any():
        raise ValueError(f"{rows.target.size} judgements cannot be parted into {FOLDS} folds; 5 are needed at least.")
    best = chosen(rows)
    found = fitted(rows.features, rows.target, rows.weight, best)
    terms = judged.features(rated=True)
    value = controlled(found, terms)
    low = high = None
    if draws:
        rng, read = np.random.default_rng(seed), ~np.isnan(judged.preference)
        drawn = []
        for _ in range(draws):
            items = rng.integers(0, len(terms), size=len(terms))
            times = np.ones(rows.target.size)
            times[rows.own] = np.bincount(items, minlength=len(terms))[read]
            found_again = fitted(rows.features, rows.target, rows.weight * times, best)
            drawn.append(controlled(found_again, terms[items]))
        low, high = (float(bound) for bound in np.percentile(drawn, PERCENTILES))
    rate, error = raw(judged.preference)
    lost = int(np.isnan(judged.preference).sum())
    return LengthControlled(rate, error, Estimate(value, low, high, len(terms)), float(best),
                            (-float(found[0]), float(found[1]), float(found[2])), lost)  # fmt: skip


def raw(preference: ArrayLike) -> tuple[Estimate, float | None]:
    """Win rate in percent with its normal interval, and the standard error; judgements that cannot be read left out."""
    values = np.asarray(preference, dtype=float)
    values = values[~np.isnan(values)] * 100
    if not values.size:
        return UNDEFINED, None
    value = float(values.mean())
    if values.size == 1:
        return Estimate(value, None, None, 1), None
    error = float(values.std(ddof=1) / np.sqrt(values.size))
    half = CONFIDENCE_Z * error
    return Estimate(value, max(0.0, value - half), min(100.0, value + half), values.size), error


@dataclass(frozen=True)
class Rows:
    """What is fitted, (judgements,) each, those that share the fit first; `own` marks those of the model rated."""

    features: NDArray[np.float64]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    own: NDArray[np.bool_]

    @classmethod
    def of(cls, judged: Judged, shared: tuple[Judged, ...]) -> "Rows":
        every = [*shared, judged]
        features = np.concatenate([one.features(rated=one is judged) for one in every])
        target = np.concatenate([one.preference for one in every])
        own = np.concatenate([np.full(one.preference.size, one is judged) for one in every])
        weight = np.concatenate(
            [np.ones(one.preference.size) if one is judged or one.weight is None else one.weight for one in every]
        )
        read = ~np.isnan(target)
        return cls(features[read], target[read], weight[read], own[read])


def chosen(rows: Rows) -> float:
    """The C with the least log loss over the folds."""
    from sklearn.model_selection import GroupKFold

    count = rows.target.size
    # Dealt as AlpacaEval deals them: both rows of a judgement are one group.
    groups = np.tile(np.arange(count), 2)
    losses = np.zeros(len(CS))
    for train, test in GroupKFold(n_splits=FOLDS).split(groups, groups=groups):
        inside, outside = train[train < count], test[test < count]
        # One generator for all C of a fold: where losses are close, the order in which liblinear looks at the
        # coordinates decides between them.
        state = np.random.RandomState(STATE)
        for place, candidate in enumerate(CS):
            found = fitted(rows.features[inside], rows.target[inside], rows.weight[inside], candidate, state)
            losses[place] += loss(found, rows.features[outside], rows.target[outside], rows.weight[outside])
    return float(CS[np.argmin(losses)])


def fitted(
    features: NDArray, target: NDArray, weight: NDArray, c: float, state: int | np.random.RandomState = STATE
) -> NDArray[np.float64]:
    """(terms,) coefficients; arrays are (judgements, terms) and (judgements,)."""
    from sklearn.linear_model import LogisticRegression  # takes a second to import, and only this needs it

    model = LogisticRegression(C=c, l1_ratio=1.0, solver="liblinear", fit_intercept=False, random_state=state)
    won = np.repeat([1, 0], target.size)
    shares = np.concatenate([target * weight, (1 - target) * weight])
    model.fit(np.concatenate([features, features]), won, sample_weight=shares)
    coefficients: NDArray[np.float64] = model.coef_[0]
    return coefficients


def loss(found: NDArray, features: NDArray, target: NDArray, weight: NDArray) -> float:
    """Mean of weight times log loss; the mean is over rows, whatever their weights."""
    chance = np.clip(1 / (1 + np.exp(-(features @ found))), 1e-15, 1 - 1e-15)
    return float(-np.mean(weight * (target * np.log(chance) + (1 - target) * np.log(1 - chance))))


def controlled(found: NDArray, terms: NDArray) -> float:
    """The win rate in percent had all answers the baseline's length. terms: (items, 3)."""
    return float(100 * np.mean(1 / (1 + np.exp(-(terms[:, 1:] @ found[1:])))))
