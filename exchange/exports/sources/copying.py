"""Rows of a query as lines of JSON, made by PostgreSQL and copied out: about the fastest way there is.

A query is run over ranges of ids. Each range is small, so the server keeps little in memory and plans look-ups by
index, and the order is that of the ids whatever else the table holds.
"""

from collections.abc import Generator, Mapping
from typing import Any

from django.db import connection, transaction

RANGE = 20_000
"""Ids a query. At 1,000,000 answers ranges of 5,000 to 50,000 take the same time within a tenth."""
# Raw: neither character can occur in JSON as PostgreSQL writes it, so nothing is quoted or escaped.
AS_LINES = "COPY (SELECT row_to_json(q) FROM ({query}) AS q) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"


def copy_lines(query: str, params: Mapping[str, Any], *, low: int, high: int) -> Generator[bytes, None, None]:
    """The lines, each ended by a line feed. `query` is bounded by %(low)s and %(high)s and ordered by id."""
    command = AS_LINES.format(query=query)
    # Django's cursor lends the driver's own, which knows COPY.
    with connection.cursor() as cursor:
        driver = cursor.cursor
        for start in range(low, high + 1, RANGE):
            given = {**params, "low": start, "high": min(start + RANGE - 1, high)}
            # A reader that stops in the middle, as a page that shows the first rows does, cancels the copy: that spoils
            # no more than the savepoint.
            with transaction.atomic(), driver.copy(command, given) as copy:
                yield from map(bytes, copy)


def bounds(table: str, project_id: int) -> tuple[int, int]:
    """Smallest and largest id of the project's rows; (0, -1) where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id), max(id) FROM {table} WHERE project_id = %s", [project_id])
        low, high = cursor.fetchone()
    return (low, high) if low is not None else (0, -1)
