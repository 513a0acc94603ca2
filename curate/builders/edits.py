"""edits: the edited response over the original.

CLAIR (D'Oosterlinck et al. 2024, 2408.06266): the chosen response is a minimal revision of the model's own, so that the
pair differs in what matters and in nothing else. The paper trains on them with APO. A person's edit is such a revision
where it changes little, and `most_changed` keeps those. The cost of an edit is that of PRELUDE (2404.15269): words
inserted, deleted and replaced; it is in the notes, with its ratio to the original's words.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from annotate.worddiff import words
from curate.builders.base import COUNTED, Builder, Candidate, Item, Options, Said, Tools
from curate.builders.preference import preference_columns
from curate.builders.said import answers_of, prompt_of, row_of
from curate.rows import PREFERENCE, Row


class EditsOptions(Options):
    most_changed: float | None = Field(
        None, gt=0, le=10,
        description="leave out edits that changed more than this share of the original's words; empty takes all",
    )  # fmt: skip


def changed_share(edit: Said, original: str) -> float:
    """Words changed a word of the original; above 1 where more was written than was there."""
    return float(edit.value.get("cost", 0)) / max(len(words(original)), 1)


def edited(candidate: Candidate, edit: Said) -> Candidate:
    """The response as a person left it: written to its end, and scored by nobody."""
    return replace(candidate, text=edit.value["text"], model="", finished=True, score=None, embedding=None)


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "edit")
    if not answers:
        tools.drop("no_edit")
    for one in answers:
        original = item.candidates[one.order[0]]
        share = changed_share(one, original.text)
        if one.value.get("accepted"):
            tools.drop("accepted")
        elif not one.value.get("cost"):
            tools.drop("spacing")
        elif tools.options.most_changed is not None and share > tools.options.most_changed:
            tools.drop("most_changed")
        else:
            chosen = edited(original, one)
            columns = preference_columns(prompt_of(item, original), chosen, original)
            notes = {"edit_cost": one.value["cost"], "edit_share": share}
            yield row_of(item, columns, answers=[one], candidates=(chosen, original), seed=original.seed, notes=notes)


BUILDER = Builder(
    slug="edits",
    title="Edits over originals",
    summary="The response as a person rewrote it, over the response as it was.",
    kinds=("edit",),
    row=PREFERENCE,
    rows=rows,
    aggregates=COUNTED,
    options=EditsOptions,
    reasons={
        "no_edit": "with an edit",
        "accepted": "that was not accepted as it is",
        "spacing": "with a word changed",
        "most_changed": "with few enough words changed",
    },
    paper="CLAIR, 2408.06266; PRELUDE, 2404.15269",
)
