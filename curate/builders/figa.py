"""figa: an edited response and its original, with a weight for each token that the edit touched.

FIGA (Guo et al. 2023, 2311.04072): Levenshtein operations on token ids turn the original into the revised text. In the
revised text inserted and replaced tokens, and the one that ends it, have weight 1; in the original deleted and replaced
tokens have -0.5; all others have 0, and the original's end never counts. The loss is
sum w NLL / number of weights that are not 0. The rule that a token of the original counts only where the model finds it
likely (NLL of at most 0.6) belongs to training, where the model is.
"""

from collections.abc import Iterator, Sequence

from pydantic import Field
from rapidfuzz.distance import Levenshtein

from curate.builders.base import COUNTED, Builder, Item, Options, Tools
from curate.builders.said import answers_of, prompt_of, row_of
from curate.rows import EDIT, Row

DOWN = -0.5
"""Weight of a deleted or replaced token of the original."""


class FigaOptions(Options):
    accepted: bool = Field(
        False, description="also write responses that were accepted as they are; they teach where to end, and no more"
    )


def token_weights(
    original: Sequence[int], revised: Sequence[int], *, eos: int | None
) -> tuple[list[int], list[float], list[int], list[float]]:
    """(original ids, their weights, revised ids, their weights); both end with `eos` where there is one."""
    before, after = [0.0] * len(original), [0.0] * len(revised)
    for operation in Levenshtein.editops(original, revised):
        if operation.tag != "insert":
            before[operation.src_pos] = DOWN
        if operation.tag != "delete":
            after[operation.dest_pos] = 1.0
    if eos is None:
        return list(original), before, list(revised), after
    return [*original, eos], [*before, 0.0], [*revised, eos], [*after, 1.0]


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "edit")
    if not answers:
        tools.drop("no_edit")
    for one in answers:
        candidate = item.candidates[one.order[0]]
        text = one.value["text"]
        if one.value.get("accepted") and not tools.options.accepted:
            tools.drop("accepted")
            continue
        original, before, revised, after = token_weights(
            tools.tokens(candidate.text), tools.tokens(text), eos=tools.eos
        )
        if not any(before) and not any(after):
            tools.drop("no_weight")
            continue
        columns = {
            "prompt": prompt_of(item, candidate),
            "original": candidate.text, "revised": text,
            "original_ids": original, "original_weights": before,
            "revised_ids": revised, "revised_weights": after,
            "tokenizer": tools.tokenizer_name,
        }  # fmt: skip
        author = candidate.model if one.value.get("accepted") else ""
        yield row_of(
            item, columns, answers=[one], candidates=(candidate,), models=(candidate.model, author),
            notes={"edit_cost": one.value.get("cost", 0), "tokens_up": sum(map(bool, after)),
                   "tokens_down": sum(map(bool, before))},
        )  # fmt: skip


BUILDER = Builder(
    slug="figa",
    title="Token weights of edits",
    summary="A response and its edit, what the edit wrote weighted up and what it took out weighted down.",
    kinds=("edit",),
    row=EDIT,
    rows=rows,
    aggregates=COUNTED,
    options=FigaOptions,
    reasons={
        "no_edit": "with an edit",
        "accepted": "that was not accepted as it is",
        "no_weight": "with a token that has a weight",
    },
    paper="Guo et al. 2023, 2311.04072",
)
