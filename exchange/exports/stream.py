"""An export as a stream of bytes: source, format and writer joined, with what is counted on the way.

Memory does not grow with the rows. The same request on the same data gives the same bytes.
"""

import contextlib
import hashlib
import itertools
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from accounts.models import Project
from curate.rows import PROVENANCE, ROW_TYPES
from exchange.exports.errors import ExportError
from exchange.exports.formats import EXTRAS, FORMATS, Format, Shape, shape_of
from exchange.exports.people import People
from exchange.exports.sources import SOURCES, Row, Source
from exchange.exports.sources.base import snapshot
from exchange.exports.writers import csv, jsonl, parquet
from exchange.exports.writers.compression import compressed
from registry.specs import ExportSpec

FILES = {"jsonl": "JSON Lines", "json": "JSON", "parquet": "Parquet", "csv": "CSV"}
NAMED = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+|\+?\d[\d ()/-]{7,}\d")
"""An e-mail address, or what may be a phone number."""


@dataclass
class Export:
    """One file to be made. `rows`, `size` and `sha256` grow while `blocks` is read."""

    project: Project
    spec: ExportSpec
    source: Source
    format: Format
    shape: Shape | None
    """None where rows go out as they are."""
    schema: pa.Schema
    rows: int = 0
    size: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def filename(self) -> str:
        """Such as helpful-prefs-v3-trl.jsonl.gz: letters, digits, dots and hyphens only."""
        what = self.spec.dataset or self.spec.what
        return f"{self.project.slug}-{what}-{self.spec.format.replace('_', '-')}{self.spec.suffix}"

    def blocks(self) -> Iterator[bytes]:
        """The bytes of the file, in pieces. Read it once."""
        with snapshot():
            inner = "none" if self.spec.file == "parquet" else self.spec.compress
            for block in compressed(self._written(), inner):
                self.size += len(block)
                self._digest.update(block)
                yield block

    def shaped(self) -> Generator[Row, None, None]:
        """The rows as this format has them."""
        if self.shape is None:
            dropped = self.dropped()
            for row in self.source.rows():
                self.rows += 1
                yield {name: value for name, value in row.items() if name not in dropped} if dropped else row
            return
        extras = [name for name in self.schema.names if name in {one.name for one in self.extra_columns()}]
        for row in self.source.rows():
            for made in self.shape.write(row):
                self.rows += 1
                yield made | {name: row.get(name) for name in extras} if extras else made

    def dropped(self) -> set[str]:
        """Columns of a dataset that nobody asked for."""
        if self.source.kind not in ROW_TYPES:
            return set()
        dropped = {"people"} if self.spec.people == "left_out" else set()
        return dropped if self.spec.extras else {*dropped, "people", *(name for name, _ in PROVENANCE)}

    def extra_columns(self) -> list[pa.Field]:
        if not (self.format.extras and self.spec.extras and self.source.kind in ROW_TYPES):
            return []
        known = set(self.source.schema.names if self.source.schema else ()) - self.dropped()
        return [one for one in EXTRAS if one.name in known]

    def _lines(self, *, flat: bool) -> Iterator[bytes]:
        """Lines straight from the database where rows go out as they are."""
        assert self.source.lines is not None
        for line in self.source.lines(flat):
            self.rows += 1
            yield line

    def _written(self) -> Iterator[bytes]:
        straight = self.shape is None and self.source.lines is not None
        match self.spec.file:
            case "jsonl":
                yield from jsonl.blocks_of_lines(self._lines(flat=False) if straight else jsonl.lines(self.shaped()))
            case "json":
                yield from jsonl.blocks_of_list(self._lines(flat=False) if straight else jsonl.lines(self.shaped()))
            case "csv":
                yield from csv.blocks(self.shaped(), self.schema, bom=self.spec.bom)
            case "parquet":
                tables = (
                    parquet.tables_of_lines(self._lines(flat=True), self.schema) if straight
                    else parquet.tables_of_rows(self.shaped(), self.schema)
                )  # fmt: skip
                yield from parquet.blocks(tables, self.schema, compress=self.spec.compress)


def prepare(project: Project, spec: ExportSpec) -> Export:
    """What would be written; ExportError or registry's NotThere with a sentence where it cannot be."""
    chosen = FORMATS[spec.format]
    if spec.file not in chosen.files:
        can = ", ".join(FILES[name] for name in chosen.files)
        raise ExportError(f"{chosen.title} cannot be written as {FILES[spec.file]}: take {can}.")
    what = "tasks" if spec.what == "answers" and chosen.together else spec.what
    source = SOURCES[what](project, spec, People(project, spec.people))
    shape = shape_of(chosen, source.kind, source.title) if chosen.shapes else None
    made = Export(project, spec, source, chosen, shape, schema=pa.schema([]))
    if shape is None:
        assert source.schema is not None, f"{source.title} has no columns of its own"
        dropped = made.dropped()
        made.schema = pa.schema([one for one in source.schema if one.name not in dropped])
    else:
        made.schema = pa.schema([*shape.columns, *made.extra_columns()])
    return made


@dataclass(frozen=True)
class Look:
    """The first rows of an export, and how many texts of the first thousand may name somebody."""

    rows: list[Row]
    named: int
    looked_at: int


def look(made: Export, *, rows: int = 3, search: int = 1_000) -> Look:
    """Reads no more than `search` rows."""
    first: list[Row] = []
    named = seen = 0
    with snapshot(), contextlib.closing(made.shaped()) as shaped:
        for row in itertools.islice(shaped, search):
            seen += 1
            named += bool(NAMED.search(" ".join(texts(row))))
            if len(first) < rows:
                first.append(row)
    made.rows = 0
    return Look(first, named, seen)


def texts(value: object) -> Iterator[str]:
    """Every text inside; moments and ids of other columns are no texts of people."""
    match value:
        case str():
            yield value
        case dict():
            for name, inner in value.items():
                if name not in PLACES:
                    yield from texts(inner)
        case list():
            for inner in value:
                yield from texts(inner)


PLACES = frozenset(
    {"at", "assigned_at", "ended_at", "answered_at", "created_at", "prompt_key", "completed_by", "user_id", "people"}
)
