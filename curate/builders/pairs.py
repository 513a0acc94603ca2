"""pairs: the response that raters prefer over the other one, the form of reward models and DPO."""

from collections.abc import Iterator

from curate.builders.base import Builder, Item, Tools
from curate.builders.preference import margin_of, preference_columns
from curate.builders.said import prompt_of
from curate.rows import PREFERENCE, Row


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    prompt = prompt_of(item)
    for decision in item.decisions:
        chosen, rejected = item.candidates[decision.winner], item.candidates[1 - decision.winner]
        # Both orders of a tie cancel out, each with half the weight of a pair that was decided.
        half = decision.tie and tools.recipe.ties == "half"
        margin = 0.0 if decision.tie else margin_of(
            tools.recipe, strength=decision.strength, share=decision.agreement
        )  # fmt: skip
        seen = None if decision.winner_first != decision.winner_first else decision.winner_first
        sides = ((chosen, rejected, seen), (rejected, chosen, None if seen is None else 1 - seen))
        for one, other, first in sides[: 2 if half else 1]:
            columns = preference_columns(
                prompt, one, other, margin=margin, strength=decision.strength, share=decision.agreement,
                weight=0.5 if half else 1.0, tie=decision.tie, chosen_first=first,
            )  # fmt: skip
            yield Row(
                columns, item.prompt_key, item.lang, decision.feedback_ids, (one.model, other.model), decision.raters,
                decision.agreement, decision.simulated, one.seed,
            )  # fmt: skip


BUILDER = Builder(
    slug="pairs",
    title="Preference pairs",
    summary="The response that raters prefer over the other one, with how much and how many of them agree.",
    kinds=("pairwise", "chat", "ranking", "rubric"),
    row=PREFERENCE,
    rows=rows,
    reads="decisions",
    paper="Ouyang et al. 2022 (2203.02155), Rafailov et al. 2023 (2305.18290)",
)
