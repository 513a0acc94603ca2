"""Label Studio: JSON (tasks with annotations), JSON_MIN and CSV (a row an annotation, named by its controls)."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from exchange.imports.base import Becomes, Format, Row
from exchange.imports.formats import tables
from exchange.imports.formats.common import read, share

OURS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")
KNOWN = read({"annotator": "rater", "created_at": "answered_at", "lead_time": "seconds"})


def fits_full(rows: Sequence[Row]) -> float:
    return 0.99 * share(
        rows, lambda row: isinstance(row.get("annotations"), list) and isinstance(row.get("data"), dict)
    )


def unfold_full(row: Row) -> Iterator[Row]:
    """A row an annotation that was not cancelled; a task without any is a row without answers."""
    data: dict[str, Any] = row["data"]
    given = [one for one in row["annotations"] if isinstance(one, dict) and not one.get("was_cancelled")]
    for one in given:
        answered: Row = {}
        for result in one.get("result", ()):
            if isinstance(result, dict) and isinstance(result.get("value"), dict):
                answered.setdefault(str(result.get("from_name")), said(result["value"]))
        rater = one.get("completed_by")
        if isinstance(rater, dict):
            rater = rater.get("email") or rater.get("id")
        named = answered.pop("rater", None)  # as our own export names them: there they are no users
        yield {
            **data,
            **answered,
            "annotator": named or rater,
            "created_at": one.get("created_at"),
            "lead_time": one.get("lead_time"),
        }
    if not given:
        yield dict(data)


def said(value: Any) -> Any:
    """The answer in a control's value: {"selected": "left"}, {"rating": 4}, {"choices": [..]}, {"text": [..]}."""
    if isinstance(value, list) and value:
        return said(value[0])
    if not isinstance(value, dict):
        return value
    for name in ("selected", "rating", "number", "ranker"):
        if name in value:
            return value[name]
    for name in ("choices", "text"):
        if isinstance(value.get(name), list):
            return "\n".join(map(str, value[name]))
        if name in value:
            return value[name]
    return None


def fits_rows(rows: Sequence[Row]) -> float:
    return 0.97 * share(rows, lambda row: "annotation_id" in row and "annotator" in row and "lead_time" in row)


def fits_min(rows: Sequence[Row]) -> float:
    return 0.97 * max(
        share(rows, lambda row: "annotation_id" in row and "lead_time" in row), fits_rows(rows) and 1.0
    )  # fmt: skip


def unfold_row(row: Row) -> list[Row]:
    """In CSV the answers are JSON in cells."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, str) and value.startswith(('[{"', '{"')):
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        found[name] = said(value) if isinstance(value, list | dict) and name not in OURS else value
    return [found]


def guess(rows: Sequence[Row]) -> dict[str, Becomes]:
    """Controls have any name: their values tell left or right, a rating, a tie."""
    found = tables.guess(rows)
    for name in ("id", "annotation_id", "updated_at"):
        found.pop(name, None)
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in OURS]
    for name in names:
        values = {str(row.get(name)).lower() for row in rows if row.get(name) not in (None, "")}
        if (values and values <= {"left", "right"}) or (values and values <= {"tie", "equal", "same"}):
            found[name] = Becomes("winner")
        elif name not in found and values and values <= {"1", "2", "3", "4", "5"}:
            found[name] = Becomes("rating", 0, name)
    return found


FULL = Format(
    slug="label-studio", title="Label Studio, JSON", summary="tasks with all their annotations",
    shapes=("json", "jsonl"), fits=fits_full, unfold=unfold_full, guess=guess, columns=KNOWN,
)  # fmt: skip
MIN = Format(
    slug="label-studio-min", title="Label Studio, JSON_MIN or CSV", summary="a row an annotation",
    shapes=("json", "jsonl", "csv"), fits=fits_min, unfold=unfold_row, guess=guess, columns=KNOWN,
)  # fmt: skip
