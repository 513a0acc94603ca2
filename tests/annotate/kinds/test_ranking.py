"""Orders: what is stored of what was posted, and what an order says about pairs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.kinds import ranking
from annotate.kinds.base import Answer, AnswerError, Shown
from annotate.kinds.ranking import RankingOptions


def shown(count: int, *, places: int | None = None, order: list[int] | None = None) -> Shown:
    return Shown(order=order or list(range(count)), options=RankingOptions(places=places))


def posted(*ranks: Any) -> dict[str, str]:
    return {f"rank-{place}": str(rank) for place, rank in enumerate(ranks) if rank is not None}


@pytest.mark.parametrize(
    ("ranks", "places", "stored"),
    [
        ((1, 2, 3), None, [1, 2, 3]),
        ((3, 1, 2), None, [3, 1, 2]),
        ((1, 2, 2, 4), None, [1, 2, 2, 4]),
        ((1, 2, 2, 3), None, [1, 2, 2, 4]),
        ((4, 4, 2, 2), None, [3, 3, 1, 1]),
        ((2, 2, 2), None, [1, 1, 1]),
        ((1, None, 2, None), 2, [1, None, 2, None]),
        ((1, 2, 2, 3, None), 3, [1, 2, 2, None, None]),
        ((1, 1, None), 2, [1, 1, None]),
        ((1, 2, 3), 9, [1, 2, 3]),
    ],
)
def test_gaps_are_closed_and_places_behind_a_tie_stay_free(
    ranks: tuple[Any, ...], places: int | None, stored: list[Any]
) -> None:
    assert ranking.parse(posted(*ranks), shown(len(ranks), places=places)).value == {"ranks": stored}


@pytest.mark.parametrize(
    ("data", "places", "words"),
    [
        ({}, None, "No response has a place yet"),
        ({"rank-0": "", "rank-1": "", "rank-2": ""}, None, "No response has a place yet"),
        (posted(1, 2, None), None, "C has no place yet"),
        (posted(1, None, None), None, "B and C have no place yet"),
        (posted(1, None, None), 2, "only 1 has one"),
        (posted(1, 2, 4), None, "'4' is not a place for C. There are places 1 to 3."),
        (posted(1, 3, None), 2, "'3' is not a place for B"),
        (posted(0, 1, 2), None, "not a place for A"),
        (posted("-1", 1, 2), None, "not a place for A"),
        (posted("1.5", 1, 2), None, "not a place for A"),
        (posted("²", 1, 2), None, "not a place for A"),
        (posted("١", 1, 2), None, "not a place for A"),
        (posted("9" * 5000, 1, 2), None, "not a place for A"),
        (posted("\x00", 1, 2), None, "not a place for A"),
        ({**posted(1, 2, 3), "comment": "x" * 10_001}, None, "Shorten it"),
    ],
)
def test_what_is_not_an_order_is_refused_in_words(data: dict[str, str], places: int | None, words: str) -> None:
    with pytest.raises(AnswerError) as error:
        ranking.parse(data, shown(3, places=places))
    assert words in str(error.value)


def test_a_response_that_was_not_shown_counts_for_nothing() -> None:
    assert ranking.parse(posted(2, 1, 1), shown(2)).value == {"ranks": [2, 1]}


@pytest.mark.parametrize(
    ("ranks", "order", "preference"),
    [
        ((1, 2), [0, 1], 1), ((2, 1), [0, 1], -1), ((1, 1), [0, 1], 0),
        ((1, 2), [1, 0], -1), ((2, 1), [1, 0], 1), ((1, 1), [1, 0], 0),
    ],
)  # fmt: skip
def test_two_make_a_preference(ranks: tuple[int, int], order: list[int], preference: int) -> None:
    assert ranking.parse(posted(*ranks), shown(2, order=order)).preference == preference
    assert ranking.parse(posted(1, 2, 3), shown(3)).preference is None


def test_an_order_in_words() -> None:
    def say(*ranks: int | None) -> str:
        return ranking.say({"ranks": list(ranks)})

    assert say(1, 2, 2, None, None) == "A, then B and C, then the rest"
    assert say(3, 1, 1) == "B and C, then A"
    assert say(1, 1, 1) == "A, B and C tie"
    assert say(1, None) == "A, then the rest"


def test_positions_not_places() -> None:
    """Shown as positions 2, 0, 1: A is position 2."""
    value, order = {"ranks": [1, 3, 2]}, [2, 0, 1]
    assert ranking.ranks_by_position(value, order) == [3, 2, 1]
    assert ranking.extremes(Answer(value, None), order) == (2, 0)
    assert sorted(ranking.pairs_of(value, order)) == [(1, 0, 1), (2, 0, 2), (2, 1, 1)]


def test_pairs_with_ties_and_without_those_that_were_not_compared() -> None:
    value, order = {"ranks": [1, 2, 2, None, None]}, [0, 1, 2, 3, 4]
    assert ranking.pairs_of(value, order) == [
        (0, 1, 1), (0, 2, 1), (0, 3, 2), (0, 4, 2), (1, 2, 0), (1, 3, 1), (1, 4, 1), (2, 3, 1), (2, 4, 1)
    ]  # fmt: skip


def test_best_and_worst() -> None:
    def extremes(*ranks: int | None) -> Any:
        return ranking.extremes(Answer({"ranks": list(ranks)}, None), [3, 1, 0, 2])

    assert extremes(2, 1, 4, 2) == (1, 0)
    assert extremes(1, 1, 3, 3) == (3, 0), "of a tie, the one shown first"
    assert extremes(None, 1, None, 2) == (1, 3)
    assert extremes(1, 1, 1, 1) is None


def test_known_answers() -> None:
    def right(accept: Any, *ranks: int | None) -> bool:
        return ranking.right(Answer({"ranks": list(ranks)}, None), [1, 0, 2], {"best": accept})

    assert right(0, 2, 1, 3)
    assert not right(1, 2, 1, 3)
    assert right([0, 2], 3, 1, 2)
    assert not right(0, 1, 1, 3), "a tie for the first place with a wrong one"
    assert right([0, 1], 1, 1, 3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, str], Shown]:
    count = draw(st.integers(2, 9))
    places = draw(st.none() | st.integers(1, 9))
    limit = min(places or count, count)
    ranks = [draw(st.integers(1, limit)) for _ in range(limit)]
    ranks += [draw(st.none() | st.integers(1, limit)) for _ in range(count - limit)]
    order = draw(st.permutations(range(count)))
    return posted(*draw(st.permutations(ranks))), shown(count, places=places, order=order)


@given(answers())
def test_the_fields_give_the_value_again(one: tuple[dict[str, str], Shown]) -> None:
    data, what = one
    answer = ranking.parse(data, what)
    assert ranking.parse(ranking.fields(answer.value, what), what) == answer
    ranks = answer.value["ranks"]
    for own in ranks:
        better = sum(other is not None and (own is None or other < own) for other in ranks)
        assert better >= ranking.places_of(what) if own is None else own == better + 1


@given(answers())
def test_pairs_agree_with_the_ranks(one: tuple[dict[str, str], Shown]) -> None:
    data, what = one
    value = ranking.parse(data, what).value
    ranks = ranking.ranks_by_position(value, what.order)
    pairs = ranking.pairs_of(value, what.order)
    below = ranks.count(None)
    assert len(pairs) == len(ranks) * (len(ranks) - 1) // 2 - below * (below - 1) // 2
    assert all((margin == 0) == (ranks[better] == ranks[worse]) for better, worse, margin in pairs)
    assert all(ranking.level(ranks[better]) <= ranking.level(ranks[worse]) for better, worse, _ in pairs)


def test_the_order_shown_is_known_again() -> None:
    assert ranking.equals_order_shown([1, 2, 3])
    assert ranking.equals_order_shown([1, 2, 2, None])
    assert not ranking.equals_order_shown([2, 1, 3])
    assert not ranking.equals_order_shown([1, 1, 1]), "a tie of all is an opinion"
    assert not ranking.equals_order_shown([1, 2]), "of two, every second honest order is the one shown"
    assert "as_shown" in ranking.fields({"ranks": [1, 2, 3]}, shown(3))
    ranking.parse({**posted(1, 2, 3), "as_shown": "1,2,3"}, shown(3))
    ranking.parse(posted(1, 2, 3), shown(3))
