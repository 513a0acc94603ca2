"""Ratings of a rubric by response and dimension, and the rubric that they were given on."""

from collections.abc import Iterable, Sequence

from annotate.design.rubrics import Dimension, RubricSpec
from curate.builders.base import Item, Said, Tools
from curate.builders.said import options_of

Rated = list[tuple[Said, int]]


def ratings_of(answers: Iterable[Said]) -> dict[int, dict[str, Rated]]:
    """position -> dimension's key -> [(answer, level 1 to 5)]; `answers` are of kind rubric."""
    found: dict[int, dict[str, Rated]] = {}
    for one in answers:
        for position, levels in zip(one.order, one.value.get("ratings", []), strict=False):
            for key, level in levels.items():
                found.setdefault(position, {}).setdefault(key, []).append((one, level))
    return found


def rounded_mean(levels: Sequence[int]) -> int:
    """A half is rounded up, as the page with the ratings does it; in whole numbers, so no rounding error decides."""
    return (2 * sum(levels) + len(levels)) // (2 * len(levels))


def rubric_of(item: Item, said: Said, tools: Tools) -> RubricSpec:
    """The rubric as it was when its step was written; where the step only names one, the project's."""
    options = options_of(item, said)
    stored = tools.rubrics.get((options.name, options.version)) if options.name else None
    if stored and "rubric" not in options.model_fields_set:
        return RubricSpec.model_validate(stored)
    rubric: RubricSpec = options.rubric
    return rubric


def dimensions_of(item: Item, answers: Sequence[Said], tools: Tools) -> dict[int, dict[str, Dimension]]:
    """step -> dimension's key -> dimension."""
    found: dict[int, dict[str, Dimension]] = {}
    for one in answers:
        if one.step not in found:
            found[one.step] = {dimension.key: dimension for dimension in rubric_of(item, one, tools).dimensions}
    return found
