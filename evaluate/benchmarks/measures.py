"""How well a judge does on cases whose better answer is known, asked in both orders. Pure functions on arrays.

The definitions are those of evaluate.stats.decisions (EvalBiasBench, Park et al. 2024, 2407.06551): a tie is not right,
since every case has a better answer, and what cannot be read is counted by itself and is neither right nor agreement: a
judge cannot better its figures by silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats import UNDEFINED, Estimate, decisions, win_rate
from evaluate.stats.decisions import judge_report

BETTER, WORSE, TIE = 1.0, 0.0, 0.5


@dataclass(frozen=True)
class CaseFigures:
    """What a judge did on `n` cases."""

    single: Estimate
    pair: Estimate
    agreement: Estimate
    """Undefined for a judge that reads one answer at a time: it has no order to change its mind with."""
    first_slot: Estimate
    """Share of its choices that fell on what was shown first; a fair judge has one half."""
    unparseable: int
    """Of `answers`."""
    answers: int
    n: int


@dataclass(frozen=True)
class Trivial:
    """A judge that needs no reading, or the one that makes no mistake."""

    name: str
    single: float
    pair: float
    agreement: float


def case_figures(given: ArrayLike, swapped: ArrayLike | None, better_first: ArrayLike) -> CaseFigures:
    """given, swapped: (cases,), 1 for the better, 0 the worse, 0.5 a tie, NaN where no verdict could be read; swapped
    in the same terms, None for a judge without order. better_first: (cases,), of the order given.
    """
    first = as_choices(given)
    if not first.size:
        return CaseFigures(UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED, 0, 0, 0)
    if swapped is None:
        right = win_rate((first == BETTER).astype(float))
        return CaseFigures(right, right, UNDEFINED, UNDEFINED, int(np.isnan(first).sum()), first.size, first.size)
    second = as_choices(swapped)
    if second.size != first.size:
        raise ValueError(f"{first.size} verdicts in the order given and {second.size} swapped: give one a case.")
    # In the terms of judge_report: response 1 is the one that was shown first in the order given.
    label = np.where(np.asarray(better_first, dtype=bool), 1, 2)
    report = judge_report(label, chosen(first, label), chosen(second, label))
    return CaseFigures(
        report.single_accuracy, report.pair_accuracy, report.agreement, report.first_slot, report.unparseable,
        2 * report.n, report.n,
    )  # fmt: skip


def chosen(verdicts: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the two responses each verdict names: 1 or 2, TIE, or UNPARSEABLE."""
    named = np.where(verdicts == BETTER, label, 3 - label)
    return np.where(np.isnan(verdicts), decisions.UNPARSEABLE, np.where(verdicts == TIE, decisions.TIE, named))


def as_choices(values: ArrayLike) -> NDArray[np.float64]:
    """None becomes NaN; raises ValueError for what is no verdict."""
    found = np.asarray(values, dtype=float)
    if not (np.isnan(found) | np.isin(found, [BETTER, WORSE, TIE])).all():
        raise ValueError("A verdict is 1 for the better answer, 0 for the worse, 0.5 for a tie, or nothing.")
    return found


def trivial_judges(better: Sequence[str], worse: Sequence[str]) -> list[Trivial]:
    """What the same cases give to a judge without bias or error, and to some that do not read. Lengths in characters;
    of two equally long texts neither is the longer.
    """
    won = [len(one) > len(other) for one, other in zip(better, worse, strict=True)]
    longer = sum(won) / len(won) if won else 0.0
    return [
        Trivial("fair judge", 1.0, 1.0, 1.0),
        Trivial("longer wins", longer, longer, 1.0),
        Trivial("always A", 0.5, 0.0, 0.0),
        Trivial("random", 0.5, 0.25, 0.5),
    ]


def across_languages(right: ArrayLike, groups: Sequence[str]) -> Estimate:
    """Share of pairs that are judged right in every language. right: (cases,), of both orders; groups: (cases,).

    The grouped accuracy of contrast sets: at most the smallest accuracy of a language.
    """
    by_group: dict[str, bool] = {}
    for one, group in zip(np.asarray(right, dtype=bool), groups, strict=True):
        by_group[group] = by_group.get(group, True) and bool(one)
    return win_rate([float(one) for one in by_group.values()])
