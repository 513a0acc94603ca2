"""TRL's conversational format: prompts and completions as lists of messages.

https://huggingface.co/docs/trl/dataset_formats. DPOTrainer and RewardTrainer read preference rows (the latter adds the
column margin to its loss), KTOTrainer unpaired ones, SFTTrainer prompts with completions.
"""

from collections.abc import Iterator

import pyarrow as pa

from curate.rows import MESSAGES
from exchange.exports.formats.base import Format, Shape
from exchange.exports.sources import Row

MARGIN = pa.field("margin", pa.float64())
LABEL = pa.field("label", pa.bool_())


def messages(*names: str) -> tuple[pa.Field, ...]:
    return tuple(pa.field(name, MESSAGES) for name in names)


def preference(row: Row) -> Iterator[Row]:
    yield {
        "prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"],
        "margin": row.get("margin") or 0.0,  # a loss cannot subtract nothing
    }  # fmt: skip


def unpaired(row: Row) -> Iterator[Row]:
    yield {"prompt": row["prompt"], "completion": row["completion"], "label": row["label"]}


def sft(row: Row) -> Iterator[Row]:
    yield {"prompt": row["prompt"], "completion": row["completion"]}


FORMAT = Format(
    "trl", "TRL, conversational", "prompt, chosen, rejected as message lists",
    {
        "preference": Shape(preference, (*messages("prompt", "chosen", "rejected"), MARGIN)),
        "unpaired": Shape(unpaired, (*messages("prompt", "completion"), LABEL)),
        "sft": Shape(sft, messages("prompt", "completion")),
    },
)  # fmt: skip
