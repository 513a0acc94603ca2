"""unpaired: a response and whether it is good, the form of KTO (Ethayarajh et al. 2024, 2402.01306).

Of a comparison the winner is good and the loser is not; both bad to most raters makes both bad. What raters said of a
response by itself comes first, since it says more: what fits in a selection is good and the rest is not, and of ratings
the mean decides.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from pydantic import Field

from curate.builders.base import Builder, Candidate, Item, Options, Said, Tools
from curate.builders.ratings import ratings_of
from curate.builders.said import answers_of, prompt_of, row_of, row_of_decision, same_text, sides
from curate.rows import UNPAIRED, Row, assistant


class UnpairedOptions(Options):
    good_from: float = Field(
        3.5, ge=1, le=5, description="with ratings: a response is good from this mean of its levels on, 1 to 5"
    )
    ratings_decide: bool = Field(
        True, description="where a response has ratings, they say whether it is good; off: only who wins does"
    )


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    selections, ratings = answers_of(item, "selection"), answers_of(item, "rubric")
    each = tools.recipe.aggregate == "each"
    if selections:
        for group in [[one] for one in selections] if each else [selections]:
            yield from of_selections(item, group, tools)
    elif ratings and tools.options.ratings_decide:
        for group in [[one] for one in ratings] if each else [ratings]:
            yield from of_ratings(item, group, tools)
    else:
        yield from of_comparisons(item, tools)


def columns_of(item: Item, candidate: Candidate, label: bool) -> dict[str, Any]:
    return {"prompt": prompt_of(item, candidate), "completion": assistant(candidate.text), "label": label}


def labelled(item: Item, position: int, label: bool, *, answers: list[Said], agreement: float) -> Row:
    one = item.candidates[position]
    return row_of(item, columns_of(item, one, label), answers=answers, candidates=(one,), agreement=agreement)


def of_comparisons(item: Item, tools: Tools) -> Iterator[Row]:
    if len(item.candidates) == 2 and same_text(item.candidates[0].text, item.candidates[1].text):
        tools.drop("same_text")
        return
    decided = [one for one in item.decisions if not one.tie]
    for decision in decided:
        for label, candidate in zip((True, False), sides(item, decision), strict=True):
            columns = columns_of(item, candidate, label)
            yield row_of_decision(item, decision, columns, candidates=(candidate,))
    if decided:
        return
    asked = [one for one in item.answers if one.both_bad or one.preference is not None]
    bad = [one for one in asked if one.both_bad]
    if 2 * len(bad) <= len(asked):
        tools.drop("undecided")
        return
    for position in range(len(item.candidates)):
        yield labelled(item, position, False, answers=asked, agreement=len(bad) / len(asked))


def of_selections(item: Item, answers: list[Said], tools: Tools) -> Iterator[Row]:
    found = False
    for position in range(len(item.candidates)):
        seen = [one for one in answers if position in one.order]
        fits = sum(position in {one.order[place] for place in one.value.get("fits", [])} for one in seen)
        share = max(fits, len(seen) - fits) / len(seen) if seen else 0.0
        if share <= 0.5 or share < tools.recipe.minimum_agreement:
            continue
        found = True
        yield labelled(item, position, 2 * fits > len(seen), answers=seen, agreement=share)
    if not found:
        tools.drop("undecided")


def of_ratings(item: Item, answers: list[Said], tools: Tools) -> Iterator[Row]:
    for position, given in sorted(ratings_of(answers).items()):
        levels = [level for rated in given.values() for _, level in rated]
        # In fractions, so that a mean of exactly the threshold is not lost to rounding.
        good = Fraction(sum(levels), len(levels)) >= Fraction(str(tools.options.good_from))
        raters = {one.annotator_id: one for rated in given.values() for one, _ in rated}
        own = [
            [level for rated in given.values() for one, level in rated if one.annotator_id == rater] for rater in raters
        ]
        agreeing = sum((sum(one) / len(one) >= tools.options.good_from) == good for one in own)
        yield labelled(
            item, position, good,
            answers=list({one.feedback_id: one for rated in given.values() for one, _ in rated}.values()),
            agreement=agreeing / len(own),
        )  # fmt: skip


def counts_alike(options: UnpairedOptions, kinds: Sequence[str]) -> str:
    alike = [kind for kind in ("selection", "rubric") if kind in kinds]
    if not options.ratings_decide:
        alike = [kind for kind in alike if kind != "rubric"]
    return f"answers of the kind {' and '.join(alike)}: leave them out" if alike else ""


BUILDER = Builder(
    slug="unpaired",
    title="Good or bad",
    summary="A response and whether it is good: winners and losers of comparisons, selections, and ratings.",
    kinds=("pairwise", "chat", "rubric", "selection"),
    row=UNPAIRED,
    rows=rows,
    reads="decisions",
    options=UnpairedOptions,
    counts_alike=counts_alike,
    reasons={"same_text": "with different texts", "undecided": "that most raters found good or bad"},
    paper="Ethayarajh et al. 2024, 2402.01306",
    undecided=True,
    derived=True,
)
