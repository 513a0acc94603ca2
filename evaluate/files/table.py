"""A CSV file as columns of text, with the line that each row begins in, so that a fault can be named."""

import csv
import io
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from annotate.quality.ratings_csv import DELIMITERS, LONGEST_HEADER, nonblank, opened, undecodable

SHOWN = 500
Value = TypeVar("Value")


class FileProblem(Exception):
    """One sentence or two for people: what is wrong in the file, where, and what to do."""


@dataclass(frozen=True)
class Table:
    """The rows of a file. `columns`: (rows,) texts without the blanks around them; `lines`: (rows,), from 1."""

    path: str
    columns: Mapping[str, list[str]]
    lines: list[int]
    header: tuple[str, ...]
    """All columns that the file has, read or not."""

    def __len__(self) -> int:
        return len(self.lines)

    def filled(self, column: str) -> list[str]:
        """The column, no cell of which may be empty."""
        for text, line in zip(self.columns[column], self.lines, strict=True):
            if not text:
                raise FileProblem(f"Line {line} has nothing in the column {column!r}. Fill it in, or remove the line.")
        return self.columns[column]

    def coded(self, column: str, codes: Mapping[str, Value]) -> list[Value]:
        """The column through `codes`, every text of which is one of them."""
        found = []
        for text, line in zip(self.columns[column], self.lines, strict=True):
            if text not in codes:
                known = ", ".join(repr(code) if code else "nothing" for code in codes)
                raise FileProblem(f"Line {line} has {short(text)!r} in the column {column!r}. It may be {known}.")
            found.append(codes[text])
        return found

    def numbers(
        self, column: str, *, least: float | None = None, most: float | None = None, empty: float | None = None
    ) -> list[float]:
        """The column as numbers from `least` to `most`; an empty cell is `empty`, or refused if that is None."""
        found = []
        for text, line in zip(self.columns[column], self.lines, strict=True):
            if not text and empty is not None:
                found.append(empty)
                continue
            value = number(text)
            if value is None or (least is not None and value < least) or (most is not None and value > most):
                raise FileProblem(f"Line {line} has {short(text)!r} in the column {column!r}. {bounds(least, most)}")
            found.append(value)
        return found


def number(text: str) -> float | None:
    """A finite number, or None. Python would also read 1_000 and NaN."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in text else None


def bounds(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return "It needs a number."
    if most is None:
        return f"It needs a number of at least {least:g}."
    return f"It needs a number from {least:g} to {most:g}."


def read(path: str, wanted: Sequence[str], *, optional: Collection[str] = (), encoding: str = "utf-8-sig") -> Table:
    """Read the columns `wanted`, and those of `optional` that are there, of the file `path` ("-": standard input).

    Columns may be parted by , ; tab or |: what gives the header all wanted columns. Raises FileProblem.
    """
    if encoding.lower() in {"utf-8", "utf8"}:
        encoding = "utf-8-sig"  # which also reads files without the mark that Excel begins with
    csv.field_size_limit(sys.maxsize)  # whole conversations stand in one field
    try:
        with opened(path) as file:
            return parsed(io.TextIOWrapper(file, encoding=encoding, newline=""), path, wanted, optional)
    except UnicodeError as error:
        raise FileProblem(undecodable(path, encoding)) from error
    except LookupError as error:
        raise FileProblem(f"There is no encoding {encoding}. Try utf-8, utf-16, latin-1 or cp1252.") from error
    except FileNotFoundError as error:
        raise FileProblem(f"There is no file {path}.") from error
    except OSError as error:
        raise FileProblem(f"{path} cannot be read: {error.strerror or error}.") from error


def parsed(file: io.TextIOWrapper, path: str, wanted: Sequence[str], optional: Collection[str]) -> Table:
    head: list[str] = []
    while len(head) < LONGEST_HEADER and (line := file.readline()):
        head.append(line)
        if line.strip() and "".join(head).count('"') % 2 == 0:
            break
    if not "".join(head).strip():
        raise FileProblem(f"{path} is empty. Its first line names the columns; these are needed: {', '.join(wanted)}.")
    delimiter, header = located(head, path, wanted)
    used = [name for name in dict.fromkeys([*wanted, *optional]) if name in header]
    if twice := [name for name in used if header.count(name) > 1]:
        raise FileProblem(f"{path} has more than one column {twice[0]!r}. Rename all but one.")
    rows, lines = rows_of(file, path, delimiter, header, begin=len(head) + 1)
    if not lines:
        raise FileProblem(f"{path} has a line with the names of the columns, and no rows below it.")
    places = {name: header.index(name) for name in used}
    columns = {name: [cells[place].strip() for cells in rows] for name, place in places.items()}
    return Table(path, columns, lines, tuple(header))


def located(head: Sequence[str], path: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter with which the header has all columns, and the header."""
    headers = {}
    for delimiter in DELIMITERS:
        names = next(nonblank(csv.reader(head, delimiter=delimiter, skipinitialspace=True)))
        headers[delimiter] = [name.strip() for name in names]
        if set(wanted) <= set(headers[delimiter]):
            return delimiter, headers[delimiter]
    likely = max(headers.values(), key=len)
    absent = [name for name in dict.fromkeys(wanted) if name not in likely]
    raise FileProblem(
        f"{path} has no column {' and no column '.join(map(repr, absent))}. "
        f"Its columns are: {short(', '.join(likely), SHOWN)}."
    )


def rows_of(
    file: io.TextIOWrapper, path: str, delimiter: str, header: Sequence[str], *, begin: int
) -> tuple[list[list[str]], list[int]]:
    """All rows and the lines that they begin in, below a header that was read already."""
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines = [], []
    line = begin
    try:
        for cells in reader:
            if len(cells) == len(header) and (len(cells) > 1 or cells[0].strip()):
                rows.append(cells)
                lines.append(line)
            elif len(cells) > 1 or (cells and cells[0].strip()):
                raise FileProblem(
                    f"Line {line} of {path} has {len(cells)} cells and the header has {len(header)}. "
                    "Is the file cut off, or a delimiter or a quote missing?"
                )
            line = begin + reader.line_num
    except csv.Error as error:
        raise FileProblem(
            f"The row that begins in line {line} of {path} cannot be read: {error}. "
            "Is the file cut off, or a quote not closed?"
        ) from error
    return rows, lines


def short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
