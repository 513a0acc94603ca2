"""The lines that were left out, with the reason each: CSV for a CSV, JSONL for all else."""

import csv
from pathlib import Path
from typing import IO, Any

import orjson

from exchange.imports.base import Problem, Row
from exchange.imports.reading import dumped

MOST_RAW = 1_000_000
"""Bytes of a line that are kept."""


class Report:
    """Written beside its place and put there by `keep`, so that a report is whole or not there."""

    def __init__(self, path: Path) -> None:
        self.path, self.draft = path, path.with_name(path.name + ".part")
        self.file: IO[str] | None = None
        self.lines = 0

    def add(self, problem: Problem, row: Row | None, raw: bytes | None) -> None:
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.draft.open("w", encoding="utf-8", errors="replace", newline="")
        self.lines += 1
        if self.path.suffix == ".csv":
            csv.writer(self.file).writerow(
                [problem.line, problem.what, *((row or {}).values()), *([] if row else [problem.there])]
            )
        else:
            self.file.write(self.as_json(problem, row, raw) + "\n")

    def as_json(self, problem: Problem, row: Row | None, raw: bytes | None) -> str:
        found: dict[str, Any] = {"line": problem.line, "reason": problem.what}
        if row is not None:
            try:
                return orjson.dumps({**found, "row": row}, default=str).decode()
            except (TypeError, orjson.JSONEncodeError):  # half a character, or a number too large
                return dumped({**found, "text": repr(row)[:MOST_RAW]})
        text = raw[:MOST_RAW].decode("utf-8", "replace") if raw else problem.there
        return dumped({**found, "text": text})

    def keep(self) -> Path | None:
        if self.file is None:
            return None
        self.file.close()
        self.draft.replace(self.path)
        return self.path

    def drop(self) -> None:
        if self.file is not None:
            self.file.close()
            self.draft.unlink(missing_ok=True)
