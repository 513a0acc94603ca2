"""Shapes of files: how rows lie in them. Each reader yields (line, row or Problem, the line's bytes where it has any).

Memory is bounded whatever the file holds: a line above MOST_LINE is counted and reported, never kept.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from exchange.imports.base import Problem, Row, UnreadableFile
from exchange.imports.unpack import Stream

ROWS_AT_ONCE, FEW_ROWS = 256, 8
"""Of Parquet: rows that are read together, and rows whose texts are in memory together."""
MOST_LINE = 16 * 2**20
"""Bytes. A line of 16 MB is no prompt with answers."""
MOST_COLUMNS = 1_000
WHOLE = 512 * 2**20
"""Bytes of a JSON file whose rows do not lie in one list, so that it is read whole."""
EXCERPT = 160

Line = tuple[int, Row | Problem, bytes | None]


def excerpt(raw: bytes | str, at: int = 0) -> str:
    """Around a place, on one line."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    start = max(0, at - EXCERPT // 2)
    shown = text[start : start + EXCERPT].replace("\x00", "␀")
    shown = "".join(sign if sign.isprintable() else " " for sign in shown)
    return ("…" if start else "") + shown + ("…" if start + EXCERPT < len(text) else "")


# --- Lines ------------------------------------------------------------------------------------------------------


def lines(stream: Stream) -> Iterator[tuple[int, bytes | Problem, bool]]:
    """(number, the line without its end or what is wrong, whether it ended in a newline); blank lines too."""
    number, rest, dropped = 0, b"", 0
    first = True
    while piece := stream.read():
        if first:
            piece, first = piece.removeprefix(b"\xef\xbb\xbf"), False
        parts = piece.split(b"\n")
        if dropped:
            dropped += len(parts[0])
            if len(parts) == 1:
                continue
            number += 1
            yield number, too_long(number, dropped), True
            dropped, parts[0] = 0, b""
            parts.pop(0)
        parts[0] = rest + parts[0]
        rest = parts.pop()
        for part in parts:
            number += 1
            yield number, part if len(part) <= MOST_LINE else too_long(number, len(part)), True
        if len(rest) > MOST_LINE:
            dropped, rest = len(rest), b""
    if dropped:
        yield number + 1, too_long(number + 1, dropped), False
    elif rest:
        yield number + 1, rest, False


def too_long(number: int, size: int) -> Problem:
    return Problem(
        number, f"The line has {size / 2**20:,.0f} MB, {MOST_LINE / 2**20:,.0f} are allowed. Is a newline missing?"
    )


def jsonl(stream: Stream) -> Iterator[Line]:
    for number, raw, whole in lines(stream):
        if isinstance(raw, Problem):
            yield number, raw, None
        elif raw and not raw.isspace():
            yield number, parse_object(raw, number, whole=whole), raw


def parse_object(raw: bytes, number: int, *, whole: bool = True) -> Row | Problem:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return not_json(raw, number, error, whole=whole)
    if not isinstance(row, dict):
        kind = {list: "a list", str: "a text", bool: "true or false"}.get(type(row), "a number or nothing")
        return Problem(number, f"The line is {kind}, not an object in braces with a name for each value.", excerpt(raw))
    if len(row) > MOST_COLUMNS:
        return Problem(number, f"The line has {len(row):,} columns, {MOST_COLUMNS:,} are allowed.", excerpt(raw))
    return row


def not_json(raw: bytes, number: int, error: orjson.JSONDecodeError, *, whole: bool) -> Problem:
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return Problem(number, not_utf8(wrong), excerpt(raw, wrong.start))
    why = str(error).split(": line")[0]
    if b"\x00" in raw:
        why = "it holds NUL bytes, which no text has"
    elif "surrogate" in why:
        why = "it holds half of a character (a lone surrogate), which cannot be stored"
    elif "depth" in why or "recursion" in why.lower():
        why = "it is nested more than 1,000 deep"
    elif not whole and not raw.rstrip().endswith(b"}"):
        return Problem(
            number, "The last line is torn: the file ends in the middle of it. Was it cut off? Send it again.",
            excerpt(raw, max(len(raw) - EXCERPT // 2, 0)),
        )  # fmt: skip
    elif b"NaN" in raw[error.pos : error.pos + 4] or b"Infinity" in raw[error.pos : error.pos + 10]:
        why = "NaN and Infinity are no numbers of JSON; write null"
    return Problem(number, f"Not valid JSON at character {error.pos + 1}: {why}.", excerpt(raw, error.pos))


def not_utf8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return (
        f"Not UTF-8: the byte {byte:#04x} at place {error.start + 1}. The file may be in Latin-1 or Windows-1252: "
        "save it as UTF-8, then send it again."
    )


# --- JSON -------------------------------------------------------------------------------------------------------


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON; write null")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)


class Text:
    """The text of a stream, of which only what is not yet read is kept."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.text, self.place, self.ended, self.tail = stream, "", 0, False, b""
        self.more()
        self.text = self.text.removeprefix("\ufeff")

    def more(self) -> bool:
        """Another piece; False at the end."""
        piece = self.stream.read()
        raw = self.tail + piece
        # A character may lie across two pieces: at most 3 bytes of it wait.
        self.ended = not piece
        cut = len(raw)
        if piece:
            for back in range(1, min(4, len(raw)) + 1):
                if raw[-back] >= 0xC0:
                    cut = len(raw) - back
                    break
                if raw[-back] < 0x80:
                    break
        self.tail = raw[cut:]
        try:
            self.text = self.text[self.place :] + raw[:cut].decode()
        except UnicodeDecodeError as error:
            raise UnreadableFile(not_utf8(error)) from error
        self.place = 0
        return not self.ended

    def sign(self) -> str:
        """The next sign that is no space; "" at the end."""
        while True:
            while self.place < len(self.text):
                sign = self.text[self.place]
                if sign not in " \t\r\n":
                    return sign
                self.place += 1
            if (self.ended or not self.more()) and self.place >= len(self.text):
                return ""

    def value(self) -> Any:
        """The value that begins here. Raises ValueError, RecursionError."""
        wanted = 0
        while True:
            if len(self.text) - self.place >= wanted or self.ended:
                try:
                    found, self.place = DECODER.raw_decode(self.text, self.place)
                    if self.place < len(self.text) or self.ended:
                        return found
                except ValueError as error:
                    if self.ended or "no number of JSON" in str(error) or "Exceeds the limit" in str(error):
                        raise
                if len(self.text) - self.place > 4 * MOST_LINE:
                    raise ValueError(f"it has more than {4 * MOST_LINE / 2**20:,.0f} MB")
                wanted = 2 * (len(self.text) - self.place)
            self.more()


def json_rows(stream: Stream) -> Iterator[Line]:
    """A list of objects, read one by one; or an object of lists, or one object, read whole."""
    text = Text(stream)
    if text.sign() != "[":
        yield from json_object(text)
        return
    text.place += 1
    number = 0
    while (sign := text.sign()) != "]":
        number += 1
        if not sign:
            yield number, Problem(number, "The file ends in the middle of its list. Was it cut off on its way?"), None
            return
        try:
            found = text.value()
        except (ValueError, RecursionError) as error:
            yield number, broken(error, number, text), None
            return
        if isinstance(found, dict):
            yield number, found, None
        else:
            yield number, Problem(number, "The element is not an object in braces.", excerpt(str(found))), None
        if (sign := text.sign()) == ",":
            text.place += 1
        elif sign and sign != "]":
            yield (
                number + 1,
                Problem(number + 1, "A comma is missing before this element.", excerpt(text.text, text.place)),
                None,
            )
            return


def broken(error: Exception, number: int, text: Text) -> Problem:
    why = "it is nested too deep" if isinstance(error, RecursionError) else str(error).split(": line")[0]
    if "Exceeds the limit" in why:
        why = "it holds a number of more than 4,300 digits"
    if text.ended and ("Unterminated" in why or "Expecting" in why):
        why = "the file ends in the middle of it. Was it cut off on its way"
    place = text.place
    return Problem(
        number, f"Not valid JSON in element {number:,}: {why}. What follows cannot be read.", excerpt(text.text, place)
    )


def json_object(text: Text) -> Iterator[Line]:
    while not text.ended:
        if text.stream.out > WHOLE:
            raise UnreadableFile(
                f"The JSON is one object of more than {WHOLE / 2**20:,.0f} MB. Save its rows as JSONL."
            )
        text.more()
    try:
        found = text.value()
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(broken(error, 1, text).what.replace(" in element 1", "")) from error
    if not isinstance(found, dict):
        raise UnreadableFile("The JSON holds no list of objects, so there are no rows in it.")
    lists = {
        name: rows for name, rows in found.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    }
    number = 0
    if not lists:
        yield 1, found, None
    for name, rows in lists.items():
        for row in rows:
            number += 1
            if isinstance(row, dict):
                yield number, {"group": name, **row} if len(lists) > 1 else row, None
            else:
                yield number, Problem(number, "The element is not an object in braces.", excerpt(str(row))), None


# --- Tables -----------------------------------------------------------------------------------------------------


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


STREAMED: dict[str, Callable[[Stream], Iterator[Line]]] = {"jsonl": jsonl, "json": json_rows, "csv": csv_rows}
FROM_DISK: dict[str, Callable[[Path], Iterator[Line]]] = {"parquet": parquet_rows, "xlsx": xlsx_rows}
