"""Pairwise with dimensions and reasons: what is taken and refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.kinds import AnswerError, Shown
from annotate.kinds.pairwise import BOTH_BAD, KIND, PairwiseOptions

OPTIONS = PairwiseOptions(dimensions=["helpful", "honest"], reasons=["more exact", "kinder"])
FULL = {"strength": "2", "dimension-0": "-1", "dimension-1": "0", "reason-1": "on"}


def shown(order: tuple[int, int] = (0, 1), options: PairwiseOptions = OPTIONS) -> Shown:
    return Shown(order=order, options=options)


def test_dimensions_and_reasons_are_stored_by_name() -> None:
    answer = KIND.parse(FULL, shown((1, 0)))
    assert answer.value == {"strength": 2, "dimensions": {"helpful": -1, "honest": 0}, "reasons": ["kinder"]}
    assert answer.preference == -2
    assert KIND.say(answer.value) == "A better; helpful: B slightly better; honest: tie"


def test_both_bad_keeps_the_dimensions() -> None:
    answer = KIND.parse({**FULL, "strength": BOTH_BAD}, shown())
    assert answer.value == {"both_bad": True, "dimensions": {"helpful": -1, "honest": 0}, "reasons": ["kinder"]}
    assert answer.preference is None


@pytest.mark.parametrize("forged", ["4", "-4", "1.0", "both_bad", "+1", "٢", "a"])
def test_a_forged_dimension_is_refused(forged: str) -> None:
    with pytest.raises(AnswerError, match="not one of the choices"):
        KIND.parse({**FULL, "dimension-0": forged}, shown())


def test_a_dimension_that_is_missing_is_named() -> None:
    with pytest.raises(AnswerError, match=r"Not answered yet: helpful, honest."):
        KIND.parse({"strength": "1"}, shown())


def test_what_the_step_does_not_offer_is_not_stored() -> None:
    plain = PairwiseOptions(both_bad=False)
    assert KIND.parse(FULL, shown(options=plain)).value == {"strength": 2}
    assert "reasons" not in KIND.parse({**FULL, "reason-1": "", "reason-9": "on"}, shown()).value
    with pytest.raises(AnswerError, match="not one of the choices"):
        KIND.parse({"strength": BOTH_BAD}, shown(options=plain))


@given(st.data(), st.permutations([0, 1]))
def test_fields_give_the_same_answer_again(data: Any, order: list[int]) -> None:
    steps = st.sampled_from(["3", "2", "1", "0", "-1", "-2", "-3"])
    posted = {"strength": data.draw(st.one_of(steps, st.just(BOTH_BAD)))}
    posted |= {f"dimension-{n}": data.draw(steps) for n in range(2)}
    posted |= {f"reason-{n}": "on" for n in range(2) if data.draw(st.booleans())}
    seen = Shown(order=order, options=OPTIONS)
    answer = KIND.parse(posted, seen)
    assert KIND.fields(answer.value, seen) == posted
    assert KIND.parse(KIND.fields(answer.value, seen), seen) == answer
