"""What an import would do, with nothing written."""

from pathlib import Path

from accounts.models import Project
from annotate.models import Protocol
from exchange.imports.base import Check, Format, Mapping, Progress


def check(
    path: Path, format: Format, mapping: Mapping, project: Project, *, as_tasks: bool = False, wanted: int = 1,
    protocol: Protocol | None = None, progress: Progress | None = None, limit: int | None = None, filename: str = "",
) -> Check:  # fmt: skip
    """Read every line (or the first `limit`), count what it would become, and keep what is wrong with which.

    Raises UnreadableFile, and ValueError with a sentence for a mapping that makes no record (no prompt, no vote).
    """
    raise NotImplementedError
