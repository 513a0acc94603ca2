"""Rows that are there already. Rows of near-duplicate prompts come after each other, so little has to be remembered."""

import hashlib
from collections.abc import Sequence
from typing import Literal

from curate.making import near
from curate.making.plan import Asked

Again = Literal["", "exact", "near"]


class Seen:
    """The rows of one group of prompts. A row is never held against others of the same item: raters may agree.

    In memory is one group: 133 bytes for each different row of it, and where near-duplicate rows are looked for the
    word pairs of its texts as well, 24 kB a row with two texts of 100 words. Only the largest group counts, but nothing
    bounds it: a project whose prompts are all near-duplicates of one another is one group.
    """

    def __init__(self, *, threshold: float | None) -> None:
        self.threshold = threshold
        self.group = -1
        self.exact: dict[bytes, int] = {}
        self.shingles: list[tuple[int, list[set[int]]]] = []

    def again(self, task: int, group: int, texts: Sequence[str]) -> Again:
        """Whether a row of these texts is there, from another item; if not, it is remembered."""
        if group != self.group:
            self.group, self.exact, self.shingles = group, {}, []
        digest = hashlib.blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if self.exact.setdefault(digest, task) != task:
            return "exact"
        if self.threshold is None:
            return ""
        # The prompts are near-duplicates, or they would not be in one group.
        mine = [near.shingles(near.words(text)) for text in texts[1:]]
        for other, theirs in self.shingles:
            if other != task and all(alike(a, b, self.threshold) for a, b in zip(mine, theirs, strict=True)):
                return "near"
        self.shingles.append((task, mine))
        return ""


def alike(one: set[int], other: set[int], threshold: float) -> bool:
    fewer, more = sorted((len(one), len(other)))
    return fewer >= threshold * more - 1e-9 and near.similarity(one, other) >= threshold - 1e-9


def of_recipe(plan: Asked) -> Seen | None:
    if plan.recipe.deduplicate == "none":
        return None
    return Seen(threshold=plan.recipe.near_duplicate if plan.recipe.deduplicate == "near" else None)
