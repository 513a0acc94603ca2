"""Accuracy in one order and in both, by judges whose bias is known."""

import json
from pathlib import Path

import pytest

from evaluate.benchmarks.measures import across_languages, case_figures, trivial_judges

BENCH = Path("/work/shared/data/offsetbias/biasbench.json")
NAN = float("nan")


def test_a_judge_that_always_says_a_is_half_right_and_never_twice():
    first = [True, False, True, False]
    given = [1.0 if front else 0.0 for front in first]
    swapped = [0.0 if front else 1.0 for front in first]
    found = case_figures(given, swapped, first)
    assert (found.single.value, found.pair.value, found.agreement.value) == (0.5, 0.0, 0.0)
    assert found.first_slot.value == 1.0
    assert (found.n, found.answers, found.unparseable) == (4, 8, 0)


def test_figures_worked_by_hand():
    #          both right, one right, both wrong, tie once, silent once, silent twice, tie twice
    given = [1.0, 1.0, 0.0, 0.5, None, None, 0.5]
    swapped = [1.0, 0.0, 0.0, 1.0, 1.0, NAN, 0.5]
    found = case_figures(given, swapped, [True] * 7)
    assert found.single.value == pytest.approx(5 / 14)
    assert found.pair.value == pytest.approx(1 / 7)
    assert found.agreement.value == pytest.approx(2 / 7)
    assert found.unparseable == 3
    # First shown was chosen by: 1, 1, 0 in the order given; swapped by 0, 1, 1, 0, 0 (1 there chose the second).
    assert found.first_slot.value == pytest.approx(4 / 8)
    assert found.pair.low < found.pair.value < found.pair.high


def test_silence_is_neither_right_nor_agreement():
    silent = case_figures([NAN] * 5, [NAN] * 5, [True] * 5)
    assert (silent.single.value, silent.pair.value, silent.agreement.value) == (0.0, 0.0, 0.0)
    assert silent.unparseable == silent.answers == 10
    assert not silent.first_slot.defined


def test_a_scorer_has_no_order():
    found = case_figures([1.0, 0.0, 0.5, 1.0], None, [True] * 4)
    assert found.single.value == found.pair.value == 0.5
    assert not found.agreement.defined
    assert not found.first_slot.defined


def test_no_case_has_no_figure():
    assert not case_figures([], [], []).single.defined


def test_what_is_no_verdict_is_refused():
    with pytest.raises(ValueError, match="A verdict is 1"):
        case_figures([0.7], [1.0], [True])
    with pytest.raises(ValueError, match="2 verdicts in the order given and 1 swapped"):
        case_figures([1.0, 0.0], [1.0], [True, False])


def test_trivial_judges_on_texts_of_known_length():
    found = {one.name: one for one in trivial_judges(["long", "ab", "abc", "x"], ["s", "abc", "abc", "yy"])}
    assert (found["longer wins"].single, found["longer wins"].pair) == (0.25, 0.25)
    assert (found["always A"].single, found["always A"].pair) == (0.5, 0.0)
    assert (found["random"].single, found["random"].pair, found["random"].agreement) == (0.5, 0.25, 0.5)
    assert found["fair judge"].pair == 1.0


def test_longer_is_better_gets_21_of_80_on_evalbiasbench():
    if not BENCH.exists():
        pytest.skip("EvalBiasBench is not on this machine (../shared/data/offsetbias)")
    rows = [row for rows in json.loads(BENCH.read_text()).values() for row in rows]
    assert len(rows) == 80
    assert {row["label"] for row in rows} == {1}
    longer = trivial_judges([row["response1"] for row in rows], [row["response2"] for row in rows])[1]
    assert longer.single * 80 == pytest.approx(21)


def test_a_pair_counts_where_it_is_right_in_every_language():
    found = across_languages([True, True, True, False, False, False], ["a", "a", "b", "b", "c", "c"])
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)
