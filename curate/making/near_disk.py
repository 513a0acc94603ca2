"""Near-duplicates among more texts than memory holds: the sets of word pairs are on disk, see `curate.making.near`.

The same prefix filtering with the same result, for the order of the elements may be any, as long as it is one order.
In memory are COUNTERS numbers, 12 bytes a set, and a BATCH of elements.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from curate.making.near import Forest, candidates, intersections
from curate.making.scratch import Sorted

COUNTERS = 2**20
"""Elements are counted by their last bits. Two that share a counter look less rare than they are, nothing else."""
BATCH = 400_000
"""Elements in memory at once; more where one set has more."""
HEAD = np.dtype([("element", "i8"), ("owner", "i8"), ("place", "i8")])


class Sets:
    """Sets of elements, one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115, it lives as long as this does
        self.times = np.zeros(COUNTERS, dtype=np.uint32)
        self.blocks: list[NDArray[np.int32]] = []
        self.sizes: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self.start: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def add(self, sets: Sequence[NDArray[np.int64]]) -> None:
        """More sets, as curate.making.near.packed makes them."""
        if not sets:
            return
        self.blocks.append(np.fromiter(map(len, sets), dtype=np.int32, count=len(sets)))
        elements = np.concatenate(sets)
        np.add.at(self.times, elements & (COUNTERS - 1), 1)
        self.file.write(elements.tobytes())

    def join(self, forest: Forest, threshold: float, *, only: NDArray[np.bool_]) -> None:
        """In `forest`, the sets that are alike by `threshold` or more. `only` (sets,) says which are looked at."""
        self.file.flush()
        self.sizes = np.concatenate([np.zeros(0, dtype=np.int32), *self.blocks])
        self.start = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        for heads in self.heads(threshold, only):
            found = candidates(heads["element"], heads["owner"], heads["place"], sizes=self.sizes,
                               threshold=threshold, forest=forest)  # fmt: skip
            for one, other in found:
                self.compare(one, other, threshold, forest)

    def heads(self, threshold: float, only: NDArray[np.bool_]) -> Sorted:
        """The rarest elements of each set, of which two alike ones share one, in the order of elements."""
        heads = Sorted(self.folder, HEAD, key="element")
        for first, last in self.windows():
            owner = np.repeat(np.arange(first, last), self.sizes[first:last])
            element = self.read(int(self.start[first]), owner.size)
            times = self.times[element & (COUNTERS - 1)]
            order = np.lexsort((element, times, owner))
            element, owner, times = element[order], owner[order], times[order]
            place = np.arange(owner.size) - (self.start[owner] - self.start[first])
            size = self.sizes[owner].astype(np.int64)
            prefix = size - np.ceil(threshold * size - 1e-9).astype(np.int64) + 1
            at = np.flatnonzero((place < prefix) & (times > 1) & only[owner])
            found = np.empty(at.size, dtype=HEAD)
            found["element"], found["owner"], found["place"] = element[at], owner[at], place[at]
            heads.add(found)
        return heads

    def windows(self) -> Iterator[tuple[int, int]]:
        """(first, last) of sets whose elements fit in memory together."""
        first = 0
        while first < self.sizes.size:
            last = max(int(np.searchsorted(self.start, self.start[first] + BATCH)), first + 1)
            yield first, last
            first = last

    def compare(self, one: NDArray[np.int64], other: NDArray[np.int64], threshold: float, forest: Forest) -> None:
        apart = forest.roots()[one] != forest.roots()[other]
        one, other = one[apart], other[apart]
        ends = np.cumsum(self.sizes[one].astype(np.int64) + self.sizes[other])
        first = 0
        while first < one.size:
            begin = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, begin + BATCH, side="right")), first + 1)
            close = self.alike(one[first:last], other[first:last], threshold)
            forest.join(one[first:last][close], other[first:last][close])
            first = last

    def alike(self, one: NDArray[np.int64], other: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
        """Whether each two sets are. (pairs,)"""
        members, place = np.unique(np.concatenate([one, other]), return_inverse=True)
        mine, theirs = place[: one.size], place[one.size :]
        flat = np.concatenate([self.read(int(self.start[i]), int(self.sizes[i])) for i in members.tolist()])
        sizes = self.sizes[members].astype(np.int64)
        known, element = np.unique(flat, return_inverse=True)
        owner = np.repeat(np.arange(members.size), sizes)
        element = element[np.lexsort((element, owner))]
        common = intersections(mine, theirs, sizes=sizes, start=np.cumsum(sizes) - sizes, element=element,
                               keys=owner * known.size + element, width=known.size)  # fmt: skip
        close: NDArray[np.bool_] = common * (1 + threshold) >= threshold * (sizes[mine] + sizes[theirs]) - 1e-9
        return close

    def read(self, first: int, count: int) -> NDArray[np.int64]:
        return np.frombuffer(os.pread(self.file.fileno(), count * 8, first * 8), dtype=np.int64)
