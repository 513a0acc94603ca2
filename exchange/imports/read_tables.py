"""Tables: CSV, Parquet and workbooks. A header, then a row each."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exchange.imports.base import Problem, Row, UnreadableFile
from exchange.imports.readers import MOST_COLUMNS, MOST_LINE, Line, excerpt, lines, not_utf8
from exchange.imports.unpack import Stream

ROWS_AT_ONCE, FEW_ROWS = 256, 8
"""Of Parquet: rows that are read together, and rows whose texts are in memory together."""


def csv_rows(stream: Stream) -> Iterator[Line]:
    """A header, then a row each; comma, semicolon or tab. Cells are texts, whatever they look like."""
    bad: list[Problem] = []
    torn = [False]

    def texts() -> Iterator[str]:
        for _, raw, whole in lines(stream):
            torn[0] = not whole
            if isinstance(raw, Problem):
                bad.append(raw)
                yield "\n"
            else:
                yield raw.decode("utf-8", "surrogateescape") + "\n"

    source = texts()
    header_line = next((line for line in source if line.strip()), "")
    if bad:
        raise UnreadableFile(bad[0].what)
    delimiter = max(",;\t", key=header_line.count)
    csv.field_size_limit(MOST_LINE)
    header = next(csv.reader([header_line], delimiter=delimiter), [])
    names = [name.strip() for name in header]
    if len(names) > MOST_COLUMNS:
        raise UnreadableFile(f"The file has {len(names):,} columns, {MOST_COLUMNS:,} are allowed. Leave some out.")
    for name in names:
        if names.count(name) > 1:
            raise UnreadableFile(f"Two columns are called {name[:60]!r}. Give each a name of its own.")
    if "\udc80" <= max(header_line) <= "\udcff":
        raise UnreadableFile("The header is not UTF-8. Save the file as UTF-8, then send it again.")
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    number = 2
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            what = "a quotation mark is not closed" if "unexpected end" in str(error) else str(error)
            yield number, Problem(number, f"Not valid CSV: {what}."), None
            number = reader.line_num + 2
            continue
        while bad:
            yield bad[0].line, bad.pop(0), None
        if any(cells):
            yield number, table_row(names, cells, number, torn=torn[0]), None
        number = reader.line_num + 2
    while bad:
        yield bad[0].line, bad.pop(0), None


def table_row(names: list[str], cells: list[str], number: int, *, torn: bool) -> Row | Problem:
    if len(cells) != len(names):
        what = f"The row has {len(cells):,} values and the header {len(names):,} columns."
        what += " The file ends here: was it cut off on its way?" if torn and len(cells) < len(names) else ""
        return Problem(number, what, excerpt(", ".join(cells)))
    for cell in cells:
        if not cell.isascii():
            try:
                cell.encode()
            except UnicodeEncodeError:
                raw = cell.encode("utf-8", "surrogateescape")
                try:
                    raw.decode()
                except UnicodeDecodeError as error:
                    return Problem(number, not_utf8(error), excerpt(raw, error.start))
    return dict(zip(names, cells, strict=True))


def parquet_rows(path: Path) -> Iterator[Line]:
    """A few kilobytes may stand for gigabytes, since a text that repeats is stored once. So texts stay in the file's
    dictionary until their row is read, and few rows are read at once where rows are large."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
        if len(schema.names) > MOST_COLUMNS:
            raise UnreadableFile(f"The file has more than {MOST_COLUMNS:,} columns. Leave some out.")
        texts = [one.name for one in schema if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            number = 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                if batch.nbytes > ROWS_AT_ONCE * MOST_LINE // 4:
                    raise UnreadableFile(
                        f"Rows {number + 1:,} to {number + batch.num_rows:,} hold {batch.nbytes / 1e6:,.0f} MB, more "
                        "than any real rows do. Leave their column out of the file."
                    )
                for first in range(0, batch.num_rows, FEW_ROWS):
                    for row in batch.slice(first, FEW_ROWS).to_pylist():
                        number += 1
                        large = sum(len(value) for value in row.values() if isinstance(value, str))
                        if large > MOST_LINE:
                            held = f"The row holds {large / 1e6:,.0f} million characters"
                            what = f"{held}, {MOST_LINE / 1e6:,.0f} are read. Shorten it, or leave it out."
                            yield number, Problem(number, what, ""), None
                        else:
                            yield number, row, None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(f"The Parquet file cannot be read: {str(error)[:160]}. Write it again.") from error


def xlsx_rows(path: Path) -> Iterator[Line]:
    """The first sheet: a header, then a row each. Formulas come in as the text they are."""
    import zipfile

    import openpyxl

    from exchange.imports import unpack

    with path.open("rb") as file, unpack.open_zip(file, path.name) as archive:
        unpacked = sum(one.file_size for one in archive.infolist())
        if unpacked > unpack.FREE and unpacked > unpack.RATIO * path.stat().st_size:
            raise UnreadableFile(
                "The workbook unpacks to more than 200 times its size (a zip bomb?). It was not opened."
            )
    file = path.open("rb")  # by its name openpyxl would refuse what does not end in .xlsx, as an upload does not
    try:
        book = openpyxl.load_workbook(file, read_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        names = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
        while names and not names[-1]:
            names.pop()
        if len(names) > MOST_COLUMNS:
            raise UnreadableFile(f"The sheet has more than {MOST_COLUMNS:,} columns. Leave some out.")
        for number, cells in enumerate(rows, 2):
            if any(cell is not None for cell in cells):
                yield number, dict(zip(names, map(plain_cell, cells), strict=False)), None
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise UnreadableFile(f"The workbook cannot be read: {str(error)[:120]}. Save it as CSV.") from error
    finally:
        file.close()


def plain_cell(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | int | float | bool):
        return cell
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
