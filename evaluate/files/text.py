"""Tables and options as the commands print and take them."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from math import isfinite


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as their longest cell: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, *rows]
    ]


def figure(value: float | None, places: int) -> str:
    return "n/a" if value is None else f"{value:.{places}f}"


def interval(low: float | None, high: float | None, places: int) -> str:
    return "" if low is None or high is None else f"{low:.{places}f} to {high:.{places}f}"


def plain(value: float) -> float | None:
    """A number that JSON can say, or None: a figure that is undefined is null."""
    return float(value) if isfinite(value) else None


def whole(text: str) -> int:
    """An option that is a whole number of at least 0."""
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
