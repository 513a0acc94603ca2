"""Rubric: what is taken and refused, and the preference that follows from the ratings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.design.protocols import ProtocolError, parse_steps
from annotate.design.rubrics import READY, Dimension, RubricSpec
from annotate.kinds import AnswerError, Shown
from annotate.kinds.rubric import KIND, RubricOptions, field_of, preference_of, strength_of

TWO = RubricOptions(
    rubric=RubricSpec(
        title="Two things",
        dimensions=[
            Dimension(key="clear", name="Clear", levels=["1", "2", "3", "4", "5"]),
            Dimension(key="right", name="Right", levels=["1", "2", "3", "4", "5"]),
        ],
    )
)
FULL = {"rate-0-0": "5", "rate-0-1": "2", "rate-1-0": "4", "rate-1-1": "4"}


def shown(order: tuple[int, ...] = (0, 1), options: RubricOptions = TWO) -> Shown:
    return Shown(order=order, options=options)


def test_ratings_are_stored_in_the_order_shown() -> None:
    answer = KIND.parse({**FULL, "comment": " why "}, shown((1, 0)))
    assert answer.value == {"ratings": [{"clear": 5, "right": 4}, {"clear": 2, "right": 4}]}
    assert (answer.preference, answer.comment) == (-2, "why")  # means 4.5 and 3.0, the better one is at position 1
    assert KIND.extremes is not None and KIND.extremes(answer, (1, 0)) == (1, 0)


def test_one_response_has_no_preference() -> None:
    answer = KIND.parse({"rate-0-0": "3", "rate-1-0": "4"}, shown((1,)))
    assert answer.value == {"ratings": [{"clear": 3, "right": 4}]} and answer.preference is None
    assert KIND.extremes is not None and KIND.extremes(answer, (1,)) is None
    assert KIND.say(answer.value) == "3.5 of 5 on average"


@pytest.mark.parametrize("forged", ["0", "6", "-1", "3.0", "five", "٣", "1 or 1=1", "5\x00"])
def test_what_is_no_level_is_refused(forged: str) -> None:
    with pytest.raises(AnswerError, match=r"B on Right is .* Choose 1 to 5"):
        KIND.parse({**FULL, "rate-1-1": forged}, shown())


def test_what_is_missing_is_named() -> None:
    with pytest.raises(AnswerError, match=r"Not rated yet: B on Clear, A on Right."):
        KIND.parse({"rate-0-0": "1", "rate-1-1": "1"}, shown())
    with pytest.raises(AnswerError, match=r"Not rated yet: Clear, Right."):
        KIND.parse({}, shown((0,)))


def test_a_field_of_no_dimension_is_not_read() -> None:
    assert KIND.parse({**FULL, "rate-2-0": "1", "rate-0-2": "1"}, shown()).value == KIND.parse(FULL, shown()).value


@pytest.mark.parametrize(
    ("first", "second", "strength"),
    [
        ([3], [3], 0), ([4], [3], 1), ([5], [3], 2), ([5], [2], 3), ([5], [1], 3), ([1], [5], -3),  # as MENLO derives
        ([3, 3], [3, 4], -1), ([3, 4], [4, 3], 0),  # a small difference is one, equal means are a tie
        ([5, 4], [3, 3], 2), ([4, 5], [3, 3], 2),  # 1.5 is rounded away from 0
        ([5, 5], [3, 2], 3), ([2, 3], [5, 5], -3),  # so is 2.5
        ([4, 3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3, 3], 1),  # 1/7
        ([4, 4, 5], [3, 3, 3], 1),  # 4/3
    ],
)  # fmt: skip
def test_the_preference_that_follows(first: list[int], second: list[int], strength: int) -> None:
    ratings = [dict(enumerate(levels)) for levels in (first, second)]
    named: list[dict[str, int]] = [{str(key): level for key, level in one.items()} for one in ratings]
    assert strength_of(named) == strength
    assert preference_of(named, [0, 1]) == strength
    assert preference_of(named, [1, 0]) == -strength


levels = st.integers(1, 5)


@given(st.data(), st.sampled_from(sorted(READY)), st.sampled_from([(0, 1), (1, 0), (0,), (1,)]))
def test_fields_give_the_same_answer_again(data: Any, name: str, order: tuple[int, ...]) -> None:
    options = RubricOptions(rubric=READY[name])
    count = len(options.rubric.dimensions)
    posted = {field_of(n, place): str(data.draw(levels)) for n in range(count) for place in range(len(order))}
    answer = KIND.parse(posted, shown(order, options))
    assert KIND.fields(answer.value, shown(order, options)) == posted
    assert KIND.parse(KIND.fields(answer.value, shown(order, options)), shown(order, options)) == answer
    assert answer.preference is None or abs(answer.preference) <= 3
    assert KIND.say(answer.value)


@given(st.lists(st.tuples(levels, levels), min_size=1, max_size=8))
def test_sides_swapped_swap_the_preference(pairs: list[tuple[int, int]]) -> None:
    first, second = ({str(n): pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    assert strength_of([first, second]) == -strength_of([second, first])
    assert (strength_of([first, second]) > 0) == (sum(first.values()) > sum(second.values()))


def test_what_is_right() -> None:
    assert KIND.right is not None
    answer = KIND.parse(FULL, shown((1, 0)))
    for accept, right in [
        ({"side": 1}, True), ({"side": [0, "tie"]}, False),
        ({"ratings": {"1": {"clear": 4}}}, True), ({"ratings": {"1": {"clear": 3}}}, False),  # one level off is right
        ({"ratings": {"0": {"clear": [5, 1]}}}, True), ({"ratings": {"0": {"right": [1, 2]}}}, False),
        ({"side": 1, "ratings": {"1": {"clear": 1}}}, False), ({"side": 0, "ratings": {"1": {"clear": 5}}}, False),
        ({"ratings": {"5": {"clear": 1}, "0": {"kind": 1}}}, True),  # not shown, not rated
    ]:  # fmt: skip
        assert KIND.right(answer, (1, 0), accept) is right, accept


def test_the_words_for_a_value() -> None:
    assert KIND.say(KIND.parse(FULL, shown()).value) == "A 4.5, B 3.0: A better"
    assert KIND.say({"ratings": [{"a": 3, "b": 3, "c": 3, "d": 4}]}) == "3.3 of 5 on average"  # 3.25
    equal = {"ratings": [{"clear": 3}, {"clear": 3}]}
    assert KIND.say(equal) == "A 3.0, B 3.0: tie"


@pytest.mark.parametrize("rubric", READY.values(), ids=lambda one: one.title)
def test_ready_rubrics_are_whole(rubric: RubricSpec) -> None:
    for dimension in rubric.dimensions:
        assert dimension.question.endswith("?")
        assert len(set(dimension.levels)) == 5


def test_a_broken_rubric_is_refused_with_a_sentence() -> None:
    whole = TWO.model_dump(mode="json")["rubric"]
    twice = {**whole, "dimensions": [whole["dimensions"][0]] * 2}
    four = {**whole, "dimensions": [{**whole["dimensions"][0], "levels": ["1", "2", "3", "4"]}]}
    for rubric, words in [(twice, "two dimensions have the key 'clear'"), (four, "at least 5 items"), ({}, "title")]:
        with pytest.raises(ProtocolError, match=words):
            parse_steps([{"kind": "rubric", "options": {"rubric": rubric}}])
    (step,) = parse_steps([{"kind": "rubric"}])
    assert step.options.rubric == READY["menlo"]
