"""judge_offset_bias: the pairs of offset_bias as verdicts in both orders, to take a judge's taste for polish away."""

from collections.abc import Iterable, Iterator
from typing import Any

from curate import judge_prompts
from curate.builders.base import Builder, Item, Tools
from curate.builders.offset_bias import (
    OFF_TOPIC,
    REASONS,
    OffsetBiasOptions,
    decided,
    donor_of,
    erroneous,
    given_by,
    pools_of,
)
from curate.builders.said import prompt_of, row_of_decision
from curate.rows import SFT, Row, assistant

KEPT = ("made", "asked", "chosen", "chosen_first")
"""No columns of the file: what `finish` needs to write the question anew, and takes out."""


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    for decision, chosen, rejected in decided(item, tools):
        messages = prompt_of(item, chosen)
        made = {OFF_TOPIC: rejected.text} if tools.options.off_topic != "none" else {}
        made |= erroneous(chosen.text, tools.options, item.prompt_key)
        if not made:
            tools.drop("nothing_wrong")
        for kind, text in made.items():
            for chosen_first in (True, False):
                columns = verdict(messages, chosen.text, text, chosen_first=chosen_first)
                columns |= dict(zip(KEPT, (kind, messages, chosen.text, chosen_first), strict=True))
                yield row_of_decision(item, decision, columns, candidates=(chosen, rejected))


def verdict(messages: list[dict[str, str]], chosen: str, rejected: str, *, chosen_first: bool) -> dict[str, Any]:
    texts = (chosen, rejected) if chosen_first else (rejected, chosen)
    return {
        "prompt": judge_prompts.ask_choice(messages, texts), "completion": assistant("A" if chosen_first else "B"),
        "weight": 1.0, "task": "verdict",
    }  # fmt: skip


def finish(all_rows: Iterable[Row], tools: Tools) -> Iterator[Row]:
    pools = pools_of(all_rows, lambda row: (row.columns["asked"], row.columns["chosen"]))
    for row in all_rows:
        made, messages, chosen, chosen_first = (row.columns.pop(name) for name in KEPT)
        if made == OFF_TOPIC:
            donor = donor_of(row, pools, messages, chosen, tools.options)
            if donor is None:
                tools.drop("no_other")
                continue
            row.columns |= verdict(messages, chosen, donor.text, chosen_first=chosen_first)
            given_by(row, donor)
        yield row


BUILDER = Builder(
    slug="judge_offset_bias",
    title="Judge, against polish",
    summary="A good answer beside a polished one that is off the topic or wrong, in both orders, for training a judge.",
    kinds=("pairwise", "chat", "ranking", "rubric"),
    row=SFT,
    rows=rows,
    reads="decisions",
    options=OffsetBiasOptions,
    reasons=REASONS,
    paper="Park et al. 2024, 2407.06551",
    finish=finish,
)
