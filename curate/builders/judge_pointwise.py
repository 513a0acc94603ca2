"""judge_pointwise: data for a judge that rates one response on one dimension, with one digit.

MENLO (2509.26601) rates on four dimensions with five described levels each; the rubric's dimension is in the prompt.
Several raters become the level that most of them gave; where none has more than half, and with `aggregate: mean`, it is
their mean, rounded (a half up). With `aggregate: each` every rater is a row. The share of raters who gave that very
digit is the row's agreement.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import Field

from annotate.design.rubrics import Dimension
from curate import judge_prompts
from curate.builders.base import Builder, Item, Options, Said, Tools
from curate.builders.critique_text import critique_text, critiques_of
from curate.builders.ratings import Rated, dimensions_of, ratings_of, rounded_mean
from curate.builders.said import answers_of, prompt_of, row_of
from curate.rows import SFT, Row, assistant


class PointwiseOptions(Options):
    critique: bool = Field(
        False, description="where a rater wrote a critique of the response, the judge says it first and rates then"
    )


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "rubric")
    if not answers:
        tools.drop("no_rating")
        return
    dimensions = dimensions_of(item, answers, tools)
    for step in sorted(dimensions):
        of_step = [one for one in answers if one.step == step]
        for position, given in sorted(ratings_of(of_step).items()):
            for key in dimensions[step]:
                for group in groups_of(given.get(key, []), each=tools.recipe.aggregate == "each"):
                    yield row_of_group(item, position, dimensions[step][key], group, tools)


def groups_of(rated: Rated, *, each: bool) -> Sequence[Rated]:
    return [[one] for one in rated] if each else [rated] if rated else []


def row_of_group(item: Item, position: int, dimension: Dimension, group: Rated, tools: Tools) -> Row:
    candidate = item.candidates[position]
    levels = [level for _, level in group]
    level = most_given(levels) if tools.recipe.aggregate == "majority" else rounded_mean(levels)
    raters = [one for one, _ in group]
    critique = critique_by(item, position, raters) if tools.options.critique else None
    completion = str(level)
    if critique:
        completion = f"{critique_text(critique.value)}\n\n{judge_prompts.score_line(level)}"
    columns = {
        "prompt": judge_prompts.ask_score(
            prompt_of(item, candidate), candidate.text, dimension, reasoned=critique is not None
        ),
        "completion": assistant(completion),
        "weight": 1.0,
        "task": "verdict",
    }
    stands_on = [*raters, critique] if critique else raters
    return row_of(
        item, columns, answers=stands_on, candidates=(candidate,), agreement=levels.count(level) / len(levels),
        notes={"level": level},
    )  # fmt: skip


def most_given(levels: Sequence[int]) -> int:
    """By more than half of the raters; else the rounded mean."""
    level, times = Counter(levels).most_common(1)[0]
    return level if 2 * times > len(levels) else rounded_mean(levels)


def critique_by(item: Item, position: int, raters: Sequence[Said]) -> Said | None:
    """A critique of the response by one of these raters, the first of them that wrote one."""
    known = {one.annotator_id for one in raters}
    return next((one for one in critiques_of(item, position) if one.annotator_id in known), None)


BUILDER = Builder(
    slug="judge_pointwise",
    title="Judge, one response",
    summary="A response with a dimension of the rubric, and the level that people gave it, for training a judge.",
    kinds=("rubric", "critique"),
    row=SFT,
    rows=rows,
    options=PointwiseOptions,
    aggregates=("majority", "mean", "each"),
    reasons={"no_rating": "with ratings"},
    paper="MENLO, 2509.26601",
)
