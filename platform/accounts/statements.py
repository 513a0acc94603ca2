"""SQL that is written out, for what happens at every request and every answer.

Building a query with the ORM costs more than PostgreSQL needs to run it: 0.4 ms against 0.1 ms. Statements that run
here are prepared, so PostgreSQL parses and plans them once a connection; and rows become ordinary model instances.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import JSONField, Model

M = TypeVar("M", bound=Model)


class Rows(Generic[M]):
    """Instances of a model from rows that hold all its columns in order."""

    def __init__(self, model: type[M]) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.names = [field.attname for field in fields]
        self.columns = ", ".join(f'{model._meta.db_table}."{field.column}"' for field in fields)
        self.json = [number for number, field in enumerate(fields) if isinstance(field, JSONField)]

    def __len__(self) -> int:
        return len(self.names)

    def make(self, row: Sequence[Any]) -> M:
        values = list(row)
        for number in self.json:
            if isinstance(values[number], str):  # Django's connections hand JSON over as text
                values[number] = json.loads(values[number])
        return self.model.from_db("default", self.names, values)


@contextmanager
def prepared() -> Iterator[CursorWrapper]:
    """A cursor that binds on the server, and keeps the plan of what it runs often (setting PREPARED_STATEMENTS).

    It is of Django's connection, with its errors, its transaction and its record of queries.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = connection._prepare_cursor(psycopg.Cursor(connection.connection))  # type: ignore[attr-defined]
    with cursor:
        yield cursor


def run(sql: str, params: Sequence[Any] | dict[str, Any]) -> int:
    """Execute; returns the number of rows."""
    with prepared() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def fetch(sql: str, params: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with prepared() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def one(rows: Rows[M], sql: str, params: Sequence[Any] | dict[str, Any]) -> M | None:
    found = fetch(sql, params)
    return rows.make(found[0]) if found else None
