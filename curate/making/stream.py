"""Items become rows: built, those that are too long or there already left out, each on its side of the split."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.builders.base import Item
from curate.making import dedupe
from curate.making.funnel import Funnel
from curate.making.items import Window, tools_of
from curate.making.plan import Asked, Plan
from curate.making.tokens import Tokens, tokens_of
from curate.rows import Row

STRIPPED = " \t\n\r\f\v"


@dataclass
class Counts:
    """What became of the items and their rows; filled as rows are read."""

    items: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Items (or answers) without a row, by the builder's reason."""
    silent: int = 0
    """Items that gave no row and no reason."""
    built: int = 0
    long_prompt: int = 0
    long_row: int = 0
    exact: int = 0
    near: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """By split, before the builder's `finish`."""


@dataclass(slots=True)
class Made:
    """A row, and what only a build knows of it."""

    row: Row
    task: int
    cluster: int
    """What duplicates are looked for in."""
    group: int
    """What is on one side of the split."""
    prompt: int
    """Its id."""
    flip: float
    raters: tuple[int, ...] = ()
    """Whose answers it stands on."""


class Stream:
    """All rows of a plan, in its order. `counts` is right when the last row was read."""

    def __init__(self, plan: Asked) -> None:
        self.plan, self.counts = plan, Counts()
        self.tools = tools_of(plan, self.drop)
        limited = plan.recipe.max_prompt_tokens or plan.recipe.max_tokens
        self.tokens: Tokens | None = tokens_of(plan.project, plan.recipe.tokenizer) if limited else None
        self.seen = dedupe.of_recipe(plan)

    def drop(self, reason: str) -> None:
        self.counts.dropped[reason] += 1

    def rows(self, windows: Iterable[tuple[Window, list[Item]]]) -> Iterator[list[Made]]:
        """A list a window."""
        for window, items in windows:
            made = self.build(window, items)
            yield [one for one in self.short(made) if self.is_new(one)]

    def build(self, window: Window, items: list[Item]) -> list[Made]:
        part, dropped = window.plan, self.counts.dropped
        made: list[Made] = []
        prompts = part.prompt[window.places]
        first, flips = first_decisions(part, window.places)
        rater_of = window.raters()
        of_prompt = (column[prompts].tolist() for column in (part.cluster, part.group, part.prompts.pk, part.held_out))
        for item, cluster, group, prompt, held, at in zip(items, *of_prompt, first, strict=True):
            before, gone = len(made), sum(dropped.values())
            wrong = {one.feedback_ids[:1]: float(flips[at + i]) for i, one in enumerate(item.decisions)}
            for row in part.builder.rows(item, self.tools):
                row.split = "held_out" if held else "train"
                raters = tuple([rater_of[pk] for pk in row.feedback_ids])
                flip = wrong.get(row.feedback_ids[:1], 0.0)
                made.append(Made(row, item.task_id, cluster, group, prompt, flip, raters))
            if len(made) == before and sum(dropped.values()) == gone:
                self.counts.silent += 1
        self.counts.items += len(items)
        self.counts.built += len(made)
        return made

    def short(self, made: list[Made]) -> list[Made]:
        """Without rows over the recipe's limits. Only what may be over one is counted in tokens."""
        recipe, tokens = self.plan.recipe, self.tokens
        if tokens is None:
            return made
        texts = [texts_of(one.row, self.plan.builder.row.texts) for one in made]
        limits = [limit for limit in (recipe.max_prompt_tokens, recipe.max_tokens) if limit]
        # No tokenizer makes more tokens than bytes.
        unsure = [
            i for i, parts in enumerate(texts) if sum(len(part.encode()) for part in parts) + len(parts) > min(limits)
        ]
        counted = tokens.counts([part for i in unsure for part in texts[i]])
        over: set[int] = set()
        at = 0
        for i in unsure:
            prompt, *rest = counted[at : at + len(texts[i])]
            at += len(texts[i])
            if recipe.max_prompt_tokens and prompt > recipe.max_prompt_tokens:
                self.counts.long_prompt += 1
                over.add(i)
            elif recipe.max_tokens and prompt + max(rest, default=0) > recipe.max_tokens:
                self.counts.long_row += 1
                over.add(i)
        return [one for i, one in enumerate(made) if i not in over]

    def is_new(self, one: Made) -> bool:
        again = (
            self.seen.again(one.task, one.cluster, texts_of(one.row, self.plan.builder.row.texts)) if self.seen else ""
        )
        if again == "exact":
            self.counts.exact += 1
        elif again == "near":
            self.counts.near += 1
        else:
            self.counts.rows[one.row.split] += 1
        return not again


def first_decisions(plan: Plan, places: NDArray[np.int64]) -> tuple[list[int], NDArray[np.float64]]:
    """(place of each item's first decision, how likely each decision is wrong)."""
    if plan.decided is None:
        return [0] * places.size, np.zeros(0)
    return np.searchsorted(plan.decided.task, plan.task[places]).tolist(), plan.decided.flip


def texts_of(row: Row, columns: Sequence[str]) -> list[str]:
    """The texts that count, each as one string: the prompt first."""
    return [text_of(row.columns[name]) for name in columns]


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value.strip(STRIPPED)
    if value and isinstance(value[0], str):
        return "\n\n".join(value).strip(STRIPPED)
    if len(value) == 1:
        return str(value[0]["content"]).strip(STRIPPED)
    return "\n\n".join(f"{one['role']}: {one['content']}" for one in value).strip(STRIPPED)


def finish_funnel(plan: Asked, funnel: Funnel, counts: Counts, *, written: int | None = None) -> None:
    """The steps after the items, from what a stream counted (or a preview scaled up)."""
    left = funnel.stages[-1].count
    for reason, words in plan.builder.reasons.items():
        if gone := counts.dropped[reason]:
            left = max(left - gone, 0)
            funnel.keep(reason, words, left)
    if counts.silent:
        funnel.keep("nothing", "that give a row", max(left - counts.silent, 0))
    funnel.turn("built", "rows made of them", counts.built, unit="rows")
    left, recipe = counts.built, plan.recipe
    for key, gone, words, why in (
        ("max_prompt_tokens", counts.long_prompt, f"with a prompt of {recipe.max_prompt_tokens or 0:,} tokens or fewer",
         "longer prompts"),
        ("max_tokens", counts.long_row, f"of {recipe.max_tokens or 0:,} tokens or fewer", "longer rows"),
        ("exact", counts.exact, "with texts of their own", "the same texts are there already"),
        ("near", counts.near, f"less than {recipe.near_duplicate:.0%} like another row", "near-duplicates of one"),
    ):  # fmt: skip
        left -= gone
        funnel.keep(key, words, left, why=why)
    if written is not None:
        funnel.keep("finish", f"that {plan.builder.title.lower()} take in the end", written)
