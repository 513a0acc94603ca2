"""Agreement of a judge and people against definitions and published kappas."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from evaluate.stats import UNDEFINED
from evaluate.stats.verdicts import agreement, cohen_kappa

PANDALM = Path("/work/shared/data/pandalm/testset-v1.json")


@pytest.mark.skipif(not PANDALM.exists(), reason=f"PandaLM's test set is not in {PANDALM}")
def test_kappas_of_pandalms_annotators_are_those_published():
    items = json.loads(PANDALM.read_text())
    votes = {i: [item[f"annotator{i}"] for item in items] for i in (1, 2, 3)}
    found = [cohen_kappa(votes[a], votes[b]) for a, b in combinations(votes, 2)]
    assert sorted(round(estimate.value, 3) for estimate in found) == [0.852, 0.862, 0.879]
    assert all(estimate.low < estimate.value < estimate.high and estimate.n == 999 for estimate in found)


def test_kappa_of_a_table():
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: 0.7 observed, 0.5 by chance."""
    one, other = [1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    found = cohen_kappa(one, other)
    assert found.value == pytest.approx(0.4)
    assert 0 < found.low < 0.4 < found.high < 0.7
    assert cohen_kappa(["x"] * 5, ["x"] * 5).value is None
    assert cohen_kappa([], []) == UNDEFINED


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(0)
    one = np.repeat(rng.integers(0, 2, 40), 10)
    other = np.where(np.repeat(rng.random(40) < 0.2, 10), 1 - one, one)
    alone, clustered = cohen_kappa(one, other), cohen_kappa(one, other, np.repeat(np.arange(40), 10))
    assert clustered.value == alone.value and clustered.clusters == 40
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_agreement_is_split_by_the_strength_of_human_preference():
    people = np.array([3, 3, -3, -3, 1, 1, -1, -1, 0, 0])
    judge = np.array([1, 1, -1, -1, 1, -1, -1, 1, 0, 1])
    found = agreement(judge, people)
    assert (found.raw.value, found.decided.value, found.decided.n) == (pytest.approx(0.7), 0.75, 8)
    assert [(level.strength, level.raw.value, level.raw.n) for level in found.by_strength] == [
        (0, 0.5, 2), (1, 0.5, 4), (3, 1, 4),
    ]  # fmt: skip
    assert found.by_strength[1].kappa.value == pytest.approx(0)
    sized = agreement(judge, np.sign(people), strength=np.abs(people))
    assert sized.by_strength[2].raw == found.by_strength[2].raw


def test_what_could_not_be_read_is_not_left_out_silently():
    with pytest.raises(ValueError, match="count what could not be read"):
        agreement([1, np.nan], [1, 1])
    with pytest.raises(ValueError, match="one of each a pair"):
        agreement([1], [1, 1])
