"""More records than memory holds: written to disk in sorted runs, read back in order a range of keys at a time.

The files have no name. They are gone with the process, however it ends.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

RUN = 50_000
"""Records that are sorted in memory; about so many are in memory when they are read back."""
STEP = 1_024
"""One record in so many of a run is remembered, to find the others by."""


class Sorted:
    """Records of a fixed size in the order of a key; those with equal keys in the order in which they came.

    In memory are RUN records, and a key for each STEP of them. `once`: of records that are equal one stays in a run,
    so there is no telling how often each came.
    """

    def __init__(self, folder: Path | None, dtype: DTypeLike, *, key: str | None = None, once: bool = False) -> None:
        self.dtype, self.key, self.once = np.dtype(dtype), key, once
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115, it lives as long as this does
        self.waiting: list[NDArray[Any]] = []
        self.count = 0
        self.runs: list[tuple[int, int, NDArray[Any]]] = []
        """(first record in the file, records, key of each STEP of them)"""
        self.written = 0

    def add(self, records: NDArray[Any]) -> None:
        self.waiting.append(records)
        self.count += records.size
        if self.count >= RUN:
            self.spill()

    def spill(self) -> None:
        if not self.count:
            return
        records = np.concatenate(self.waiting)
        self.waiting, self.count = [], 0
        records = np.unique(records) if self.once else records[np.argsort(self.keys(records), kind="stable")]
        self.file.seek(0, 2)
        self.file.write(records.tobytes())
        self.runs.append((self.written, records.size, self.keys(records)[::STEP].copy()))
        self.written += records.size

    def keys(self, records: NDArray[Any]) -> NDArray[Any]:
        return records[self.key] if self.key else records

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Some records after others; all that have one key are together. May be gone through more than once."""
        self.spill()
        self.file.flush()
        if not self.runs:
            return
        # A sample stands for STEP records: every so many samples begin a new range.
        samples = np.sort(np.concatenate([samples for _, _, samples in self.runs]))
        bounds = np.unique(samples[:: max(RUN // STEP, 1)])[1:]
        for number in range(bounds.size + 1):
            low = bounds[number - 1] if number else None
            high = bounds[number] if number < bounds.size else None
            parts = [self.between(run, low, high) for run in self.runs]
            found = np.concatenate(parts)
            if found.size:
                yield found[np.argsort(self.keys(found), kind="stable")]

    def between(self, run: tuple[int, int, NDArray[Any]], low: Any, high: Any) -> NDArray[Any]:
        """Records of a run from `low` up to, but not with, `high`."""
        first, count, samples = run
        begin = 0 if low is None else max(int(np.searchsorted(samples, low)) - 1, 0) * STEP
        end = count if high is None else min(int(np.searchsorted(samples, high)) * STEP, count)
        self.file.seek((first + begin) * self.dtype.itemsize)
        raw = self.file.read(max(end - begin, 0) * self.dtype.itemsize)
        found: NDArray[Any] = np.frombuffer(raw, dtype=self.dtype)
        keys = self.keys(found)
        start = 0 if low is None else int(np.searchsorted(keys, low))
        stop = found.size if high is None else int(np.searchsorted(keys, high))
        return found[start:stop]
