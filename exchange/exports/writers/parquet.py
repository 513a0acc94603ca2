"""Parquet, a row group at a time: what has been written is handed on, so memory holds one group."""

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import orjson
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from exchange.exports.sources import Row
from exchange.exports.sources.base import is_json_text

GROUP_BYTES = 8 * 2**20
"""Of JSON a row group. `datasets` reads a group at a time, so groups should be neither tiny nor huge."""
GROUP_ROWS = 20_000
PACK_ROWS = 1_000
CODECS = {"none": "none", "gzip": "gzip", "zstd": "zstd"}


class Sink(io.RawIOBase):
    """Takes what the Parquet writer writes, to be handed on; the writer asks only how far it is."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.parts.append(piece)
        self.place += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self.place

    def take(self) -> bytes:
        taken, self.parts = b"".join(self.parts), []
        return taken


def blocks(tables: Iterable[pa.Table], schema: pa.Schema, *, compress: str) -> Iterator[bytes]:
    """The file in pieces; the last one holds the footer. `compress` is of the pages: none, gzip or zstd."""
    sink = Sink()
    # closefd=False would keep it open; the sink is asked for its bytes after the writer has closed it.
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression=CODECS[compress]) as writer:
        for table in tables:
            writer.write_table(table)
            yield sink.take()
    yield sink.take()


def tables_of_lines(lines: Iterable[bytes], schema: pa.Schema) -> Iterator[pa.Table]:
    """Lines of JSON read by Arrow's own parser, which makes no Python object of any value."""
    # One group is parsed beside the reading of the next: Arrow lets go of Python's lock, and so does the database.
    with ThreadPoolExecutor(1) as beside:
        before: Future[pa.Table] | None = None
        for group in groups(lines):
            after = beside.submit(parsed, group, schema)
            if before is not None:
                yield before.result()
            before = after
        if before is not None:
            yield before.result()


def groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= GROUP_BYTES or len(waiting) >= GROUP_ROWS:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def parsed(lines: list[bytes], schema: pa.Schema) -> pa.Table:
    data = b"".join(lines)
    table = pyarrow.json.read_json(
        pa.BufferReader(data),
        # One block: a long text shall not lie across the border of two.
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return table.select(schema.names).cast(schema)


def tables_of_rows(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.Table]:
    """Rows of Python, packed into Arrow a thousand at a time, since as dictionaries they take ten times the room."""
    texts = [field.name for field in schema if is_json_text(field)]
    packed: list[pa.RecordBatch] = []
    waiting: list[Row] = []
    for row in rows:
        for name in texts:
            if row.get(name) is not None:
                row[name] = orjson.dumps(row[name], default=str).decode()
        waiting.append(row)
        if len(waiting) == PACK_ROWS:
            packed.append(pa.RecordBatch.from_pylist(waiting, schema=schema))
            waiting = []
            if sum(one.num_rows for one in packed) >= GROUP_ROWS or sum(one.nbytes for one in packed) >= GROUP_BYTES:
                yield pa.Table.from_batches(packed, schema)
                packed = []
    if waiting:
        packed.append(pa.RecordBatch.from_pylist(waiting, schema=schema))
    if packed:
        yield pa.Table.from_batches(packed, schema)
