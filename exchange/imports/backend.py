"""Where a plan's rows go: nowhere (a check), or into PostgreSQL by COPY while the next lines are being read.

One thread owns the database connection and works through what it is handed, in order; meanwhile the other reads lines.
Sending and waiting for the server happen outside Python's lock, so both cores have work.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from django.db import connection

TABLES: dict[str, tuple[str, str]] = {
    "prompt": (
        "annotate_prompt",
        "id, project_id, key, messages, lang, tags, image_id, origin, created_at",
    ),
    "response": (
        "annotate_response",
        "id, prompt_id, model_id, job_id, text, setting, decoding, seed, sample, tokens, finish_reason, created_at",
    ),
    "task": (
        "annotate_task",
        "id, project_id, kind, protocol_id, prompt_id, parent_id, purpose, gold, criterion, two_prompts, lang, skill, "
        "wanted, ceiling, claimed, answered, priority, place, flagged, created_at",
    ),
    "task_response": ("annotate_taskresponse", "id, task_id, response_id, position"),
    "assignment": (
        "annotate_assignment",
        'id, task_id, annotator_id, status, lease_until, "order", step, draft, draft_version, skip_reason, flagged, '
        "created_at, finished_at",
    ),
    "feedback": (
        "annotate_feedback",
        'id, assignment_id, project_id, task_id, annotator_id, kind, step, origin, value, "order", preference, '
        '"right", comment, active_ms, idempotency_key, supersedes_id, created_at, withdrawn_at',
    ),
}
"""In the order in which they refer to each other."""
FIRST_BLOCK, LARGEST_BLOCK = 500, 50_000
WAITING = 2
"""Chunks that may wait for the database; more would only take memory."""


class Gone(Exception):
    """Rows that ours would refer to were deleted meanwhile; the message is the table."""


class Backend(Protocol):
    writes: bool
    ids: dict[str, Iterator[int]]

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def insert(self, sql: str, params: Sequence[Any]) -> int: ...

    def next_id(self, table: str) -> int: ...

    def keep(self, table: str, ids: Sequence[int]) -> None: ...

    def flush(self, rows: dict[str, list[str]]) -> None: ...


class Reading:
    """For a check: looks things up, gives out ids that mean nothing, writes nothing."""

    writes = False

    def __init__(self) -> None:
        given = itertools.count(1 << 40)  # beyond all real ids; never below 0, where Python hashes -1 as -2
        self.ids: dict[str, Iterator[int]] = dict.fromkeys(TABLES, given)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()

    def insert(self, sql: str, params: Sequence[Any]) -> int:
        return self.next_id("prompt")

    def next_id(self, table: str) -> int:
        return next(self.ids[table])

    def keep(self, table: str, ids: Sequence[int]) -> None:
        pass

    def flush(self, rows: dict[str, list[str]]) -> None:
        pass


class Writing:
    """Inside a transaction of the calling thread, whose connection nobody else touches until `close`."""

    writes = True

    def __init__(self) -> None:
        connection.ensure_connection()
        self.psycopg: Any = connection.connection
        self.as_django: Any = connection.wrap_database_errors
        """The driver's errors become Django's also in our thread: an IntegrityError is told in words."""
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="import")
        self.waiting: deque[Future[None]] = deque()
        self.spans: dict[str, tuple[int, int]] = {}
        """Lowest and highest id that were taken from each table's sequence."""
        self.sequences = {
            name: self.query("SELECT pg_get_serial_sequence(%s, 'id')", [table])[0][0]
            for name, (table, _) in TABLES.items()
        }
        self.ids = {name: self.numbers(name) for name in TABLES}
        self.trusted = self.trust()

    def trust(self) -> bool:
        """Let PostgreSQL take the references of our rows as they are, where our role may ask for that.

        Else it asks for each of the six references of a line by a query of its own: half of all the time. They hold
        because every row that is referred to is made in this transaction, or is locked by it (`keep`): the project,
        models, protocols, raters, prompts that are joined. Unique and check constraints are checked in any case.
        """
        may = self.query("SELECT has_parameter_privilege(current_user, 'session_replication_role', 'SET')")[0][0]
        if may:
            self.run("SET LOCAL session_replication_role = replica")
        else:  # deferred, as is usual, a million rows would wait in memory for the end
            self.run("SET CONSTRAINTS ALL IMMEDIATE")
        return bool(may)

    def keep(self, table: str, ids: Sequence[int]) -> None:
        """Let nobody delete rows that ours will refer to. Raises Gone where somebody has."""
        wanted = set(ids)
        if wanted:
            found = self.query(f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(wanted)])
            if len(found) < len(wanted):
                raise Gone(table)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        def execute() -> None:
            with self.as_django, self.psycopg.cursor() as cursor:
                cursor.execute(sql, params)

        self.worker.submit(execute).result()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        def ask() -> list[tuple[Any, ...]]:
            with self.as_django, self.psycopg.cursor() as cursor:
                found: list[tuple[Any, ...]] = cursor.execute(sql, params).fetchall()
                return found

        return self.worker.submit(ask).result()

    def insert(self, sql: str, params: Sequence[Any]) -> int:
        return int(self.query(sql, params)[0][0])

    # --- ids --------------------------------------------------------------------------------------------------

    def next_id(self, table: str) -> int:
        return next(self.ids[table])

    def numbers(self, table: str) -> Iterator[int]:
        """From the table's own sequence, in blocks; the next block is asked for while this one is used."""
        size = FIRST_BLOCK
        block = self.worker.submit(self.block_of, table, size)
        while True:
            ids = block.result()
            size = min(LARGEST_BLOCK, 4 * size)
            block = self.worker.submit(self.block_of, table, size)
            yield from ids

    def block_of(self, table: str, size: int) -> list[int] | range:
        with self.as_django, self.psycopg.cursor() as cursor:
            low, high, all_of_them = cursor.execute(
                "WITH given AS MATERIALIZED (SELECT nextval(%s::regclass) AS id FROM generate_series(1, %s)) "
                "SELECT min(id), max(id), CASE WHEN max(id) - min(id) >= %s THEN array_agg(id) END FROM given",
                [self.sequences[table], size, size],
            ).fetchone()
        known = self.spans.get(table, (low, high))
        self.spans[table] = (min(low, known[0]), max(high, known[1]))
        return all_of_them or range(low, high + 1)  # another process may have taken some in between

    # --- rows -------------------------------------------------------------------------------------------------

    def flush(self, rows: dict[str, list[str]]) -> None:
        """Hand a chunk to the database; waits where it is WAITING chunks behind. Raises what an earlier one raised."""
        while len(self.waiting) >= WAITING:
            self.waiting.popleft().result()
        self.waiting.append(
            self.worker.submit(self.copy, {name: "".join(lines).encode() for name, lines in rows.items()})
        )

    def copy(self, chunk: dict[str, bytes]) -> None:
        with self.as_django, self.psycopg.cursor() as cursor:
            for name, (table, columns) in TABLES.items():
                if content := chunk.get(name):
                    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        copy.write(content)

    def finish(self) -> None:
        while self.waiting:
            self.waiting.popleft().result()
        self.run("SET LOCAL session_replication_role = origin" if self.trusted else "SET CONSTRAINTS ALL DEFERRED")

    def close(self) -> None:
        """Wait for the thread; whatever it still had is dropped. The connection is the caller's again."""
        self.worker.shutdown(wait=True, cancel_futures=True)


def escaped(text: str) -> str:
    """For COPY's text format."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\t" in text:
        text = text.replace("\t", "\\t")
    return text.replace("\r", "\\r") if "\r" in text else text
