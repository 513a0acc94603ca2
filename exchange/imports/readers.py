"""Rows that lie in lines, and what all readers share: each yields (line, row or Problem, the line's bytes if any).

Memory is bounded whatever the file holds: a line above MOST_LINE is counted and reported, never kept.
"""

from collections.abc import Iterator

import orjson

from exchange.imports.base import Problem, Row
from exchange.imports.unpack import Stream

MOST_LINE = 16 * 2**20
"""Bytes. A line of 16 MB is no prompt with answers."""
MOST_COLUMNS = 1_000
EXCERPT = 160

Line = tuple[int, Row | Problem, bytes | None]


def excerpt(raw: bytes | str, at: int = 0) -> str:
    """Around a place, on one line."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    start = max(0, at - EXCERPT // 2)
    shown = text[start : start + EXCERPT].replace("\x00", "␀")
    shown = "".join(sign if sign.isprintable() else " " for sign in shown)
    return ("…" if start else "") + shown + ("…" if start + EXCERPT < len(text) else "")


def lines(stream: Stream) -> Iterator[tuple[int, bytes | Problem, bool]]:
    """(number, the line without its end or what is wrong, whether it ended in a newline); blank lines too."""
    number, rest, dropped = 0, b"", 0
    first = True
    while piece := stream.read():
        if first:
            piece, first = piece.removeprefix(b"\xef\xbb\xbf"), False
        parts = piece.split(b"\n")
        if dropped:
            dropped += len(parts[0])
            if len(parts) == 1:
                continue
            number += 1
            yield number, too_long(number, dropped), True
            dropped, parts[0] = 0, b""
            parts.pop(0)
        parts[0] = rest + parts[0]
        rest = parts.pop()
        for part in parts:
            number += 1
            yield number, part if len(part) <= MOST_LINE else too_long(number, len(part)), True
        if len(rest) > MOST_LINE:
            dropped, rest = len(rest), b""
    if dropped:
        yield number + 1, too_long(number + 1, dropped), False
    elif rest:
        yield number + 1, rest, False


def too_long(number: int, size: int) -> Problem:
    return Problem(
        number, f"The line has {size / 2**20:,.0f} MB, {MOST_LINE / 2**20:,.0f} are allowed. Is a newline missing?"
    )


def jsonl(stream: Stream) -> Iterator[Line]:
    for number, raw, whole in lines(stream):
        if isinstance(raw, Problem):
            yield number, raw, None
        elif raw and not raw.isspace():
            yield number, parse_object(raw, number, whole=whole), raw


def parse_object(raw: bytes, number: int, *, whole: bool = True) -> Row | Problem:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return not_json(raw, number, error, whole=whole)
    if not isinstance(row, dict):
        kind = {list: "a list", str: "a text", bool: "true or false"}.get(type(row), "a number or nothing")
        return Problem(number, f"The line is {kind}, not an object in braces with a name for each value.", excerpt(raw))
    if len(row) > MOST_COLUMNS:
        return Problem(number, f"The line has {len(row):,} columns, {MOST_COLUMNS:,} are allowed.", excerpt(raw))
    return row


def not_json(raw: bytes, number: int, error: orjson.JSONDecodeError, *, whole: bool) -> Problem:
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return Problem(number, not_utf8(wrong), excerpt(raw, wrong.start))
    why = str(error).split(": line")[0]
    if b"\x00" in raw:
        why = "it holds NUL bytes, which no text has"
    elif "surrogate" in why:
        why = "it holds half of a character (a lone surrogate), which cannot be stored"
    elif "depth" in why or "recursion" in why.lower():
        why = "it is nested more than 1,000 deep"
    elif not whole and not raw.rstrip().endswith(b"}"):
        return Problem(
            number, "The last line is torn: the file ends in the middle of it. Was it cut off? Send it again.",
            excerpt(raw, max(len(raw) - EXCERPT // 2, 0)),
        )  # fmt: skip
    elif b"NaN" in raw[error.pos : error.pos + 4] or b"Infinity" in raw[error.pos : error.pos + 10]:
        why = "NaN and Infinity are no numbers of JSON; write null"
    return Problem(number, f"Not valid JSON at character {error.pos + 1}: {why}.", excerpt(raw, error.pos))


def not_utf8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return (
        f"Not UTF-8: the byte {byte:#04x} at place {error.start + 1}. The file may be in Latin-1 or Windows-1252: "
        "save it as UTF-8, then send it again."
    )
