"""selections: fine-tuning on the candidates that people chose, round after round.

ILLUME (Brack et al. 2022, 2208.08241): a model samples several candidates for each item, people tick those that fit,
the model learns from them and samples again. What was accepted in earlier rounds stays in. Candidates under 3
characters are left out, and of those that differ in case alone one is kept.

Rows that only teach the task are mixed in, about 10 to 1, so that the model does not forget it. The loss is that of
the task on all rows plus w times that of the accepted rows, with w = task-only rows / accepted rows; here w is the
weight of an accepted row. Task-only rows are the project's edited answers, since those are prompts with an answer that
a person stands behind. Ours: w is at least 1, so that a project with few edits does not turn the accepted rows off.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

from pydantic import Field

from curate.builders.base import COUNTED, Builder, Item, Options, Said, Tools
from curate.builders.said import answers_of, prompt_of, row_of
from curate.rows import SFT, Row, assistant

ACCEPTED, TASK_ONLY = "rationale", "answer"
"""What a row teaches, its column `task`."""


class SelectionsOptions(Options):
    accepted_by: float = Field(
        0.5, gt=0, le=1, description="a candidate is in when at least this share of its raters chose it"
    )
    least_characters: int = Field(3, ge=1, le=10_000, description="leave out candidates with fewer characters")
    rounds: Literal["all", "newest"] = Field(
        "all", description="all keeps what was accepted in earlier sample runs, newest takes the latest run alone"
    )
    task_rows: Literal["edits", "none"] = Field(
        "edits", description="mix in rows that only teach the task: the project's edited and accepted answers, or none"
    )
    task_rows_per_accepted: float = Field(
        10, gt=0, le=1_000, description="so many task-only rows for each accepted one at most, drawn by the seed"
    )


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "selection")
    edits = answers_of(item, "edit") if tools.options.task_rows == "edits" else []
    if not answers and not edits:
        tools.drop("no_selection")
        return
    yield from (task_row(item, one) for one in edits)
    if answers:
        yield from accepted_rows(item, answers, tools)


def task_row(item: Item, edit: Said) -> Row:
    original = item.candidates[edit.order[0]]
    model = original.model if edit.value.get("accepted") else ""
    columns = {
        "prompt": prompt_of(item, original), "completion": assistant(edit.value["text"]), "weight": 1.0,
        "task": TASK_ONLY,
    }  # fmt: skip
    return row_of(item, columns, answers=[edit], candidates=(original,), models=(model,))


def accepted_rows(item: Item, answers: Sequence[Said], tools: Tools) -> Iterator[Row]:
    why = "none_fits"
    for position, candidate in enumerate(item.candidates):
        seen = [one for one in answers if position in one.order]
        chosen = [one for one in seen if position in {one.order[place] for place in one.value.get("fits", [])}]
        if not chosen or len(chosen) < tools.options.accepted_by * len(seen):
            continue
        if len(candidate.text.strip()) < tools.options.least_characters:
            why = "short" if why else why
            continue
        why = ""
        columns = {
            "prompt": prompt_of(item, candidate), "completion": assistant(candidate.text), "weight": 1.0,
            "task": ACCEPTED,
        }  # fmt: skip
        yield row_of(
            item, columns, answers=seen, candidates=(candidate,), agreement=len(chosen) / len(seen),
            notes={"round": candidate.round},
        )  # fmt: skip
    if why:
        tools.drop(why)


def finish(rows: Iterable[Row], tools: Tools) -> Iterator[Row]:
    """Rounds, repeats over rounds, the share of task-only rows, and the weight w of accepted ones. Two passes."""
    newest = max((one.notes["round"] for one in rows if is_accepted(one)), default=0)
    since = newest if tools.options.rounds == "newest" else 0
    counts = {True: 0, False: 0}
    for one in kept(rows, since):
        counts[is_accepted(one)] += 1
    accepted, task_only = counts[True], counts[False]
    wanted = min(task_only, int(tools.options.task_rows_per_accepted * accepted)) if accepted else 0
    weight = max(wanted / accepted, 1.0) if accepted else 1.0
    draw, left = random.Random(tools.recipe.seed), task_only
    for one in kept(rows, since):
        if is_accepted(one):
            one.columns["weight"] = weight
            yield one
            continue
        # Selection sampling: exactly `wanted` of them, each as likely as another, in one pass.
        if draw.random() * left < wanted:
            wanted -= 1
            one.seed = tools.recipe.seed
            yield one
        left -= 1


def is_accepted(row: Row) -> bool:
    return bool(row.columns["task"] == ACCEPTED)


def kept(rows: Iterable[Row], since: int) -> Iterator[Row]:
    """Without the accepted rows of earlier rounds than `since`, and without those that a prompt has already."""
    for _, of_prompt in groupby(rows, key=lambda row: row.prompt_key):
        taken = set[str]()
        for one in of_prompt:
            if is_accepted(one):
                text = one.columns["completion"][0]["content"].strip().lower()
                if one.notes["round"] < since or text in taken:
                    continue
                taken.add(text)
            yield one


BUILDER = Builder(
    slug="selections",
    title="Selected answers",
    summary="Candidates that people chose as fitting, with edited answers mixed in, for fine-tuning.",
    kinds=("selection", "edit"),
    row=SFT,
    rows=rows,
    aggregates=COUNTED,
    options=SelectionsOptions,
    reasons={
        "no_selection": "with a selection",
        "none_fits": "with a candidate that enough raters chose",
        "short": "with a chosen candidate that is long enough",
    },
    paper="ILLUME, 2208.08241",
    rounds=True,
    finish=finish,
)
