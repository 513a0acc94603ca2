"""JSON Lines, and one list of JSON for readers that want a whole document."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

BATCH = 500


def blocks_of_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that end with a line feed already, put together so that writing them costs little."""
    for some in batches(lines):
        yield b"".join(some)


def lines(rows: Iterable[Any]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE)


def blocks_of_list(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`[`, the rows with commas between, `]`."""
    before = b"[\n"
    for some in batches(lines):
        yield before + b",\n".join(line.rstrip(b"\n") for line in some)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(lines)
    while some := list(islice(iterator, BATCH)):
        yield some
