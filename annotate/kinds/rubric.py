"""rubric: one response or two, 1 to 5 on each dimension; the preference follows from the ratings.

MENLO (2509.26601) rates two responses side by side on described levels and derives the preference from the scores.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from annotate.design.rubrics import LEVELS, READY, RubricSpec
from annotate.kinds.base import LETTERS, Answer, AnswerError, Kind, Options, Shown, extremes_of_pair, parse_comment
from annotate.kinds.pairwise import right as right_side
from annotate.kinds.pairwise import say_strength

GRADES = {str(level): level for level in range(1, LEVELS + 1)}
TOLERANCE = 1
"""A rating within one level of the accepted one is right."""


class RubricOptions(Options):
    """The whole rubric, as it was when the protocol was written: an answer tells what its levels meant."""

    rubric: RubricSpec = Field(READY["menlo"], description="title and dimensions, each with five described levels")
    name: str = Field("", max_length=60, description="the rubric of the project that it was taken from")
    version: int = Field(0, ge=0, description="and which version of it")


def options_of(shown: Shown) -> RubricOptions:
    options: RubricOptions = shown.options or RubricOptions()
    return options


def field_of(number: int, place: int) -> str:
    """`rate-<number of the dimension>-<place in the order shown>`, both from 0."""
    return f"rate-{number}-{place}"


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`rate-<dimension>-<place>` is 1 to 5, needed for each dimension and each response that is shown."""
    dimensions = options_of(shown).rubric.dimensions
    comment = parse_comment(data)
    places = range(len(shown.order))
    missing: list[str] = []
    ratings: list[dict[str, int]] = [{} for _ in places]
    for number, dimension in enumerate(dimensions):
        for place in places:
            given = data.get(field_of(number, place), "")
            where = f"{LETTERS[place]} on {dimension.name}" if len(places) > 1 else dimension.name
            if not given:
                missing.append(where)
            elif given not in GRADES:
                raise AnswerError(f"{where} is {given[:40]!r}, which is not a level. Choose 1 to {LEVELS}.")
            else:
                ratings[place][dimension.key] = GRADES[given]
    if missing:
        raise AnswerError(f"Not rated yet: {', '.join(missing)}. Rate each from 1 to {LEVELS}, then send.")
    return Answer(value={"ratings": ratings}, preference=preference_of(ratings, shown.order), comment=comment)


def preference_of(ratings: Sequence[Mapping[str, int]], order: Sequence[int]) -> int | None:
    """In canonical order; None where one response is rated."""
    if len(ratings) != 2:
        return None
    strength = strength_of(ratings)
    return strength if order[0] == 0 else -strength


def strength_of(ratings: Sequence[Mapping[str, int]]) -> int:
    """-3 to 3, positive for the response shown first: the difference of the mean ratings, rounded half away from 0.

    At least 1 where the means differ at all, at most 3: with one dimension a difference of 1 is "slightly better",
    2 is "better", 3 or 4 "much better", as MENLO derives it. In whole numbers, so that no rounding error decides.
    """
    first, second = ratings
    total, count = sum(first.values()) - sum(second.values()), max(len(first), 1)
    if total == 0:
        return 0
    size = min(max((2 * abs(total) + count) // (2 * count), 1), 3)
    return size if total > 0 else -size


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    return {
        field_of(number, place): str(levels[dimension.key])
        for place, levels in enumerate(value.get("ratings", []))
        for number, dimension in enumerate(options_of(shown).rubric.dimensions)
        if dimension.key in levels
    }


def say(value: Mapping[str, Any]) -> str:
    ratings = value.get("ratings", [])
    if len(ratings) == 1:
        return f"{say_mean(ratings[0])} of {LEVELS} on average"
    means = ", ".join(f"{LETTERS[place]} {say_mean(levels)}" for place, levels in enumerate(ratings))
    return f"{means}: {say_strength(strength_of(ratings))}" if len(ratings) == 2 else means


def say_mean(levels: Mapping[str, int]) -> str:
    """The mean rating with one digit, a half rounded up, as the page does it while the ratings are given."""
    tenths = (20 * sum(levels.values()) + len(levels)) // (2 * len(levels)) if levels else 0
    return f"{tenths // 10}.{tenths % 10}"


def right(answer: Answer, order: Sequence[int], accept: Mapping[str, Any]) -> bool:
    """`accept["side"]` as in pairwise, and `accept["ratings"]`: {position: {dimension: level or [levels]}}.

    Where both are given, both have to hold. Ratings may be one level off. Responses and dimensions that were not rated
    are not judged.
    """
    if "side" in accept and len(order) > 1 and not right_side(answer, order, accept):
        return False
    for position, expected in accept.get("ratings", {}).items():
        if int(position) not in order:
            continue
        given = answer.value["ratings"][list(order).index(int(position))]
        for key, levels in expected.items():
            wanted = levels if isinstance(levels, list) else [levels]
            if key in given and all(abs(given[key] - level) > TOLERANCE for level in wanted):
                return False
    return True


def context(shown: Shown) -> dict[str, Any]:
    rubric = options_of(shown).rubric
    return {
        "rubric": rubric,
        "dimensions": [
            {
                "number": number,
                "prefix": f"rate-{number}-",
                "name": one.name,
                "question": one.question,
                "levels": [(str(level), one.levels[level - 1]) for level in range(LEVELS, 0, -1)],
            }
            for number, one in enumerate(rubric.dimensions)
        ],
    }


KIND = Kind(
    slug="rubric",
    title="Rubric",
    question="How good is each answer?",
    least=1,
    most=2,
    parse=parse,
    fields=fields,
    say=say,
    options=RubricOptions,
    context=context,
    right=right,
    extremes=extremes_of_pair,
    keys=(
        (("1", "…", "5"), "Rate the marked answer on the open dimension"),
        (("Tab",), "The other answer, then the next dimension; with Shift back"),
        (("←", "→"), "The same"),
        (("↑", "↓"), "One level higher or lower, in the ratings; elsewhere scroll the answers"),
    ),
)
