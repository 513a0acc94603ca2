"""What a source of rows has to provide."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from django.db import connection, transaction
from django.db.models import QuerySet

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Rows in a fixed order, read as they are asked for."""

    kind: str
    """What a row is: a row type of curate.rows, or events, answers, tasks, items. Formats are chosen by it."""
    title: str
    """For messages: "prefs-v3", "the answers of Helpful"."""
    rows: Callable[[], Iterator[Row]]
    count: Callable[[int | None], int]
    """Rows that will come, counted no further than the limit that is given; None counts all of them."""
    schema: pa.Schema | None = None
    """Of the rows as they are, for the plain format."""
    lines: Callable[[bool], Iterator[bytes]] | None = None
    """The same rows as lines of JSON made by the database; with True, free-form values are texts of JSON."""
    estimate: Callable[[], int] | None = None
    """About how many rows, at once however many; None where `count` knows without counting."""

    def more_than(self, rows: int) -> bool:
        return self.count(rows + 1) > rows


def counting(rows: QuerySet[Any]) -> Callable[[int | None], int]:
    """`Source.count` of the rows of a query."""
    return lambda limit: rows.order_by()[:limit].count()


def estimating(rows: QuerySet[Any]) -> Callable[[], int]:
    """`Source.estimate` of the rows of a query: what PostgreSQL plans for, from its statistics of the table."""

    def estimate() -> int:
        plan = json.loads(rows.order_by().values("pk").explain(format="json"))
        return int(plan[0]["Plan"]["Plan Rows"])

    return estimate


@contextmanager
def snapshot() -> Iterator[None]:
    """All queries inside see one moment: what is answered meanwhile is in the next export, not half in this one."""
    if connection.in_atomic_block:  # as in a test: then the transaction around is the snapshot
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def json_text(name: str) -> pa.Field:
    """A column whose values have no fixed shape: texts of JSON in Parquet and CSV, as they are in JSON."""
    return pa.field(name, pa.string(), metadata={"json": "1"})


def is_json_text(field: pa.Field) -> bool:
    return bool(field.metadata and field.metadata.get(b"json"))
