"""CSV with a header: nested values as JSON, and no cell that a spreadsheet would run as a formula."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa

from exchange.exports.sources import Row
from pages.charts.download import harmless

ROWS = 500


def blocks(rows: Iterable[Row], schema: pa.Schema, *, bom: bool = False) -> Iterator[bytes]:
    """RFC 4180 in UTF-8. A column that a row does not have is empty, and so is null."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    names = schema.names
    if bom:
        out.write("\ufeff")
    writer.writerow(names)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(row.get(name)) for name in names])
        if number % ROWS == 0:
            yield taken(out)
    yield taken(out)


def taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode()


def cell(value: Any) -> str | int | float:
    """Numbers stay numbers; a text that begins like a formula gets an apostrophe in front (OWASP, CSV injection)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        value = orjson.dumps(value, default=str).decode()
    # csv would write it as it is, and readers end the file there.
    return harmless(value.replace("\x00", "\ufffd"))
