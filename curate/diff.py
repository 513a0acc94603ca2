"""Two versions of a dataset, row by row, matched by what their rows say: prompt and texts.

A row becomes three numbers: the key of its prompt and texts whatever their order, its verdict (order, margin, label,
weights, split), and its place. So a million rows take about 40 MB, and the texts are read again only for the few rows
that a page shows. Frozen files never change, so the numbers are kept beside them in ARTIFACTS/row-digests.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from numpy.typing import NDArray

from curate.row_search import file_of, rows_at
from curate.rows import PROVENANCE, RowType
from registry.models import Dataset

DIGESTS = np.dtype([("key", "S16"), ("verdict", "<u8"), ("split", "u1"), ("place", "<u4")])
BATCH = 4_000
LEFT_OUT = frozenset({name for name, _ in PROVENANCE} | {"tokenizer", "chosen_first"})
"""Where a row came from, and who saw what first, is no part of what it says."""
GROUPS = ("changed", "here", "there")


@dataclass(frozen=True)
class Diff:
    """Places (in the arrays of either version) of the rows of each group; repeated rows of a version count once."""

    same: int
    here: NDArray[np.int64]
    """Only in the first version: places in its digests."""
    there: NDArray[np.int64]
    """Only in the second one: places in its digests."""
    changed: NDArray[np.int64]
    """(n, 2): places in the first and in the second, of rows with the same prompt and texts but another verdict."""

    @property
    def counts(self) -> dict[str, int]:
        return {"changed": len(self.changed), "here": len(self.here), "there": len(self.there)}


def compare(one: NDArray[Any], two: NDArray[Any]) -> Diff:
    """Of two arrays of DIGESTS."""
    first, second = by_key(one), by_key(two)
    keys = first[0]
    both, at_one, at_two = np.intersect1d(keys, second[0], assume_unique=True, return_indices=True)
    changed = first[1][at_one] != second[1][at_two]
    only_one = np.setdiff1d(np.arange(keys.size), at_one, assume_unique=True)
    only_two = np.setdiff1d(np.arange(second[0].size), at_two, assume_unique=True)
    pairs = np.stack([first[2][at_one[changed]], second[2][at_two[changed]]], axis=1)
    return Diff(
        int(both.size - changed.sum()), np.sort(first[2][only_one]), np.sort(second[2][only_two]),
        pairs[np.argsort(pairs[:, 0], kind="stable")],
    )  # fmt: skip


def by_key(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """(keys, verdicts, places of first rows): the rows of one key as one, their verdicts summed in any order."""
    keys, first, inverse = np.unique(rows["key"], return_index=True, return_inverse=True)
    verdicts = np.zeros(keys.size, dtype=np.uint64)
    np.add.at(verdicts, inverse, rows["verdict"])
    return keys, verdicts, first.astype(np.int64)


def digests(dataset: Dataset, row_type: RowType) -> NDArray[Any]:
    """Of all rows, in the order of the parts and their files. Read once, then from the kept file."""
    kept = Path(settings.ARTIFACTS) / "row-digests" / f"{dataset.pk}-{dataset.content_hash[:16]}.npy"
    if kept.is_file():
        try:
            found: NDArray[Any] = np.load(kept, allow_pickle=False)
            if found.dtype == DIGESTS:
                return found
        except (ValueError, OSError):
            pass  # torn or of another version: read the rows again
    parts = []
    for number, split in enumerate(dataset.rows):
        path = file_of(dataset, split)
        if path.is_file():
            parts.append(digests_of(path, row_type, number, split))
    found = np.concatenate(parts) if parts else np.zeros(0, dtype=DIGESTS)
    keep(kept, found)
    return found


def keep(path: Path, found: NDArray[Any]) -> None:
    """Whole or not at all, also where two requests do it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        np.save(file, found, allow_pickle=False)
    os.replace(name, path)


def digests_of(path: Path, row_type: RowType, number: int, split: str) -> NDArray[Any]:
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name not in LEFT_OUT]
        texts = [name for name in dict.fromkeys((*row_type.texts, *prompts_of(row_type))) if name in names]
        if row_type.slug == "edit" and "original" in names:
            texts.append("original")
        others = [name for name in names if name not in texts]
        found = np.zeros(file.metadata.num_rows, dtype=DIGESTS)
        place = 0
        for batch in file.iter_batches(batch_size=BATCH, columns=[*texts, *others]):
            fill(found[place : place + batch.num_rows], batch, texts, others, split)
            place += batch.num_rows
    found["split"] = number
    found["place"] = np.arange(found.size)
    return found


def prompts_of(row_type: RowType) -> list[str]:
    return [name for name, _ in row_type.columns if name.startswith("prompt")]


def fill(into: NDArray[Any], batch: pa.RecordBatch, texts: Sequence[str], others: Sequence[str], split: str) -> None:
    """Keys and verdicts of one batch."""
    columns = [plain(batch.column(name)) for name in texts]
    figures = joined([batch.column(name) for name in others], batch.num_rows)
    keys, verdicts, part = [], [], split.encode()
    for row in zip(*columns, figures, strict=True):
        said, rest = row[:-1], row[-1]
        keys.append(hashlib.blake2b(b"\x1d".join(sorted(said)), digest_size=16).digest())
        verdicts.append(hashlib.blake2b(b"\x1d".join((*said, rest, part)), digest_size=8).digest())
    into["key"] = np.frombuffer(b"".join(keys), dtype="S16")
    into["verdict"] = np.frombuffer(b"".join(verdicts), dtype="<u8")


def joined(columns: Sequence[Any], rows: int) -> list[bytes]:
    """The figures of each row as bytes, written by Arrow a column at a time."""
    texts = []
    for one in columns:
        if pa.types.is_primitive(one.type) or pa.types.is_string(one.type):
            texts.append(pc.fill_null(pc.cast(one, pa.string()), "\x00"))
        else:
            texts.append(pa.array([str(value) for value in one.to_pylist()], pa.string()))
    if not texts:
        return [b""] * rows
    found: list[bytes] = pc.cast(pc.binary_join_element_wise(*texts, "\x1f"), pa.binary()).to_pylist()
    return found


def plain(column: Any) -> list[bytes]:
    """Each row's texts as bytes, with marks between them that no text holds."""
    kind = column.type
    if pa.types.is_string(kind):
        return [one or b"" for one in pc.cast(column, pa.binary()).to_pylist()]
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        items = pc.list_flatten(column)
        joined = pc.binary_join_element_wise(
            pc.fill_null(pc.struct_field(items, "role"), ""),
            pc.fill_null(pc.struct_field(items, "content"), ""),
            "\x1f",
        )
        lists = pa.ListArray.from_arrays(column.offsets, joined) if column.offset == 0 else rebuilt(column, joined)
        found: list[bytes] = pc.cast(pc.binary_join(lists, "\x1e"), pa.binary()).to_pylist()
        return found
    return [repr(one).encode() for one in column.to_pylist()]


def rebuilt(column: Any, items: Any) -> Any:
    """Lists of other items with the lengths of `column`, whose offsets begin in the middle of a buffer."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), items)


def rows_of(dataset: Dataset, found: NDArray[Any], places: Sequence[int]) -> list[tuple[str, int, dict[str, Any]]]:
    """(part, place in its file, row) of some rows, in the order of `places`."""
    splits = list(dataset.rows)
    wanted = [(splits[int(found[place]["split"])], int(found[place]["place"])) for place in places]
    read: dict[tuple[str, int], dict[str, Any]] = {}
    for split in dict.fromkeys(split for split, _ in wanted):
        inside = sorted({place for one, place in wanted if one == split})
        with pq.ParquetFile(file_of(dataset, split)) as file:
            read |= {(split, place): row for place, row in zip(inside, rows_at(file, inside), strict=True)}
    return [(split, place, read[split, place]) for split, place in wanted]
