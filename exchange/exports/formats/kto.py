"""KTO: one answer and whether it is good. A pair becomes two rows; of a tie neither answer is good or bad."""

from collections.abc import Iterator

from exchange.exports.formats.base import Format, Shape
from exchange.exports.formats.trl import LABEL, messages, unpaired
from exchange.exports.sources import Row


def preference(row: Row) -> Iterator[Row]:
    if row.get("tie"):
        return
    for name, label in (("chosen", True), ("rejected", False)):
        yield {"prompt": row["prompt"], "completion": row[name], "label": label}


COLUMNS = (*messages("prompt", "completion"), LABEL)
FORMAT = Format(
    "kto", "KTO", "one answer and a label a row, two rows of a pair",
    {"preference": Shape(preference, COLUMNS), "unpaired": Shape(unpaired, COLUMNS)},
    ties=False,
)  # fmt: skip
