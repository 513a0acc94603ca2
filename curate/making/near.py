"""Near-duplicates: texts whose sets of word pairs overlap by at least some share, found without a miss.

MinHash with locality-sensitive hashing finds candidates by chance and misses some; here none may be missed, or the
same prompt is trained on and tested with. Prefix filtering is exact (Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and
Srikant 2007): with the elements of each set in one order, rarest first, two sets of Jaccard similarity t or more share
one of their first n - ceil(t n) + 1 elements. What shares one is compared in full.

Pure functions of texts and arrays. Knows neither Django nor the database.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|"
                  r"[^\W\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")  # fmt: skip
"""A word; where a script writes no spaces (Thai, Lao, Khmer, Japanese, Chinese) a character."""
BATCH = 250_000
"""Pairs, or elements of pairs, in memory at once."""


def words(text: str) -> list[str]:
    """Without case, punctuation and space: what two texts must differ in to be different."""
    return WORD.findall(text.casefold())


def shingles(of: Sequence[str]) -> set[int]:
    """Pairs of neighbouring words, as hashes of this process; a single word stands for itself."""
    return set(map(hash, pairwise(of))) if len(of) > 1 else set(map(hash, of))


def similarity(one: set[int], other: set[int]) -> float:
    """Jaccard: what they share of all that is in either; 1 for two empty ones."""
    both = len(one & other)
    whole = len(one) + len(other) - both
    return both / whole if whole else 1.0


def packed(of: set[int]) -> NDArray[np.int64]:
    """A set in an eighth of its memory. (members,)"""
    return np.fromiter(of, dtype=np.int64, count=len(of))


def components(sets: Sequence[NDArray[np.int64]], threshold: float) -> NDArray[np.int64]:
    """Which sets hang together by pairs of similarity `threshold` or more: (sets,) the smallest member of each group.

    Sets are as `packed` makes them, no member twice. Empty sets hang together with none.
    """
    forest = Forest(len(sets))
    sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
    if sizes.sum() == 0:
        return forest.roots()
    flat = np.concatenate(sets)
    owner = np.repeat(np.arange(len(sets)), sizes)
    _, element, times = np.unique(flat, return_inverse=True, return_counts=True)
    # Rarest first, so that a word pair that everyone uses makes no candidates.
    rarity = np.empty(times.size, dtype=np.int64)
    rarity[np.argsort(times, kind="stable")] = np.arange(times.size)
    shared = times[element] > 1
    element = rarity[element]
    order = np.lexsort((element, owner))
    element, owner, shared = element[order], owner[order], shared[order]
    keys = owner * times.size + element
    start = np.cumsum(sizes) - sizes
    place = np.arange(element.size) - start[owner]
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    heads = np.flatnonzero((place < prefix[owner]) & shared)
    heads = heads[np.argsort(element[heads], kind="stable")]
    found = candidates(element[heads], owner[heads], place[heads], sizes=sizes, threshold=threshold, forest=forest)
    for one, other in found:
        apart = forest.roots()[one] != forest.roots()[other]
        one, other = one[apart], other[apart]
        common = intersections(one, other, sizes=sizes, start=start, element=element, keys=keys, width=times.size)
        close = common * (1 + threshold) >= threshold * (sizes[one] + sizes[other]) - 1e-9
        forest.join(one[close], other[close])
    return forest.roots()


def candidates(
    element: NDArray[np.int64], owner: NDArray[np.int64], place: NDArray[np.int64], *, sizes: NDArray[Any],
    threshold: float, forest: "Forest",
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:  # fmt: skip
    """Pairs of sets that share an element, given the elements in order, whose they are and at which place in theirs.

    Where an element is the first that two sets share, they share no more than it and what follows it in the shorter
    rest; a pair that needs more is no candidate (the positional filter of Xiao et al. 2008). Elements whose sets hang
    together in `forest` by now have nothing more to tell.
    """
    at = np.arange(element.size)
    rest = sizes[owner] - place
    _, group = np.unique(element, return_inverse=True)
    for distance in range(1, element.size):
        if distance & (distance - 1) == 0 and distance > 1:
            root = forest.roots()[owner]
            highest = np.zeros(int(group.max()) + 1, dtype=np.int64)
            np.maximum.at(highest, group, root)
            split = np.bincount(group, weights=root != highest[group]) > 0
            at = at[split[group[at]]]
        at = at[at + distance < element.size]
        at = at[element[at] == element[at + distance]]
        if not at.size:
            return
        for first in range(0, at.size, BATCH):
            here = at[first : first + BATCH]
            one, other = owner[here], owner[here + distance]
            need = (sizes[one] + sizes[other]) * (threshold / (1 + threshold)) - 1e-9
            able = np.minimum(rest[here], rest[here + distance]) >= need
            if able.any():
                pairs = np.unique(np.minimum(one, other)[able] * sizes.size + np.maximum(one, other)[able])
                yield pairs // sizes.size, pairs % sizes.size


def intersections(
    one: NDArray[np.int64], other: NDArray[np.int64], *, sizes: NDArray[np.int64], start: NDArray[np.int64],
    element: NDArray[np.int64], keys: NDArray[np.int64], width: int,
) -> NDArray[np.int64]:  # fmt: skip
    """How many elements each two sets share. (pairs,)"""
    found = np.zeros(one.size, dtype=np.int64)
    # So many pairs at once that their elements fit in memory whatever their number.
    ends = np.cumsum(sizes[one])
    first = 0
    while first < one.size:
        last = max(int(np.searchsorted(ends, (ends[first - 1] if first else 0) + BATCH, side="right")), first + 1)
        these, size = slice(first, last), sizes[one[first:last]]
        pair = np.repeat(np.arange(size.size), size)
        within = np.arange(pair.size) - np.repeat(np.cumsum(size) - size, size)
        wanted = other[these][pair] * width + element[start[one[these]][pair] + within]
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        found[these] = np.bincount(pair[keys[at] == wanted], minlength=size.size)
        first = last
    return found


class Forest:
    """Groups that grow together (union-find); the smallest member is a group's root."""

    def __init__(self, size: int) -> None:
        self.parent: NDArray[Any] = np.arange(size, dtype=np.int32 if size < 2**31 else np.int64)
        self.flat = True

    def join(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            a, b = self.root(a), self.root(b)
            if a != b:
                self.parent[max(a, b)] = min(a, b)
                self.flat = False

    def root(self, of: int) -> int:
        while (up := int(self.parent[of])) != of:
            self.parent[of] = self.parent[up]
            of = up
        return of

    def roots(self) -> NDArray[np.int64]:
        """(members,)"""
        while not self.flat:
            up = self.parent[self.parent]
            self.flat = bool((up == self.parent).all())
            self.parent = up
        return self.parent
