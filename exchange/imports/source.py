"""A file as rows, whatever its shape and however it is packed."""

import itertools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.imports.base import UnreadableFile
from exchange.imports.read_json import json_rows
from exchange.imports.read_tables import csv_rows, parquet_rows, xlsx_rows
from exchange.imports.readers import Line, jsonl
from exchange.imports.unpack import Folder, Stream, folder, opened

STREAMED: dict[str, Callable[[Stream], Iterator[Line]]] = {"jsonl": jsonl, "json": json_rows, "csv": csv_rows}
FROM_DISK: dict[str, Callable[[Path], Iterator[Line]]] = {"parquet": parquet_rows, "xlsx": xlsx_rows}


@dataclass
class Source:
    """Rows that can be read once, and how far they are read."""

    shape: str
    """jsonl, json, csv, parquet, xlsx or folder."""
    rows: Iterator[Line]
    size: int
    stream: Stream | None = None
    files: Folder | None = None

    def position(self) -> int:
        return self.stream.position() if self.stream else 0


@contextmanager
def source(path: Path, filename: str = "") -> Iterator[Source]:
    """Open a file (or a folder) by what is in it; its name decides nothing. Raises UnreadableFile."""
    name = filename or path.name
    if path.is_dir() or is_zip(path):
        with folder(path) as files:
            shape = shape_of_folder(files)
            if shape == "folder" and files is not None:
                from exchange.imports.formats import potato

                yield Source("folder", potato.rows(files), files.size, files=files)
                return
            if shape == "xlsx":
                yield Source("xlsx", FROM_DISK["xlsx"](path), path.stat().st_size)
                return
    with open(path, "rb") as file:
        if file.read(4) == b"PAR1":
            yield Source("parquet", FROM_DISK["parquet"](path), path.stat().st_size)
            return
    with opened(path, name) as stream:
        shape = shape_of(stream)
        yield Source(shape, STREAMED[shape](stream), stream.size, stream)


def is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def shape_of_folder(files: Folder | None) -> str:
    if files is None:
        return ""
    if "xl/workbook.xml" in files.names:
        return "xlsx"
    if any(name.endswith("user_state.json") for name in files.names):
        return "folder"
    names = ", ".join(files.names[:4])
    raise UnreadableFile(
        f"There are {len(files.names):,} files inside ({names}, …). Pack one file, or a Potato project."
    )


def shape_of(stream: Stream) -> str:
    """By the first signs. A JSON object on each line is JSONL, a list or an object over several lines JSON."""
    first = stream.first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if first.startswith(b"["):
        return "json" if not first[1:].lstrip().startswith((b"'",)) else "csv"
    if first.startswith(b"{"):
        line = first.split(b"\n", 1)[0].strip()
        return "json" if line == b"{" or (b"\n" in first and not line.endswith(b"}")) else "jsonl"
    if not first:
        raise UnreadableFile("The file holds nothing but blank lines.")
    if stream.name.lower().endswith((".jsonl", ".ndjson", ".json")):
        return "jsonl"
    if b"\n" not in stream.first and b"," not in stream.first and b"\t" not in stream.first:
        raise UnreadableFile(f"{stream.name} has no rows: it is neither JSON nor a table with a header.")
    return "csv"


def first_rows(path: Path, filename: str = "", most: int = 50) -> tuple[str, list[dict[str, object]]]:
    """(shape, rows of the first lines that can be read)."""
    with source(path, filename) as opened_source:
        lines = itertools.islice(opened_source.rows, 4 * most)
        rows = list(itertools.islice((row for _, row, _ in lines if isinstance(row, dict)), most))
    return opened_source.shape, rows
