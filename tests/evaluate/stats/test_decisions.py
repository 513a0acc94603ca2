"""A judge asked in both orders: the definitions, item by item."""

import numpy as np
import pytest

from evaluate.stats.decisions import UNPARSEABLE, judge_report


def test_trivial_judges():
    labels = np.tile([1, 2], 50)
    always_first = judge_report(labels, np.full(100, 1), np.full(100, 2))
    assert (always_first.single_accuracy.value, always_first.pair_accuracy.value) == (0.5, 0)
    assert (always_first.agreement.value, always_first.first_slot.value) == (0, 1)
    always_one = judge_report(labels, np.full(100, 1), np.full(100, 1))
    assert (always_one.single_accuracy.value, always_one.pair_accuracy.value) == (0.5, 0.5)
    assert (always_one.agreement.value, always_one.first_slot.value) == (1, 0.5)
    perfect = judge_report(labels, labels, labels)
    assert (perfect.single_accuracy.value, perfect.single_accuracy.high) == (1, 1)
    assert perfect.single_accuracy.low < 1


def test_silence_betters_nothing():
    labels = np.ones(10, dtype=int)
    silent = np.where(np.arange(10) < 5, UNPARSEABLE, 1)
    report = judge_report(labels, silent, silent)
    assert report.single_accuracy.value == report.pair_accuracy.value == report.agreement.value == 0.5
    assert (report.unparseable, report.n) == (10, 10)


def test_nothing_and_nonsense():
    assert judge_report([], [], []).single_accuracy.value is None
    with pytest.raises(ValueError, match="1 or 2"):
        judge_report([0], [1], [1])
    with pytest.raises(ValueError, match="one of each an item"):
        judge_report([1], [1], [1, 2])
