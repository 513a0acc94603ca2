"""Separability and agreement with confidence on intervals that can be checked by eye."""

from evaluate.stats import UNDEFINED
from evaluate.stats.separability import agreement_with_confidence, separability

PEOPLE = {"a": (80, 90), "b": (60, 70), "c": (40, 50), "d": (45, 55)}


def test_separability_is_the_share_of_pairs_that_do_not_overlap():
    found = separability(PEOPLE)  # only c and d overlap
    assert (found.value, found.n) == (5 / 6, 6)
    assert found.low < 5 / 6 < found.high
    assert separability({"a": (0, 1)}) == UNDEFINED
    assert separability({"a": (0, 1), "b": (1, 2)}).value == 0, "bounds that touch overlap"


def test_agreement_with_confidence_punishes_the_wrong_way_round():
    assert agreement_with_confidence(PEOPLE, PEOPLE).value == 1
    turned = {name: (-high, -low) for name, (low, high) in PEOPLE.items()}
    assert agreement_with_confidence(turned, PEOPLE).value == -1
    unsure = dict.fromkeys(PEOPLE, (0, 100))
    found = agreement_with_confidence(unsure, PEOPLE)
    assert (found.value, found.n) == (0, 5)
    assert found.low < 0 < found.high
    assert agreement_with_confidence({"a": (1, 2)}, PEOPLE) == UNDEFINED
