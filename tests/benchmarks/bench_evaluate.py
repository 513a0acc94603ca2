"""What ratings of a million battles cost, beside evalica's bootstrap and refits by scikit-learn."""

import statistics
import sys
import time
from collections.abc import Callable

import evalica
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from evaluate.stats.arena import arena
from evaluate.stats.battles import Battles, battles
from tests.benchmarks.figure import Figure

BATTLES = 1_000_000
MODELS = 100
RESAMPLES = 1000
RUNS = 5
PEER_RESAMPLES = 2
"""Of evalica: each is a fit of a million rows. What a resample costs is taken 1,000 times."""
PEER_REFITS = 10


def bradley_terry_1m_1000_bootstraps_s() -> list[Figure]:
    """Names and outcomes to ratings with intervals. Peers: their fit, and 1,000 times what they need for a resample,
    since evalica would take hours; ours is the median of whole runs, alternating with theirs."""
    left, right, outcomes = made()
    whole, by_evalica, by_sklearn = [], [], []
    for _ in range(RUNS):
        whole.append(timed(lambda: arena(battles(left, right, outcomes), rounds=RESAMPLES).points()))
        by_sklearn.append(sklearn_seconds(left, right, outcomes))
        if len(by_evalica) < 2:
            by_evalica.append(evalica_seconds(left, right, outcomes))
    mine = round(statistics.median(whole), 2)
    print(f"  ours {whole}, evalica {by_evalica}, scikit-learn {by_sklearn}", file=sys.stderr)
    name = "bradley_terry_1m_1000_bootstraps_s"
    return [
        Figure(name, mine, "s", "evalica", round(statistics.median(by_evalica), 1), n=len(by_evalica)),
        Figure(name, mine, "s", "scikit-learn", round(statistics.median(by_sklearn), 1), n=RUNS),
    ]


def made() -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Battles of models whose strengths spread like those of public leaderboards, one in five a tie."""
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 0.7, MODELS)
    left = rng.integers(0, MODELS, BATTLES)
    right = (left + rng.integers(1, MODELS, BATTLES)) % MODELS
    outcomes = (rng.random(BATTLES) < 1 / (1 + np.exp(strength[right] - strength[left]))).astype(float)
    outcomes[rng.random(BATTLES) < 0.2] = 0.5
    names = [f"model-{i:02d}" for i in range(MODELS)]
    return [names[i] for i in left], [names[i] for i in right], outcomes


def timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def evalica_seconds(left: list[str], right: list[str], outcomes: NDArray[np.float64]) -> float:
    """A fit, and RESAMPLES times what one more resample of evalica.bootstrap costs."""
    kinds = np.array([evalica.Winner.Y, evalica.Winner.Draw, evalica.Winner.X], dtype=object)
    winners = kinds[(outcomes * 2).astype(int)].tolist()
    fit = timed(lambda: evalica.bradley_terry(left, right, winners))

    def resample(times: int) -> float:
        return timed(
            lambda: evalica.bootstrap(
                evalica.bradley_terry,
                left,
                right,
                winners,
                n_resamples=times,
                bootstrap_method="percentile",
                random_state=0,
            )
        )

    each = (resample(1 + PEER_RESAMPLES) - resample(1)) / PEER_RESAMPLES
    return fit + RESAMPLES * each


def sklearn_seconds(left: list[str], right: list[str], outcomes: NDArray[np.float64]) -> float:
    """Counting, and RESAMPLES times a refit of the counts of distinct battles: what a careful user of it would do."""
    counting = timed(lambda: battles(left, right, outcomes))
    fought = battles(left, right, outcomes)
    design, won = rows(fought)
    rng, share = np.random.default_rng(0), fought.counts / fought.counts.sum()
    seconds = []
    for _ in range(PEER_REFITS):
        begin = time.perf_counter()
        counts = rng.multinomial(BATTLES, share)
        weights = np.concatenate([counts * fought.outcome, counts * (1 - fought.outcome)])
        LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-6, max_iter=500).fit(design, won, weights)
        seconds.append(time.perf_counter() - begin)
    return counting + RESAMPLES * statistics.median(seconds)


def rows(fought: Battles) -> tuple[csr_array, NDArray[np.int64]]:
    """Each distinct battle as one row that is won and one that is lost."""
    kinds = len(fought.counts)
    low, high = fought.pairs[fought.pair].T
    places = (np.repeat(np.arange(kinds), 2), np.stack([low, high], axis=1).reshape(-1))
    side = csr_array((np.tile([1.0, -1.0], kinds), places), shape=(kinds, MODELS)).toarray()
    return csr_array(np.concatenate([side, side])), np.repeat([1, 0], kinds)


BENCHMARKS = {"bradley_terry_1m_1000_bootstraps_s": bradley_terry_1m_1000_bootstraps_s}
