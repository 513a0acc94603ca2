"""Argilla records, as JSON of version 2 (`records.to_json`) and as rows of version 1 and of the hub."""

from collections.abc import Iterator, Sequence
from typing import Any

from exchange.imports.base import Becomes, Format, Row
from exchange.imports.formats import tables
from exchange.imports.formats.common import OBJECTS, read, share


def is_record(row: Row) -> bool:
    return isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict | list)


def is_flat(row: Row) -> bool:
    """Questions as lists of {user_id, value, status}."""
    return any(
        isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {"user_id", "value"} <= set(value[0])
        for value in row.values()
    )


def fits(rows: Sequence[Row]) -> float:
    return 0.97 * max(share(rows, is_record), float(any(map(is_flat, rows))))


def unfold(row: Row) -> Iterator[Row]:
    """A row a person who submitted; a record without answers is one row without."""
    base, given = (fields_of(row), answers_of(row)) if is_record(row) else flat(row)
    for user, answers in given.items():
        yield {**base, **answers, "user_id": user}
    if not given:
        yield base


def fields_of(row: Row) -> Row:
    meta = row.get("metadata")
    fields: Row = dict(row["fields"])
    return {**(meta if isinstance(meta, dict) else {}), **fields}


def answers_of(row: Row) -> dict[str, Row]:
    found: dict[str, Row] = {}
    given: Any = row["responses"]
    if isinstance(given, dict):  # version 2: {question: [{value, user_id, status}]}
        for question, answers in given.items():
            collect(found, question, answers)
        return found
    for one in given:  # version 1: [{user_id, status, values: {question: {value}}}]
        if (
            isinstance(one, dict)
            and one.get("status", "submitted") == "submitted"
            and isinstance(one.get("values"), dict)
        ):
            mine = found.setdefault(str(one.get("user_id")), {})
            for question, value in one["values"].items():
                mine[question] = value.get("value") if isinstance(value, dict) else value
    return found


def collect(found: dict[str, Row], question: str, answers: Any) -> None:
    for one in answers if isinstance(answers, list) else ():
        if isinstance(one, dict) and one.get("status", "submitted") == "submitted":
            found.setdefault(str(one.get("user_id")), {})[question] = one.get("value")


def flat(row: Row) -> tuple[Row, dict[str, Row]]:
    base, found = {}, dict[str, Row]()
    for name, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and {"user_id", "value"} <= set(value[0]):
            collect(found, name, value)
        elif "-suggestion" not in name and ".suggestion" not in name and not (value == [] and name != "responses"):
            base[name] = value
    return base, found


def guess(rows: Sequence[Row]) -> dict[str, Becomes]:
    found = tables.guess(rows)
    sides = {one.side for one in found.values() if one.role == "response"}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = {str(row.get(name)).lower() for row in rows if row.get(name) not in (None, "")}
        if name in found or not values:
            continue
        if len(sides) == 2 and values <= {"a", "b", "tie", "left", "right", "response_a", "response_b", "1", "2", "0"}:
            found[name] = Becomes("winner")
        elif values <= {"1", "2", "3", "4", "5"}:
            found[name] = Becomes("rating", 0, name)
    return found


ARGILLA = Format(
    slug="argilla", title="Argilla", summary="records with fields and the answers of each person",
    shapes=OBJECTS, fits=fits, unfold=unfold, guess=guess, columns=read({"user_id": "rater"}),
)  # fmt: skip
