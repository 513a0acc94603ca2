"""Rows of a frozen dataset, read from its Parquet files a batch at a time."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from accounts.models import Project
from annotate.models import Feedback
from curate.rows import PREFERENCE, ROW_TYPES
from exchange.exports.errors import ExportError
from exchange.exports.people import People
from exchange.exports.sources.base import Row, Source
from registry.models import Dataset
from registry.references import dataset_named
from registry.specs import ExportSpec

BATCH = 1_000
SPLITS = ("train", "held_out")


def source(project: Project, spec: ExportSpec, people: People) -> Source:
    dataset = dataset_named(project, spec.dataset)
    splits = [split for split in SPLITS if split in dataset.rows and split in (spec.splits or SPLITS)]
    files = [(split, dataset.folder / f"{split}.parquet") for split in splits if dataset.rows[split]]
    for _, path in files:
        if not path.exists():
            raise ExportError(
                f"The files of {dataset} are not on this machine: {path.name} is missing in {dataset.path}. Mount the "
                "folder of artifacts that the workers write to."
            )

    def rows() -> Iterator[Row]:
        for split, path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=BATCH):
                    yield from with_people(batch.to_pylist(), split, people)

    return Source(
        kind=row_type(dataset), title=str(dataset), rows=rows, schema=schema_of(dataset),
        count=lambda limit: sum(dataset.rows[one] for one in splits),
    )  # fmt: skip


def row_type(dataset: Dataset) -> str:
    """The slug of the row type: datasets name it in their card; those frozen before row types hold preferences."""
    named = dataset.card.get("row_type")
    return named if named in ROW_TYPES else guessed(dataset)


def guessed(dataset: Dataset) -> str:
    for split in SPLITS:
        path = dataset.folder / f"{split}.parquet"
        if path.exists():
            names = set(pq.read_schema(path).names)
            fitting = [one for one in ROW_TYPES.values() if {name for name, _ in one.columns} <= names]
            return fitting[0].slug if fitting else PREFERENCE.slug
    return PREFERENCE.slug


def schema_of(dataset: Dataset) -> pa.Schema:
    """Of the rows as frozen, with `split` and `people` that this export adds."""
    found: pa.Schema = ROW_TYPES[row_type(dataset)].schema
    for split in SPLITS:
        path = dataset.folder / f"{split}.parquet"
        if path.exists():
            found = pq.read_schema(path).remove_metadata()
            break
    return found.append(pa.field("people", pa.list_(pa.string()))).append(pa.field("split", pa.string()))


def with_people(rows: list[Row], split: str, people: People) -> list[Row]:
    """Adds who gave the answers of each row, in the order of its feedback ids, and the split."""
    ids = {pk for row in rows for pk in row.get("feedback_ids") or ()}
    author: dict[int, int] = {}
    if people.how != "left_out" and ids:
        author = dict(Feedback.objects.filter(pk__in=ids).values_list("pk", "annotator_id"))
    name = people.names(set(author.values()))
    for row in rows:
        row["people"] = [name[author[pk]] for pk in row.get("feedback_ids") or () if pk in author]
        row["split"] = split
    return rows
