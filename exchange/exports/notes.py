"""What an export leaves out that a reader of the rows might count on: said before the file is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.rows import ROW_TYPES
from exchange.exports.sources.dataset import SPLITS
from exchange.exports.stream import Export
from registry.references import dataset_named

WEIGHT, TIE = "weight", "tie"


def notes(made: Export) -> list[str]:
    """Sentences; none where nothing that counts is left out."""
    if made.source.kind not in ROW_TYPES or made.shape is None:
        return []
    dataset = dataset_named(made.project, made.spec.dataset)
    splits = [one for one in SPLITS if dataset.rows.get(one) and one in (made.spec.splits or SPLITS)]
    files = [dataset.folder / f"{split}.parquet" for split in splits]
    if not made.format.ties and any(bound for file in files for bound in bounds(file, TIE)):
        return [f"{dataset} has ties, and {made.format.title} cannot say one: these rows are left out."]
    weights = [bound for file in files for bound in bounds(file, WEIGHT)]
    if WEIGHT in made.schema.names or not weights or min(weights) == max(weights) == 1.0:
        return []
    span = f"{min(weights):g}" if min(weights) == max(weights) else f"{min(weights):g} to {max(weights):g}"
    return [
        f"Rows of {dataset} have a weight of {span}, and {made.format.title} has no place for it: its readers count "
        "every row alike. Choose “As they are” to keep the column weight."
    ]


def bounds(path: Path, column: str) -> Iterator[Any]:
    """The least and the largest value of each row group, by the statistics that Parquet keeps: no row is read."""
    with pq.ParquetFile(path) as file:
        if column not in file.schema_arrow.names:
            return
        for group in range(file.metadata.num_row_groups):
            row_group = file.metadata.row_group(group)
            places = (row_group.column(place) for place in range(row_group.num_columns))
            found = next((one.statistics for one in places if one.path_in_schema == column), None)
            if found is not None and found.has_min_max:
                yield from (found.min, found.max)
