"""Any subset of the candidates, or none, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.kinds import selection
from annotate.kinds.base import Answer, AnswerError, Shown


def shown(count: int) -> Shown:
    return Shown(order=list(reversed(range(count))))


def test_any_subset_and_none() -> None:
    assert selection.parse({"fit-2": "on", "fit-0": "on"}, shown(3)).value == {"fits": [0, 2]}
    assert selection.parse({"none": "on", "comment": " all wrong "}, shown(3)) == Answer(
        {"none": True}, None, "all wrong"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Nothing is chosen yet"),
        ({"fit-0": "", "none": ""}, "Nothing is chosen yet"),
        ({"fit-0": "on", "none": "on"}, "both chosen"),
        ({"fit-3": "on"}, "'fit-3' is not one of the 3 candidates"),
        ({"fit-0": "on", "fit--1": "on"}, "'fit--1' is not one"),
        ({"fit-0": "on", "fit-x" + "y" * 100: "on"}, "is not one"),
        ({"fit-0": "on", "comment": "\x00"}, "NUL"),
    ],
)
def test_what_is_not_a_choice_is_refused_in_words(data: dict[str, str], words: str) -> None:
    with pytest.raises(AnswerError) as error:
        selection.parse(data, shown(3))
    assert words in str(error.value)


@given(st.integers(1, 12).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))))
def test_the_fields_give_the_value_again(one: tuple[int, set[int]]) -> None:
    count, fits = one
    data = {f"fit-{place}": "on" for place in fits} or {"none": "on"}
    answer = selection.parse(data, shown(count))
    assert selection.fields(answer.value, shown(count)) == data
    assert selection.parse(selection.fields(answer.value, shown(count)), shown(count)) == answer


def test_in_words() -> None:
    assert selection.say({"fits": [0, 2]}) == "A, C fit"
    assert selection.say({"fits": [1]}) == "B fits"
    assert selection.say({"none": True}) == "none fits"


def test_known_answers_are_positions() -> None:
    """Shown as positions 2, 1, 0: place 0 is position 2."""
    order = shown(3).order
    assert selection.right(Answer({"fits": [0]}, None), order, {"fits": [2]})
    assert not selection.right(Answer({"fits": [0]}, None), order, {"fits": [0]})
    assert not selection.right(Answer({"fits": [0, 1]}, None), order, {"fits": [2]})
    assert selection.right(Answer({"none": True}, None), order, {"fits": []})
