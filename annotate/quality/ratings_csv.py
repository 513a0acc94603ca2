"""Ratings from a CSV file, one a row, as a reliability table. Knows neither Django nor the database."""

import contextlib
import csv
import io
import sys
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from annotate.quality.agreement import Level
from annotate.quality.reliability import Table, in_order

DELIMITERS = ",;\t|"
LONGEST_HEADER = 100
"""Lines that a header may have, where column names are quoted and have line breaks in them."""
SHOWN = 60
Keep = Literal["first", "last"]


class RatingsError(Exception):
    """One sentence or two for people: what is wrong in the file, where, and what to do."""


@dataclass(frozen=True)
class Columns:
    """The columns to read. A unit may be named by several, written with commas between them."""

    unit: str
    rater: str
    value: str


@dataclass(frozen=True)
class Ratings:
    """What a file says. `units` and `raters` count all that it names, those without a value too."""

    table: Table
    units: int
    raters: int
    missing: int
    """Rows without a value."""
    dropped: int
    """Rows left out because the same rater rated the unit in another row."""


@dataclass
class Rows:
    """The rows of a file as numbers: places of the unit, rater and value among those met so far."""

    units: dict[str, int] = field(default_factory=dict)
    raters: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    unit: "array[int]" = field(default_factory=lambda: array("q"))
    rater: "array[int]" = field(default_factory=lambda: array("q"))
    value: "array[int]" = field(default_factory=lambda: array("q"))
    line: "array[int]" = field(default_factory=lambda: array("q"))
    value_line: list[int] = field(default_factory=list)
    """The first line of each distinct value."""
    missing: int = 0


def read(
    path: str,
    columns: Columns,
    *,
    level: Level = "nominal",
    missing: Collection[str] = (),
    duplicates: Keep | None = None,
    encoding: str = "utf-8-sig",
) -> Ratings:
    """Read the ratings in the file `path` ("-" is the standard input), whatever of , ; tab or | is between its columns.

    A value that is empty or one of `missing` is missing. Where a rater rated a unit more than once, `duplicates` says
    which row counts. Raises RatingsError with a sentence for people.
    """
    if encoding.lower() in {"utf-8", "utf8"}:
        encoding = "utf-8-sig"  # which also reads files without the mark that Excel begins with
    csv.field_size_limit(sys.maxsize)  # whole conversations stand in one field
    try:
        with opened(path) as file:
            rows = parsed(io.TextIOWrapper(file, encoding=encoding, newline=""), path, columns, missing={"", *missing})
    except UnicodeError as error:
        raise RatingsError(undecodable(path, encoding)) from error
    except LookupError as error:
        raise RatingsError(f"There is no encoding {encoding}. Try utf-8, utf-16, latin-1 or cp1252.") from error
    except OSError as error:
        raise RatingsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except csv.Error as error:
        raise RatingsError(f"{path} is not a CSV file: {error}.") from error
    kept, dropped = without_duplicates(rows, duplicates)
    return Ratings(tabled(rows, kept, level), len(rows.units), len(rows.raters), rows.missing, dropped)


def opened(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb")


def undecodable(path: str, encoding: str) -> str:
    """Which line is at fault, as far as it can be told."""
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    where = ""
    if path != "-" and name == "UTF-8":
        with Path(path).open("rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                return f"{path} is not UTF-8 but UTF-16. Say --encoding utf-16."
            file.seek(0)
            for number, line in enumerate(file, start=1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    where = f" in line {number}"
                    break
    return f"{path} is not {name}{where}. Save it as UTF-8, or name its encoding, such as --encoding cp1252."


def parsed(file: io.TextIOWrapper, path: str, columns: Columns, *, missing: Collection[str]) -> Rows:
    head: list[str] = []
    while len(head) < LONGEST_HEADER and (line := file.readline()):
        head.append(line)
        if line.strip() and "".join(head).count('"') % 2 == 0:
            break
    if not "".join(head).strip():
        raise RatingsError(f"{path} is empty. It needs a line with the names of the columns, and a row a rating.")
    delimiter, places = located(head, path, columns)
    reader = csv.reader(chain(head, file), delimiter=delimiter, skipinitialspace=True)
    rows = Rows()
    begin = 1
    for i, cells in enumerate(nonblank(reader)):
        if i:
            add(rows, cells, places, columns, line=begin, missing=missing)
        begin = reader.line_num + 1
    if not rows.units:
        raise RatingsError(f"{path} has a line with the names of the columns, and no rows below it.")
    return rows


def nonblank(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    return (cells for cells in reader if cells and (len(cells) > 1 or cells[0].strip()))


def located(head: Sequence[str], path: str, columns: Columns) -> tuple[str, tuple[list[int], int, int]]:
    """The delimiter with which the header has all columns, and where they are: those of the unit, rater, value."""
    headers = {}
    for delimiter in DELIMITERS:
        names = next(nonblank(csv.reader(head, delimiter=delimiter, skipinitialspace=True)))
        headers[delimiter] = [name.strip() for name in names]
    wanted = {}
    for delimiter, names in headers.items():
        units = [columns.unit] if columns.unit in names else [name.strip() for name in columns.unit.split(",")]
        wanted[delimiter] = [*units, columns.rater, columns.value]
        if set(wanted[delimiter]) <= set(names):
            if twice := [name for name in wanted[delimiter] if names.count(name) > 1]:
                raise RatingsError(f"{path} has more than one column {twice[0]!r}. Rename all but one.")
            places = [names.index(name) for name in wanted[delimiter]]
            return delimiter, (places[:-2], places[-2], places[-1])
    likely = max(headers, key=lambda delimiter: len(headers[delimiter]))
    absent = [name for name in dict.fromkeys(wanted[likely]) if name not in headers[likely]]
    raise RatingsError(
        f"{path} has no column {' and no column '.join(map(repr, absent))}. "
        f"Its columns are: {short(', '.join(headers[likely]), 500)}."
    )


def add(
    rows: Rows, cells: list[str], places: tuple[list[int], int, int], columns: Columns, *, line: int,
    missing: Collection[str],
) -> None:  # fmt: skip
    units, rater_place, value_place = places
    try:
        names = [cells[place].strip() for place in units]
        rater, value = cells[rater_place].strip(), cells[value_place].strip()
    except IndexError:
        least = max(*units, rater_place, value_place) + 1
        raise RatingsError(
            f"Line {line} has {len(cells)} column(s) and needs {least} or more. Is a delimiter or a quote missing?"
        ) from None
    if not rater or not any(names):
        column = columns.unit if rater else columns.rater
        raise RatingsError(f"Line {line} has nothing in the column {column!r}. Fill it in, or remove the line.")
    unit = rows.units.setdefault("\x1f".join(names), len(rows.units))
    who = rows.raters.setdefault(rater, len(rows.raters))
    if value in missing:
        rows.missing += 1
        return
    place = rows.values.setdefault(value, len(rows.values))
    if place == len(rows.value_line):
        rows.value_line.append(line)
    rows.unit.append(unit)
    rows.rater.append(who)
    rows.value.append(place)
    rows.line.append(line)


def without_duplicates(rows: Rows, duplicates: Keep | None) -> tuple[NDArray[np.int64], int]:
    """The rows that count, in the file's order, and how many were left out."""
    unit, rater, line = (np.array(column, dtype=np.int64) for column in (rows.unit, rows.rater, rows.line))
    key = unit * max(len(rows.raters), 1) + rater
    order = np.argsort(key, kind="stable")  # rows of one unit and rater in the file's order
    again = np.diff(key[order], prepend=-1) == 0
    count = int(again.sum())
    if not count:
        return np.arange(key.size), 0
    if duplicates is None:
        second = int(np.argmin(np.where(again, line[order], np.iinfo(np.int64).max)))
        first = int(np.searchsorted(key[order], key[order[second]]))
        lines = [int(line[order[first]]), int(line[order[second]])]
        who, what = list(rows.raters)[rater[order[first]]], list(rows.units)[unit[order[first]]]
        raise RatingsError(
            f"Rater {short(who)} rated the unit {short(what.replace(chr(31), ', '))} more than once: lines {lines[0]} "
            f"and {lines[1]}{f' ({count - 1:,} more rows repeat one)' if count > 1 else ''}. Remove one, name more "
            "columns in --unit, or say which row counts: --duplicates first or --duplicates last."
        )
    if duplicates == "last":
        again = np.append(again[1:], False)
    return np.sort(order[~again]), count


def tabled(rows: Rows, kept: NDArray[np.int64], level: Level) -> Table:
    """The table of the rows that count; numbers that are written in several ways (1, 1.0) are one value."""
    texts = list(rows.values)
    if level == "nominal":
        values = in_order(texts)
        place = {text: i for i, text in enumerate(values)}
        to_value = np.array([place[text] for text in texts], dtype=np.int64)
    else:
        numbers = [number(text, line, level) for text, line in zip(texts, rows.value_line, strict=True)]
        domain, inverse = np.unique(np.array(numbers, dtype=float), return_inverse=True)
        values, to_value = tuple(domain.tolist()), inverse.reshape(-1)
    raters = in_order(rows.raters)
    rank = {rater: i for i, rater in enumerate(raters)}
    to_rater = np.array([rank[rater] for rater in rows.raters], dtype=np.int64)
    unit, rater, value = (np.array(column, dtype=np.int64)[kept] for column in (rows.unit, rows.rater, rows.value))
    return Table(unit, to_rater[rater], to_value[value], raters, values)


def number(text: str, line: int, level: Level) -> float:
    with contextlib.suppress(ValueError):
        if isfinite(found := float(text)):
            return found
    raise RatingsError(
        f"Line {line} has the value {short(text)}, which is not a number, and the level {level} needs numbers. Number "
        "the values in their order (such as 1 for low, 2 for high), give --missing for what stands for no value, "
        "or use --level nominal."
    )


def short(text: str, most: int = SHOWN) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
