"""One pass over a file: lines become records, records go to a plan in chunks, and wrong lines are told of."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from exchange.imports import values
from exchange.imports.base import Format, Mapping, Problem, Progress, Record, Row, UnreadableFile
from exchange.imports.mapping import Builder
from exchange.imports.plan import Plan
from exchange.imports.readers import excerpt
from exchange.imports.source import Source, source
from exchange.imports.turns import LineError

CHUNK = 4_000
"""Lines at a time."""
Bad = Callable[[Problem, Row | None, bytes | None], None]
"""(what is wrong, the row and the bytes of its line where it has any)"""
Read = tuple[list[Record], Row, bytes | None]
"""A line's records, its row, and its bytes where it has any."""
Seen = Callable[[Row, list[Row], list[Record]], None]
"""(a line's row, the flat rows that it was unfolded to, its records)"""


def builder_of(mapping: Mapping) -> Builder:
    """Raises ValueError with a sentence, UnreadableFile for the file of prompts."""
    return Builder(mapping, read_prompts(Path(mapping.prompts)) if mapping.prompts else None)


def read_prompts(path: Path) -> dict[str, str]:
    """A file with id and text (or prompt) a line -> {id: text}."""
    found: dict[str, str] = {}
    with opened(path, "") as there:
        for line, row, _ in there.rows:
            if isinstance(row, Problem):
                raise UnreadableFile(f"Line {line} of the prompts {path.name}: {row.what}")
            text = row.get("text", row.get("prompt", row.get("content")))
            key = values.plain(row.get("id", row.get("key", row.get("question_id"))))
            if not key or not isinstance(text, str) or not text.strip():
                raise UnreadableFile(f"Line {line} of the prompts {path.name} has no id or no text.")
            found[key] = text
    return found


@contextmanager
def opened(path: Path, filename: str) -> Iterator[Source]:
    if not path.exists():
        raise UnreadableFile(f"There is no file {path}.")
    with source(path, filename) as there:
        yield there


class Pass:
    """Reads a file once. `lines`, `bad` and `fits` count its lines."""

    def __init__(self, format: Format, builder: Builder, *, bad: Bad, seen: Seen | None = None) -> None:
        self.format, self.builder, self.tell, self.seen = format, builder, bad, seen
        self.lines = 0
        self.wrong: set[int] = set()
        self.bad = 0
        self.shape = ""
        self.writing = True

    def over(
        self, path: Path, plan: Plan, *, filename: str = "", progress: Progress | None = None, limit: int | None = None
    ) -> None:
        with opened(path, filename) as there, seldom_collected():
            if there.shape not in self.format.shapes:
                raise UnreadableFile(
                    f"{self.format.title} comes as {' or '.join(self.format.shapes)}, and this file is {there.shape}."
                )
            self.shape = there.shape
            waiting: list[Read] = []
            for line, row, raw in there.rows:
                self.lines += 1
                if isinstance(row, Problem):
                    self.refuse(row, None, raw)
                elif records := self.records(line, row, raw):
                    waiting.append((records, row, raw))
                if len(waiting) >= CHUNK:
                    self.hand_over(waiting, plan)
                    waiting = []
                    if progress:
                        progress(there.position(), there.size)
                if limit is not None and self.lines >= limit:
                    break
            self.hand_over(waiting, plan)
            plan.finish()
            if progress:
                progress(there.size, there.size)
        if not self.lines:
            raise UnreadableFile("There is no row in the file.")

    def hand_over(self, waiting: list[Read], plan: Plan) -> None:
        def refuse(place: int, error: LineError) -> None:
            records, row, raw = waiting[place]
            self.refuse(self.problem(records[0].line, error, row, raw), row, raw)

        plan.backend.writes &= self.writing
        plan.take([records for records, _, _ in waiting], refuse)

    def records(self, line: int, row: Row, raw: bytes | None) -> list[Record]:
        """None of a line's records where one of them is wrong."""
        try:
            flat = [row] if self.format.unfold is None else list(self.format.unfold(row))
            found = [self.builder.record(line, one) for one in flat]
        except LineError as error:
            self.refuse(self.problem(line, error, row, raw), row, raw)
            return []
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            what = f"The line is not as {self.format.title} writes it: {str(error)[:120] or type(error).__name__}."
            self.refuse(Problem(line, what, excerpt(raw) if raw else excerpt(str(row))), row, raw)
            return []
        if self.seen:
            self.seen(row, flat, found)
        return found

    def problem(self, line: int, error: LineError, row: Row, raw: bytes | None) -> Problem:
        what = str(error)
        return Problem(line, what if what.endswith(".") else f"{what}.", there(row, error.column, raw), error.column)

    def refuse(self, problem: Problem, row: Row | None, raw: bytes | None) -> None:
        if problem.line not in self.wrong:
            self.wrong.add(problem.line)
            self.bad += 1
        self.tell(problem, row, raw)

    @property
    def fits(self) -> int:
        return self.lines - self.bad


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Lines make many small objects and no cycles: looking for those at the usual pace takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def there(row: Row, column: str, raw: bytes | None) -> str:
    """The value that is wrong, with its name; else how the line begins."""
    if column in row:
        return excerpt(f"{column}: {dumped(row[column])}")
    return excerpt(raw if raw else dumped(row))


def dumped(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)
