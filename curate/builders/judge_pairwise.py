"""judge_pairwise: data for a judge that says which of two responses is better, in both orders, with one letter.

MENLO (2509.26601) shows both responses side by side with the rubric's dimension, and derives the verdict from the two
ratings; JSFT (2402.11253) trains the verdict as one token and writes each pair in both orders, which takes away any
taste for one side. Here an item with ratings gives a verdict a dimension, one with named dimensions of a comparison a
verdict for each of these too, and every decision the verdict in general (or by the item's own criterion).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from annotate.design.rubrics import Dimension
from curate import judge_prompts
from curate.builders.base import Builder, Item, Options, Said, Tools
from curate.builders.critique_text import critique_text, critiques_of
from curate.builders.ratings import dimensions_of, ratings_of
from curate.builders.said import answers_of, prompt_of, row_of, row_of_decision, same_text, signed
from curate.rows import SFT, Row, assistant

ORDERS = ((0, 1), (1, 0))


class PairwiseJudgeOptions(Options):
    dimensions: bool = Field(
        True, description="also write a verdict for each dimension that was rated or compared, not only in general"
    )
    critique: bool = Field(
        False, description="where a rater wrote a critique of one of the two, the judge says it first and decides then"
    )


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    if len(item.candidates) != 2 or same_text(item.candidates[0].text, item.candidates[1].text):
        tools.drop("two_texts")
        return
    found = False
    for row in (*in_general(item, tools), *(by_dimension(item, tools) if tools.options.dimensions else ())):
        found = True
        yield row
    if not found:
        tools.drop("undecided")


def in_general(item: Item, tools: Tools) -> Iterator[Row]:
    for decision in item.decisions:
        better = None if decision.tie else decision.winner
        raters = [one for one in item.answers if one.feedback_id in decision.feedback_ids]
        for order in ORDERS:
            columns, critiques = verdict(item, order, better, item.criterion, raters, tools)
            candidates = [item.candidates[position] for position in order]
            row = row_of_decision(item, decision, columns, candidates=candidates)
            row.feedback_ids = tuple(dict.fromkeys([*row.feedback_ids, *(one.feedback_id for one in critiques)]))
            yield row


def by_dimension(item: Item, tools: Tools) -> Iterator[Row]:
    asked: list[tuple[Dimension | str, list[Said], list[int]]] = [*of_ratings(item, tools), *of_comparisons(item)]
    for by, raters, towards in asked:
        groups: Sequence[tuple[Sequence[Said], Sequence[int]]] = [(raters, towards)]
        if tools.recipe.aggregate == "each":
            groups = [([one], [size]) for one, size in zip(raters, towards, strict=True)]
        for answers, sizes in groups:
            signs = [(size > 0) - (size < 0) for size in sizes]
            total = sum(signs if tools.recipe.aggregate == "majority" else sizes)
            if total == 0 and tools.recipe.ties == "drop":
                continue
            side = (total > 0) - (total < 0)
            agreement = signs.count(side) / len(sizes)
            if side and agreement < tools.recipe.minimum_agreement:
                continue
            better = None if side == 0 else 0 if side > 0 else 1
            for order in ORDERS:
                columns, critiques = verdict(item, order, better, by, answers, tools)
                candidates = [item.candidates[position] for position in order]
                yield row_of(item, columns, answers=[*answers, *critiques], candidates=candidates, agreement=agreement)


def of_ratings(item: Item, tools: Tools) -> Iterator[tuple[Dimension, list[Said], list[int]]]:
    """(dimension, answers, how many levels position 0 is above position 1 in each)"""
    answers = answers_of(item, "rubric")
    for step, dimensions in sorted(dimensions_of(item, answers, tools).items()):
        given = ratings_of(one for one in answers if one.step == step)
        for key, dimension in dimensions.items():
            levels = [{one.feedback_id: level for one, level in given.get(at, {}).get(key, [])} for at in (0, 1)]
            both = [one for one in answers if all(one.feedback_id in of_side for of_side in levels)]
            if both:
                yield dimension, both, [levels[0][one.feedback_id] - levels[1][one.feedback_id] for one in both]


def of_comparisons(item: Item) -> Iterator[tuple[str, list[Said], list[int]]]:
    """(name of the dimension, answers, strength towards position 0 of each)"""
    answers = [one for one in answers_of(item, "pairwise") if len(one.order) == 2]
    names = dict.fromkeys(name for one in answers for name in one.value.get("dimensions", {}))
    for name in names:
        asked = [one for one in answers if name in one.value.get("dimensions", {})]
        yield name, asked, [signed(one.value["dimensions"][name], one.order) for one in asked]


def verdict(
    item: Item, order: tuple[int, int], better: int | None, by: Dimension | str, raters: Sequence[Said], tools: Tools
) -> tuple[dict[str, Any], list[Said]]:
    """The columns with the responses in this order, and the critiques in them. better: a position; None for a tie."""
    letter = "C" if better is None else "AB"[order.index(better)]
    said = critiques_by(item, order, raters) if tools.options.critique else []
    completion = letter
    if said:
        words = [f"Answer {'AB'[order.index(one.order[0])]}. {critique_text(one.value)}" for one in said]
        completion = "\n\n".join([*words, judge_prompts.verdict_line(letter)])
    first, second = (item.candidates[position] for position in order)
    columns = {
        "prompt": judge_prompts.ask_choice(
            prompt_of(item, first), (first.text, second.text), by=by, reasoned=bool(said)
        ),
        "completion": assistant(completion),
        "weight": 1.0,
        "task": "verdict",
    }
    return columns, said


def critiques_by(item: Item, order: Sequence[int], raters: Sequence[Said]) -> list[Said]:
    """At most one critique of each response, by these raters, in the order shown."""
    known = {one.annotator_id for one in raters}
    found = []
    for position in order:
        own = (one for one in critiques_of(item, position) if one.annotator_id in known)
        found += [one for one in [next(own, None)] if one]
    return found


def counts_alike(options: PairwiseJudgeOptions, kinds: Sequence[str]) -> str:
    return "verdicts on each dimension: turn dimensions off" if options.dimensions else ""


BUILDER = Builder(
    slug="judge_pairwise",
    title="Judge, two responses",
    summary="Two responses in both orders and which is better, in general and on each dimension, for training a judge.",
    kinds=("pairwise", "chat", "rubric", "ranking", "critique"),
    row=SFT,
    rows=rows,
    reads="decisions",
    criteria=True,
    options=PairwiseJudgeOptions,
    counts_alike=counts_alike,
    reasons={"two_texts": "with two different texts", "undecided": "with a verdict"},
    paper="MENLO, 2509.26601; JSFT, 2402.11253",
    undecided=True,
    derived=True,
)
