"""Makes an export and reads it again."""

import csv
import gzip
import io
import json
from typing import Any

import pyarrow.parquet as pq
import zstandard

from accounts.models import Project
from exchange.exports.stream import prepare
from registry.specs import ExportSpec


def made(project: Project, **settings: Any) -> bytes:
    return b"".join(prepare(project, ExportSpec(**settings)).blocks())


def rows(project: Project, **settings: Any) -> list[dict[str, Any]]:
    """Read back with another library than the one that wrote it, where there is one."""
    data = made(project, **settings)
    kind, compress = settings.get("file", "jsonl"), settings.get("compress", "none")
    if kind == "parquet":
        return pq.read_table(io.BytesIO(data)).to_pylist()
    if compress == "gzip":
        data = gzip.decompress(data)
    elif compress == "zstd":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    text = data.decode("utf-8-sig" if settings.get("bom") else "utf-8")
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    if kind == "json":
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line]
