"""What a file is, and what its columns are."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf
from pathlib import Path
from typing import Any

from exchange.imports.base import LEFT_OUT, Becomes, Column, Format, Mapping, Row, UnreadableFile
from exchange.imports.formats import FORMATS, tables
from exchange.imports.source import first_rows

LOOKED_AT = 200
"""Rows that a guess stands on."""
SHOWN = 80
DEEPEST = 3


def detect(path: Path, *, filename: str = "") -> list[tuple[Format, float]]:
    """Formats that fit the first lines, the likeliest first, with 0 to 1 each. Raises UnreadableFile.

    `filename`: what the person called it, where `path` has lost that.
    """
    shape, rows = first_rows(path, filename, LOOKED_AT)
    if not rows:  # every line is wrong: its check says how
        return [(FORMATS[shape], 0.1)] if shape in FORMATS else []
    found = [(one, fit(one, rows)) for one in FORMATS.values() if shape in one.shapes]
    return sorted(((one, sure) for one, sure in found if sure > 0.05), key=lambda pair: -pair[1])


def fit(format: Format, rows: Sequence[Row]) -> float:
    if format.needs and format.fits is None:
        return 0.96 * sum(all(name in row for name in format.needs) for row in rows) / len(rows)
    return format.fits(rows) if format.fits else 0.0


def unfolded(format: Format, rows: Sequence[Row]) -> Iterator[Row]:
    """Flat rows of those lines that can be unfolded."""
    for row in rows:
        try:
            yield from format.unfold(row) if format.unfold else (row,)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def columns(path: Path, format: Format, *, filename: str = "") -> list[Column]:
    """The columns of the first lines, with what each is guessed to become. Raises UnreadableFile."""
    shape, rows = first_rows(path, filename, LOOKED_AT)
    if shape not in format.shapes:
        raise UnreadableFile(f"{format.title} comes as {' or '.join(format.shapes)}, and this file is {shape}.")
    found = list(unfolded(format, rows))
    guessed = guess(format, found)
    names = names_of(found, guessed)
    sure = set(format.columns)
    return [
        Column(name, first_values(found, name), type_of(found, name), guessed.get(name, LEFT_OUT),
               sure=name in sure or name not in guessed or guessed[name].role != "winner")
        for name in names
    ]  # fmt: skip


def guess(format: Format, rows: Sequence[Row]) -> dict[str, Becomes]:
    flat = [flattened(row) for row in rows[:LOOKED_AT]] if format.slug in ("jsonl", "json", "parquet") else rows
    guessed = dict(format.guess(flat)) if format.guess else {}
    known = tables.known(format.columns, rows)
    taken = {str(one) for one in known.values()}
    alone = {"messages", "prompt", "key", "rater", "lang", "answered_at", "chosen", "rejected", "system", "seconds"}
    roles = {one.role for one in known.values()} & alone
    kept = {
        name: one
        for name, one in guessed.items()
        if (str(one) not in taken and one.role not in roles) or one.role == "winner"
    }
    found = {**kept, **known}
    if "messages" in roles and "prompt" in {one.role for one in found.values()}:
        found = {name: one for name, one in found.items() if one.role != "prompt"}
    return found


def guessed_mapping(path: Path, format: Format, *, filename: str = "") -> Mapping:
    """What becomes of the file if nobody says otherwise: `columns` as a Mapping, and a source."""
    found = {one.name: one.guessed for one in columns(path, format, filename=filename) if one.guessed.role != "skip"}
    return Mapping(columns=found, source=source_name(filename or path.name))


def source_name(name: str) -> str:
    """crowd-comparisons.csv.gz -> crowd-comparisons"""
    plain = re.sub(r"\.(gz|zst|zip|jsonl|ndjson|json|csv|tsv|parquet|xlsx|min)\b", "", name.lower())
    return plain[:60] or "file"


def flattened(row: MappingOf[str, Any], before: str = "", depth: int = 1) -> Row:
    """{"meta": {"cost": 1}} -> {"meta.cost": 1}; turns (role and content) stay whole."""
    found: Row = {}
    for name, value in row.items():
        turn = isinstance(value, dict) and ({"role", "content"} <= set(value) or {"from", "value"} <= set(value))
        if isinstance(value, dict) and value and not turn and depth < DEEPEST:
            found |= flattened(value, f"{before}{name}.", depth + 1)
        else:
            found[before + name] = value
    return found


def names_of(rows: Sequence[Row], guessed: MappingOf[str, Becomes]) -> list[str]:
    """Columns in the order of the file; those inside an object apart, where one of them is asked for or none is."""
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(row if set(row) & set(guessed) == set(row) else flattened(row))
        names |= dict.fromkeys(name for name in row if name in guessed)
    return [name for name in names if not (name not in guessed and any(name.startswith(f"{one}.") for one in guessed))][
        :1_000
    ]


def value_of(row: Row, name: str) -> Any:
    from exchange.imports.mapping import get_of

    return get_of(name)(row)


def first_values(rows: Sequence[Row], name: str, most: int = 3) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        value = value_of(row, name)
        if value not in (None, ""):
            text = " ".join((value if isinstance(value, str) else repr(value))[:400].split())
            found[text[: SHOWN - 1] + "…" if len(text) > SHOWN else text] = None
        if len(found) == most:
            break
    return list(found)


TYPES = {str: "text", bool: "true or false", int: "number", float: "number", list: "list", dict: "object"}


def type_of(rows: Sequence[Row], name: str) -> str:
    found = {TYPES.get(type(value), "text") for row in rows if (value := value_of(row, name)) not in (None, "")}
    return found.pop() if len(found) == 1 else "mixed" if found else "empty"
