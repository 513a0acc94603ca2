"""edited: fine-tuning on responses as people left them, rewritten or accepted as they are."""

from collections.abc import Iterator

from pydantic import Field

from curate.builders.base import COUNTED, Builder, Item, Options, Tools
from curate.builders.edits import changed_share
from curate.builders.said import answers_of, prompt_of, row_of
from curate.rows import SFT, Row, assistant


class EditedOptions(Options):
    accepted: bool = Field(True, description="a response that was sent unchanged counts as good")


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "edit")
    if not answers:
        tools.drop("no_edit")
    for one in answers:
        original = item.candidates[one.order[0]]
        accepted = bool(one.value.get("accepted"))
        if accepted and not tools.options.accepted:
            tools.drop("accepted")
            continue
        columns = {
            "prompt": prompt_of(item, original),
            "completion": assistant(one.value["text"]),
            "weight": 1.0,
            "task": "answer",
        }
        yield row_of(
            item, columns, answers=[one], candidates=(original,), models=(original.model if accepted else "",),
            notes={"edit_cost": one.value.get("cost", 0), "edit_share": changed_share(one, original.text)},
        )  # fmt: skip


BUILDER = Builder(
    slug="edited",
    title="Edited answers",
    summary="A prompt and the response as a person left it, for fine-tuning.",
    kinds=("edit",),
    row=SFT,
    rows=rows,
    aggregates=COUNTED,
    options=EditedOptions,
    reasons={"no_edit": "with an edit", "accepted": "that a person rewrote"},
    paper="PRELUDE, 2404.15269",
)
