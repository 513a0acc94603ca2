"""reward_augmented: each pair twice, with the score that is aimed at in the system prompt.

Zhang et al. 2024 (2410.08067): asked for the score of the chosen response, the chosen one is better; asked for the
score of the rejected one, that one is. So nothing is unlearnt of a good response that lost. Needs a chosen score of at
least the rejected one's; scores are 1 to 10. The paper trains with DPO, beta 0.01, label smoothing 0.3.

Where scores come from, each to 1 to 10 and with one decimal (the scalings are ours):

- strength s of the preference, 0 to 3: 5.5 + 1.5 s for the chosen, 5.5 - 1.5 s for the rejected response.
- rubric, mean m of all levels, 1 to 5: 1 + 9 (m - 1) / 4.
- reward r of a reward model: 1 + 9 sigmoid((r - centre) / spread), with centre and spread from the options.

Two equal scores would ask for both orders under one prompt, so such a pair gives the first row alone (ours too).
"""

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from curate.builders.base import Builder, Decision, Item, Options, Tools
from curate.builders.preference import margin_of, preference_columns
from curate.builders.ratings import ratings_of
from curate.builders.said import Messages, answers_of, prompt_of, row_of_decision, same_text, sides
from curate.rows import PREFERENCE, Row
from registry.specs.base import ref

AIM = "Aim at an answer that a strict reader would give {score} of 10 points, where 1 is the worst and 10 the best."


class RewardAugmentedOptions(Options):
    scores: Literal["strength", "rubric", "reward"] = Field(
        "strength", description="where a response's score comes from: how much better it is, its ratings, or its reward"
    )
    model: str = ref("reward", "with reward: whose scores; empty takes the project's newest reward model", default="")
    centre: float = Field(0.0, ge=-1e6, le=1e6, description="with reward: the reward that becomes 5.5")
    spread: float = Field(1.0, gt=0, le=1e6, description="with reward: so much above the centre becomes 7.6")


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    for decision in item.decisions:
        chosen, rejected = sides(item, decision)
        if same_text(chosen.text, rejected.text):
            tools.drop("same_text")
            continue
        if decision.tie:
            tools.drop("tie")
            continue
        scores = scores_of(item, decision, tools.options)
        if scores is None:
            tools.drop("no_score")
        elif scores[0] < scores[1]:
            tools.drop("score_order")
        else:
            yield aimed(item, decision, scores, tools, at_chosen=True)
            if scores[0] > scores[1]:
                yield aimed(item, decision, scores, tools, at_chosen=False)


def scores_of(item: Item, decision: Decision, options: RewardAugmentedOptions) -> tuple[float, float] | None:
    """(chosen, rejected), each 1 to 10 with one decimal; None where one of them has none."""
    if options.scores == "strength":
        return round(5.5 + 1.5 * decision.strength, 1), round(5.5 - 1.5 * decision.strength, 1)
    found: list[float] = []
    given = ratings_of(answers_of(item, "rubric")) if options.scores == "rubric" else {}
    for position in (decision.winner, 1 - decision.winner):
        if options.scores == "rubric":
            levels = [level for rated in given.get(position, {}).values() for _, level in rated]
            found += [from_rating(sum(levels) / len(levels))] if levels else []
        elif (reward := item.candidates[position].score) is not None:
            found.append(from_reward(reward, centre=options.centre, spread=options.spread))
    return (found[0], found[1]) if len(found) == 2 else None


def from_rating(mean: float) -> float:
    return round(1 + 9 * (mean - 1) / 4, 1)


def from_reward(reward: float, *, centre: float, spread: float) -> float:
    z = (reward - centre) / spread
    sigmoid = 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
    return round(1 + 9 * sigmoid, 1)


def aimed(item: Item, decision: Decision, scores: tuple[float, float], tools: Tools, *, at_chosen: bool) -> Row:
    """The pair under the chosen response's score; or turned round, under the rejected one's."""
    chosen, rejected = sides(item, decision)
    target = scores[0] if at_chosen else scores[1]
    better, worse = (chosen, rejected) if at_chosen else (rejected, chosen)
    first = None if math.isnan(decision.winner_first) else decision.winner_first
    columns = preference_columns(
        with_aim(prompt_of(item, chosen), target), better, worse,
        margin=margin_of(tools.recipe, strength=decision.strength, share=decision.agreement),
        strength=decision.strength, share=decision.agreement,
        chosen_first=first if first is None or at_chosen else 1 - first,
    )  # fmt: skip
    columns["chosen_score"], columns["rejected_score"] = scores if at_chosen else scores[::-1]
    return row_of_decision(item, decision, columns, candidates=(better, worse),
                           notes={"target": target, "turned": not at_chosen})  # fmt: skip


def with_aim(messages: Messages, score: float) -> Messages:
    """The prompt with the aim as its system message, after what it has of one."""
    aim = AIM.format(score=f"{score:g}")
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{aim}"}, *messages[1:]]
    return [{"role": "system", "content": aim}, *messages]


BUILDER = Builder(
    slug="reward_augmented",
    title="Pairs with a score to aim at",
    summary="Each pair twice: under the chosen response's score as it is, and under the rejected one's turned round.",
    kinds=("pairwise", "chat", "rubric", "ranking"),
    row=PREFERENCE,
    rows=rows,
    reads="decisions",
    options=RewardAugmentedOptions,
    reasons={
        "same_text": "with two different texts",
        "tie": "with a preferred side",
        "no_score": "whose responses both have a score",
        "score_order": "whose chosen response has the higher score",
    },
    paper="Zhang et al. 2024, 2410.08067",
    derived=True,
)
