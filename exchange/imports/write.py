"""A file into the project: all of it or nothing, or all that fits with a report of the rest."""

from pathlib import Path
from typing import Literal

from accounts.models import Project, User
from annotate.models import Protocol
from exchange.imports.base import Format, Mapping, Outcome, Progress

OnBad = Literal["refuse", "skip"]


def write(
    path: Path, format: Format, mapping: Mapping, project: Project, user: User | None, *, on_bad: OnBad = "refuse",
    as_tasks: bool = False, wanted: int = 1, protocol: Protocol | None = None, report: Path | None = None,
    progress: Progress | None = None, filename: str = "",
) -> Outcome:  # fmt: skip
    """One transaction: until it is done nobody sees any of it.

    as_tasks: items without votes become open tasks of `wanted` raters under `protocol` (None: one comparison).
    report: where the lines that were left out are written, in the file's own shape with `line` and `reason` beside.
    Raises Refused (on_bad = "refuse" and a line is wrong), UnreadableFile, ValueError as `check` does.
    """
    raise NotImplementedError
