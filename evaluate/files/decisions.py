"""The decisions of a judge, from the rows of a CSV file."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluate.files.table import FileProblem, Table, number, read, short
from evaluate.stats.decisions import TIE, UNPARSEABLE

COLUMNS = ("item", "label", "first", "second")
LABELS = {1.0: 1, 2.0: 2}
CHOICES = {1.0: 1, 2.0: 2, 0.0: TIE}
NO_SUBSET = "(none)"


@dataclass(frozen=True)
class Decisions:
    """(items,) each; see evaluate.stats.decisions.judge_report. `subsets`: names in the order of the file."""

    labels: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    subset: NDArray[np.object_]
    subsets: tuple[str, ...]


def decisions(path: str, *, encoding: str = "utf-8-sig") -> Decisions:
    rows = read(path, COLUMNS, optional=("subset",), encoding=encoding)
    subset = [name or NO_SUBSET for name in rows.columns.get("subset", [""] * len(rows))]
    once(rows, list(zip(subset, rows.filled("item"), strict=True)), "item")
    names = tuple(dict.fromkeys(subset)) if "subset" in rows.columns else ()
    return Decisions(
        codes(rows, "label", LABELS, None), codes(rows, "first", CHOICES, UNPARSEABLE),
        codes(rows, "second", CHOICES, UNPARSEABLE), np.array(subset, dtype=object), names,
    )  # fmt: skip


def codes(rows: Table, column: str, known: Mapping[float, int], empty: int | None) -> NDArray[np.int64]:
    """The column as whole numbers. 1.0 is 1: spreadsheets write that where other cells are empty."""
    found = []
    for text, line in zip(rows.columns[column], rows.lines, strict=True):
        value = number(text)
        if not text and empty is not None:
            found.append(empty)
        elif value is not None and value in known:
            found.append(known[value])
        else:
            may = ", ".join(f"{key:g}" for key in known) + (" or nothing" if empty is not None else "")
            raise FileProblem(f"Line {line} has {short(text)!r} in the column {column!r}. It may be {may}.")
    return np.array(found, dtype=np.int64)


def once(rows: Table, keys: list[tuple[str, ...]], what: str) -> None:
    """Refuse a key that a second row has."""
    seen: dict[tuple[str, ...], int] = {}
    for key, line in zip(keys, rows.lines, strict=True):
        if key in seen:
            named = ", ".join(part for part in key if part != NO_SUBSET)
            raise FileProblem(f"Lines {seen[key]} and {line} are the same {what}, {short(named)}. Remove one of them.")
        seen[key] = line
