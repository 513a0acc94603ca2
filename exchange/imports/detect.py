"""What a file is, and what its columns are."""

from pathlib import Path

from exchange.imports.base import Column, Format, Mapping


def detect(path: Path, *, filename: str = "") -> list[tuple[Format, float]]:
    """Formats that fit the first lines, the likeliest first, with 0 to 1 each. Raises UnreadableFile.

    `filename`: what the person called it, where `path` has lost that.
    """
    raise NotImplementedError


def columns(path: Path, format: Format, *, filename: str = "") -> list[Column]:
    """The columns of the first lines, with what each is guessed to become. Raises UnreadableFile."""
    raise NotImplementedError


def guessed_mapping(path: Path, format: Format, *, filename: str = "") -> Mapping:
    """What becomes of the file if nobody says otherwise: `columns` as a Mapping, and a source."""
    raise NotImplementedError
