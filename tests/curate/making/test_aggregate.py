"""Raters are weighed by what they are worth; arrays made by hand, without a database."""

import numpy as np
import pytest

from curate.making.aggregate import Decided, Verdicts, decide
from curate.making.source import NO_SIDE, Answers
from registry.specs import BuildDatasetSpec

NONE = Verdicts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))


def answers(rows: list[tuple[int, int, int | None]]) -> Answers:
    """(task, rater, preference; None for both bad)"""
    task, rater, said = zip(*rows, strict=True)
    here = np.arange(len(rows))
    zero = np.zeros(len(rows), dtype=np.int64)
    return Answers(
        pk=here, task=np.array(task), prompt=np.array(task), item=here, rater=np.array(rater), step=zero, kind=zero,
        origin=zero, preference=np.array([NO_SIDE if one is None else one for one in said]),
        both_bad=np.array([one is None for one in said]), first=zero, at=zero,
    )  # fmt: skip


def decided(rows: list[tuple[int, int, int | None]], **recipe: object) -> Decided:
    return decide(answers(rows), BuildDatasetSpec(**recipe), verdicts=NONE, gold={})  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["dawid_skene", "mace"])
def test_who_presses_one_key_weighs_less_than_who_agrees_with_others(method: str) -> None:
    truth = [2 if task % 2 else -2 for task in range(30)]
    rows = [(task, rater, said) for task, said in enumerate(truth) for rater, said in ((1, said), (2, said), (3, 2))]
    # One who always says the first against one who looks.
    rows += [(30, 1, -2), (30, 3, 2)]
    found = decided(rows, aggregate=method)
    assert found.winner[:30].tolist() == [0 if one > 0 else 1 for one in truth]
    assert (found.winner[30], bool(found.tie[30])) == (1, False)
    assert found.agreement[30] > 0.7
    assert decided(rows).tie[30], "to a majority it is a tie"


@pytest.mark.parametrize(
    ("said", "aggregate", "winner", "agreement", "strength"),
    [
        ((3, 2, -1), "majority", 0, 2 / 3, 4 / 3),
        ((1, 1, -3), "majority", 0, 2 / 3, 0.0),
        ((1, 1, -3), "mean", 1, 1 / 3, 1 / 3),
        ((0, 2), "majority", 0, 1 / 2, 1.0),
        ((None, 2, 2), "mean", 0, 2 / 3, 4 / 3),
    ],
)
def test_by_hand(said: tuple[int | None, ...], aggregate: str, winner: int, agreement: float, strength: float) -> None:
    found = decided([(7, rater, one) for rater, one in enumerate(said)], aggregate=aggregate)
    assert found.winner.tolist() == [winner]
    assert found.agreement[0] == pytest.approx(agreement)
    assert found.strength[0] == pytest.approx(strength)
