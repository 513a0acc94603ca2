"""joint: a response to one prompt over a response to another one.

DOVE (Bansal et al. 2024, 2404.00530): instruction and response are judged together, also where the instructions differ.
Its judges answer 0, 1 or 2 for equal; equal ones are dropped. The paper trains on joint and conditional (same
instruction) rows together, so both are written unless `conditional` is off. With equal prompts, and the prompt left out
of the loss, the objective is plain DPO.
"""

from collections.abc import Iterator

from pydantic import Field

from curate.builders.base import Builder, Item, Options, Tools
from curate.builders.preference import margin_of
from curate.builders.said import prompt_of, row_of_decision, same_text, sides
from curate.rows import JOINT, Row, assistant


class JointOptions(Options):
    conditional: bool = Field(True, description="also write the items whose two responses answer the same prompt")


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    if len(item.candidates) != 2:
        tools.drop("two")
        return
    if not item.two_prompts and not tools.options.conditional:
        tools.drop("conditional")
        return
    if all(one.tie for one in item.decisions):
        tools.drop("tie")
        return
    for decision in item.decisions:
        if decision.tie:
            continue
        chosen, rejected = sides(item, decision)
        prompts = prompt_of(item, chosen), prompt_of(item, rejected)
        if prompts[0] == prompts[1] and same_text(chosen.text, rejected.text):
            tools.drop("same_text")
            return
        columns = {
            "prompt_chosen": prompts[0], "chosen": assistant(chosen.text),
            "prompt_rejected": prompts[1], "rejected": assistant(rejected.text),
            "margin": margin_of(tools.recipe, strength=decision.strength, share=decision.agreement),
            "tie": False,
        }  # fmt: skip
        yield row_of_decision(item, decision, columns, candidates=(chosen, rejected))


BUILDER = Builder(
    slug="joint",
    title="Joint pairs",
    summary="A response and its prompt over another response and its own prompt, and plain pairs beside them.",
    kinds=("pairwise", "chat", "rubric", "ranking"),
    row=JOINT,
    rows=rows,
    reads="decisions",
    criteria=True,
    options=JointOptions,
    reasons={
        "two": "with two responses",
        "conditional": "whose responses answer two prompts",
        "tie": "with a preferred side",
        "same_text": "with two different texts",
    },
    paper="Bansal et al. 2024, 2404.00530",
    two_prompts=True,
)
