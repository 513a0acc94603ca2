"""revisions: prompt, response and critique -> the response as it was rewritten.

DRESS (Chen et al. 2023, 2311.10081): a refinement is an instruction to the writer in the next turn, and the revised
answer is what the model learns. The revised text is the same rater's edit of the same response in a later step.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from curate.builders.base import COUNTED, Builder, Item, Options, Said, Tools
from curate.builders.critique_text import critique_text
from curate.builders.said import answers_of, prompt_of, row_of, same_text
from curate.rows import SFT, Row, assistant, user

REQUEST = "Write your last answer again, better."


class RevisionsOptions(Options):
    feedback: Literal["both", "critique", "refinement"] = Field(
        "both", description="what the model is told: what is right and wrong, what should change, or both"
    )


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    edits = answers_of(item, "edit")
    if not edits:
        tools.drop("no_edit")
    for edit in edits:
        candidate = item.candidates[edit.order[0]]
        critique = critique_before(item, edit)
        told = feedback_of(critique, tools.options.feedback) if critique else ""
        if not critique or not told:
            tools.drop("no_feedback")
            continue
        if edit.value.get("accepted") or same_text(edit.value["text"], candidate.text):
            tools.drop("unchanged")
            continue
        columns = {
            "prompt": [*prompt_of(item, candidate), *assistant(candidate.text), *user(f"{REQUEST}\n\n{told}")],
            "completion": assistant(edit.value["text"]),
            "weight": 1.0,
            "task": "revision",
        }
        yield row_of(
            item, columns, answers=[critique, edit], candidates=(candidate,), models=("", candidate.model),
            notes={"edit_cost": edit.value.get("cost", 0)},
        )  # fmt: skip


def critique_before(item: Item, edit: Said) -> Said | None:
    """The rater's critique of the response that is edited; of several the last one before the edit."""
    found = [
        one
        for one in answers_of(item, "critique")
        if one.annotator_id == edit.annotator_id and one.step < edit.step and one.order[0] == edit.order[0]
    ]
    return max(found, key=lambda one: one.step, default=None)


def feedback_of(critique: Said, which: str) -> str:
    change = critique.value.get("refinement", "")
    parts = [
        critique_text(critique.value) if which != "refinement" else "",
        f"What should change: {change}" if change and which != "critique" else "",
    ]
    return "\n\n".join(part for part in parts if part)


BUILDER = Builder(
    slug="revisions",
    title="Revisions",
    summary="A prompt, a response and a critique of it, and the response as the same person rewrote it.",
    kinds=("edit", "critique"),
    row=SFT,
    rows=rows,
    aggregates=COUNTED,
    options=RevisionsOptions,
    reasons={
        "no_edit": "with an edit",
        "no_feedback": "whose editor wrote a critique of that response before",
        "unchanged": "that the edit changed",
    },
    paper="DRESS, 2311.10081",
)
