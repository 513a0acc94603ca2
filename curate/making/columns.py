"""Columns of numbers straight from the database: each comes as one value of bytes, read by numpy without a loop.

A million rows of twelve numbers take two seconds; as rows of Python objects they take twelve, and as COPY in binary,
which psycopg hands over row by row, six.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

FETCHED = 4_000
"""Rows that are in memory at once where a result is read in windows."""
Columns = dict[str, NDArray[Any]]
numbers = count()


@dataclass(frozen=True)
class Column:
    name: str
    kind: Literal["int", "bool"] = "int"


def read(sql: str, columns: list[Column], **values: Any) -> Columns:
    """The result of a query without a null, a column an array of int64 or bool; what is no whole number is floored.

    The order of rows is the same in all columns, and otherwise whatever the database likes.
    """
    sums = ", ".join(f"coalesce(string_agg({cast}, ''), '')" for cast in sent(columns))
    connection.ensure_connection()
    # Django's cursor asks for text; in binary nothing is written out and read in again.
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(f"SELECT count(*), {sums} FROM ({sql}) AS found ({named(columns)})", values, binary=True)
        row = cursor.fetchone()
    assert row is not None
    count, *found = row
    if any(len(one) != 8 * count for one in found):
        raise ValueError("A column of the query has a null.")
    return received(columns, [np.frombuffer(one, dtype=">i8") for one in found])


def read_windows(sql: str, columns: list[Column], *, size: int | None = None, **values: Any) -> Iterator[Columns]:
    """The same a window of `size` rows (FETCHED) at a time, in the order of the query, by a cursor of the server.

    Only inside a transaction. One window without rows where the result is empty.
    """
    whole = " || ".join(sent(columns))
    with server_cursor() as cursor:
        cursor.execute(f"SELECT {whole} FROM ({sql}) AS found ({named(columns)})", values, binary=True)
        rows = cursor.fetchmany(size or FETCHED)
        while True:
            table = np.frombuffer(b"".join(row for (row,) in rows), dtype=">i8").reshape(-1, len(columns))
            yield received(columns, list(table.T))
            if not (rows := cursor.fetchmany(size or FETCHED)):
                return


def whole(windows: Iterator[Columns], by: str) -> Iterator[Columns]:
    """The windows cut anew, so that all rows with one value of the column `by`, which come together, are in one."""
    rest: Columns | None = None
    for window in windows:
        joined = window if rest is None else {name: np.concatenate([rest[name], window[name]]) for name in window}
        key = joined[by]
        end = int(np.flatnonzero(key != key[-1])[-1]) + 1 if key.size and (key != key[-1]).any() else 0
        rest = {name: values[end:] for name, values in joined.items()}
        if end:
            yield {name: values[:end] for name, values in joined.items()}
    if rest is not None:
        yield rest


def server_cursor() -> psycopg.ServerCursor[Any]:
    """A cursor whose result stays with the server. Planned for all rows, not for the first few."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
    return psycopg.ServerCursor(connection.connection, f"numbers_{next(numbers)}")


def copy(table: str, *columns: NDArray[Any]) -> None:
    """Append rows to a table whose columns are all bigint, by COPY in binary."""
    wide: list[tuple[str, Any]] = [("count", ">i2")]
    for n in range(len(columns)):
        wide += [(f"size{n}", ">i4"), (f"value{n}", ">i8")]
    rows = np.zeros(columns[0].size, dtype=wide)
    rows["count"] = len(columns)
    for n, values in enumerate(columns):
        rows[f"size{n}"], rows[f"value{n}"] = 8, values
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as stream:
        stream.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")


def named(columns: list[Column]) -> str:
    return ", ".join(f"c{n}" for n in range(len(columns)))


def sent(columns: list[Column]) -> list[str]:
    """SQL for the eight bytes of each column."""
    return [
        f"int8send({f'floor(c{n})::int8' if one.kind == 'int' else f'c{n}::int::int8'})"
        for n, one in enumerate(columns)
    ]


def received(columns: list[Column], arrays: list[NDArray[Any]]) -> Columns:
    return {
        column.name: array.astype(np.int64 if column.kind == "int" else np.bool_)
        for column, array in zip(columns, arrays, strict=True)
    }
