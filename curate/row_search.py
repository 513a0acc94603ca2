"""Rows of a frozen dataset by text and figures, read from Parquet a batch at a time and never as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.models import Dataset

A_PAGE = 20
WINDOW = 100_000
"""A search looks at so many rows of a part at once, so that no request takes long; the page offers the next ones."""
BATCH = 2_000


@dataclass(frozen=True)
class Query:
    """Which rows. Empty takes all."""

    text: str = ""
    """In any of the row's texts, whatever its case."""
    lang: str = ""
    ties: str = ""
    """only, or without."""
    margin: float | None = None
    """At least so much."""
    model: str = ""
    """Wrote one of the texts."""
    flips: bool = False
    """Only rows that may be the wrong way round: those of `listed`, and see `likely_flips`."""
    listed: frozenset[int] = frozenset()
    """Places of the rows that the dataset's card lists as likely flips."""
    vote: int | None = None
    """Rows that this vote is in."""

    @property
    def is_empty(self) -> bool:
        return replace(self, listed=frozenset()) == Query()


@dataclass(frozen=True)
class Found:
    rows: list[tuple[int, dict[str, Any]]]
    """(place in the file, row) of one page."""
    count: int
    """Rows that fit among those that were looked at."""
    looked_at: int
    """How many rows were looked at, from `start` on."""
    total: int
    """Rows of the part."""
    start: int = 0

    @property
    def further(self) -> int | None:
        """Where the next search starts; None where all was looked at."""
        after = self.start + self.looked_at
        return after if after < self.total else None

    @property
    def pages(self) -> int:
        return max(-(-self.count // A_PAGE), 1)


def file_of(dataset: Dataset, split: str) -> Path:
    return dataset.folder / f"{split}.parquet"


def find(dataset: Dataset, split: str, query: Query, *, page: int = 1, start: int = 0) -> Found | None:
    """One page of the rows that fit, of the WINDOW rows from `start` on; None where the file is not there."""
    path = file_of(dataset, split)
    if not path.is_file():
        return None
    with pq.ParquetFile(path) as file:
        total = file.metadata.num_rows
        if query.is_empty:
            first = (page - 1) * A_PAGE
            places = list(range(first, min(first + A_PAGE, total)))
            return Found(list(zip(places, rows_at(file, places), strict=True)), total, total, total)
        start = min(start, total)
        end = min(start + WINDOW, total)
        fits = list(matching(file, query, start=start, end=end))
        places = fits[(page - 1) * A_PAGE : page * A_PAGE]
        return Found(list(zip(places, rows_at(file, places), strict=True)), len(fits), end - start, total, start)


def row(dataset: Dataset, split: str, place: int) -> dict[str, Any] | None:
    """One row; None where it, or the file, is not there."""
    path = file_of(dataset, split)
    if not path.is_file():
        return None
    with pq.ParquetFile(path) as file:
        return rows_at(file, [place])[0] if 0 <= place < file.metadata.num_rows else None


def rows_at(file: pq.ParquetFile, places: list[int]) -> list[dict[str, Any]]:
    """The rows at these places, in ascending order. Reads only the row groups that hold them, in batches."""
    found: list[dict[str, Any]] = []
    wanted = iter(places)
    place = next(wanted, None)
    begin = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if place is not None and place < begin + size:
            seen = begin
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
                here = []
                while place is not None and place < seen + batch.num_rows:
                    here.append(place - seen)
                    place = next(wanted, None)
                if here:
                    found += batch.take(pa.array(here)).to_pylist()
                seen += batch.num_rows
                if place is None or place >= begin + size:
                    break
        begin += size
        if place is None:
            break
    return found


def matching(file: pq.ParquetFile, query: Query, *, start: int, end: int) -> Iterator[int]:
    """Places of the rows in [start, end) that fit, in order."""
    columns = needed(query, file.schema_arrow)
    begin = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if begin + size > start and begin < end:
            seen = begin
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group], columns=columns):
                if seen + batch.num_rows > start and seen < end:
                    listed = np.array(
                        [place - seen for place in query.listed if seen <= place < seen + batch.num_rows], dtype=int
                    )
                    for place in np.flatnonzero(mask_of(batch, query, listed)).tolist():
                        if start <= seen + place < end:
                            yield seen + place
                seen += batch.num_rows
        begin += size


def needed(query: Query, schema: pa.Schema) -> list[str]:
    """Columns that the filters read."""
    names: list[str] = []
    if query.text:
        names += [one.name for one in schema if is_text(one)]
    for given, column in ((query.lang, "lang"), (query.ties, "tie"), (query.margin is not None, "margin"),
                          (query.model, "models"), (query.vote is not None, "feedback_ids")):  # fmt: skip
        names += [column] if given else []
    names += ["chosen_score", "rejected_score"] if query.flips else []
    kept = [name for name in dict.fromkeys(names) if name in schema.names]
    return kept or [schema.names[-1]]  # batches still have to say how many rows they have


def is_text(column: pa.Field) -> bool:
    """A text that a trainer reads: messages, a list of responses, or a text alone."""
    kind = column.type
    if column.name in ("prompt_key", "lang", "source", "models", "tokenizer", "task"):
        return False
    return bool(pa.types.is_string(kind) or (pa.types.is_list(kind) and not pa.types.is_primitive(kind.value_type)))


def mask_of(batch: pa.RecordBatch, query: Query, listed: Any) -> Any:
    """Whether each row of the batch fits. (rows,) of bool. A filter by a column that is not there fits no row.

    `listed` are the places in the batch of the likely flips that the card names.
    """
    names = set(batch.schema.names)
    fits = np.ones(batch.num_rows, dtype=bool)
    if query.text:
        found = np.zeros(batch.num_rows, dtype=bool)
        for column in (one for one in batch.schema if is_text(one)):
            found |= holds_text(batch.column(column.name), query.text)
        fits &= found
    if query.lang:
        fits &= is_true(pc.equal(batch.column("lang"), query.lang)) if "lang" in names else False
    if query.ties:
        ties = is_true(batch.column("tie")) if "tie" in names else np.zeros(batch.num_rows, dtype=bool)
        fits &= ties if query.ties == "only" else ~ties
    if query.margin is not None:
        fits &= is_true(pc.greater_equal(batch.column("margin"), query.margin)) if "margin" in names else False
    if query.model:
        fits &= holds_value(batch.column("models"), query.model) if "models" in names else False
    if query.vote is not None:
        fits &= holds_value(batch.column("feedback_ids"), query.vote) if "feedback_ids" in names else False
    if query.flips:
        flips = likely_flips(batch)
        flips[listed] = True
        fits &= flips
    return fits


def likely_flips(batch: pa.RecordBatch) -> Any:
    """Rows whose reward model puts the rejected response above the chosen one. (rows,) of bool.

    A negative gap of rewards is how Wang et al. 2024 (2401.06080) find preferences that were given the wrong way round.
    """
    names = set(batch.schema.names)
    if not {"chosen_score", "rejected_score"} <= names:
        return np.zeros(batch.num_rows, dtype=bool)
    return is_true(pc.less(batch.column("chosen_score"), batch.column("rejected_score")))


def is_true(values: Any) -> Any:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)


def holds_text(values: Any, text: str) -> Any:
    """Whether a text, or any of a list's, holds `text`."""
    if pa.types.is_list(values.type):
        flat = pc.list_flatten(values)
        if pa.types.is_struct(flat.type):
            flat = pc.struct_field(flat, "content")
        return of_lists(values, is_true(pc.match_substring(flat, text, ignore_case=True)))
    return is_true(pc.match_substring(values, text, ignore_case=True))


def holds_value(values: Any, value: Any) -> Any:
    return of_lists(values, is_true(pc.equal(pc.list_flatten(values), value)))


def of_lists(values: Any, hits: Any) -> Any:
    """From hits among the items of all lists to the lists that have one."""
    found = np.zeros(len(values), dtype=bool)
    found[pc.list_parent_indices(values).to_numpy()[hits]] = True
    return found
