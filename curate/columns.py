"""Columns of numbers straight from the database: COPY in PostgreSQL's binary format, read by numpy without a loop."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from django.db import connection
from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\0"


@dataclass(frozen=True)
class Column:
    name: str
    kind: Literal["int", "bool"] = "int"


def read(sql: str, columns: list[Column], **values: Any) -> dict[str, NDArray[Any]]:
    """The result of a query without a null, a column an array of int64 or bool; what is no whole number is floored.

    A record has a fixed width, which is what lets numpy read all of them at once: two bytes of how many fields there
    are, then four bytes of length and the value of each.
    """
    outer = ", ".join(
        f"floor(c{n})::int8" if column.kind == "int" else f"c{n}::int::int8" for n, column in enumerate(columns)
    )
    names = ", ".join(f"c{n}" for n in range(len(columns)))
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY (SELECT {outer} FROM ({sql}) AS found ({names})) TO STDOUT (FORMAT binary)", values) as copy,
    ):
        raw = b"".join(copy)
    record = np.dtype(
        [("fields", ">i2")] + [part for n in range(len(columns)) for part in ((f"size{n}", ">i4"), (f"c{n}", ">i8"))]
    )
    if not raw.startswith(SIGNATURE):
        raise ValueError("The database sent something else than COPY in its binary format.")
    start = len(SIGNATURE) + 8 + int.from_bytes(raw[len(SIGNATURE) + 4 : len(SIGNATURE) + 8], "big")
    if (len(raw) - start - 2) % record.itemsize:
        raise ValueError("A column of the query has a null.")
    rows = np.frombuffer(raw, dtype=record, offset=start, count=(len(raw) - start - 2) // record.itemsize)
    return {
        column.name: rows[f"c{n}"].astype(np.int64 if column.kind == "int" else np.bool_)
        for n, column in enumerate(columns)
    }
