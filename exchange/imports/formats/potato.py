"""Potato: the input items, and a folder a person whose user_state.json refers to them by id."""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from exchange.imports.base import Becomes, Format, Problem, Row, UnreadableFile
from exchange.imports.formats import tables
from exchange.imports.formats.common import read
from exchange.imports.readers import Line
from exchange.imports.unpack import Folder

STATE = "user_state.json"
LABELS = "instance_id_to_label_to_value"
KNOWN = read({"user": "rater", "text": "responses", "prompt": "prompt", "model_a": "model:a", "model_b": "model:b",
              "id": "key"})  # fmt: skip


def rows(files: Folder) -> Iterator[Line]:
    """A row an item and person, numbered on; an item that nobody answered is a row without an answer."""
    items = items_of(files)
    answers: dict[str, list[Row]] = {}
    for name in sorted(files.names):
        if posixpath.basename(name) == STATE:
            for item, row in answers_in(files, name):
                answers.setdefault(item, []).append(row)
    number = 0
    for item, row in items.items():
        for answer in answers.pop(item, [{}]):
            number += 1
            yield number, {**row, **answer}, None
    for item in answers:
        number += 1
        yield number, Problem(number, f"Somebody answered the item {item[:60]!r}, which is in no file of items."), None


def items_of(files: Folder) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for name in sorted(files.names):
        base = posixpath.basename(name)
        if base.endswith((".jsonl", ".json")) and base not in (
            STATE,
            "annotation_history.jsonl",
            "annotated_instances.jsonl",
        ):
            for line in files.read(name).splitlines():
                row = parsed(line, name) if line.strip() else None
                if isinstance(row, dict) and "id" in row:
                    found[str(row["id"])] = row
    if not found:
        raise UnreadableFile(
            "The folder has answers and no items: put the JSONL file of the items beside the people's folders."
        )
    return found


def answers_in(files: Folder, name: str) -> Iterator[tuple[str, Row]]:
    state = parsed(files.read(name), name)
    given = state.get(LABELS) if isinstance(state, dict) else None
    if not isinstance(given, dict):
        raise UnreadableFile(f"{name} has no {LABELS}, as Potato 2 writes it.")
    user = state.get("user_id") or posixpath.basename(posixpath.dirname(name))
    for item, labels in given.items():
        row: Row = {"user": str(user)}
        for one in labels if isinstance(labels, list) else ():
            if isinstance(one, list) and len(one) == 2 and isinstance(one[0], dict):
                row[str(one[0].get("schema"))] = one[1]
        if len(row) > 1:
            yield str(item), row


def parsed(raw: bytes, name: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UnreadableFile(f"{name} is not valid JSON: {error}.") from error


def guess(first: Sequence[Row]) -> dict[str, Becomes]:
    """Schemas of the questions have any name."""
    found = {name: one for name, one in tables.guess(first).items() if name not in ("user", "id")}
    for name in dict.fromkeys(name for row in first for name in row):
        values = {str(row.get(name)).lower() for row in first if row.get(name) not in (None, "")}
        if name in KNOWN or not values:
            continue
        if values <= {"a", "b", "tie", "left", "right", "1", "2"}:
            found[name] = Becomes("winner")
        elif values <= {"1", "2", "3", "4", "5"}:
            found[name] = Becomes("rating", 0, name)
    return found


POTATO = Format(
    slug="potato", title="Potato", summary="a folder (or a zip) with the items and a user_state.json a person",
    shapes=("folder",), fits=lambda rows: 1.0, guess=guess, columns=KNOWN,
)  # fmt: skip
