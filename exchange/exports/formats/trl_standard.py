"""TRL's standard format: prompts and completions as plain text, which no chat template is applied to."""

from collections.abc import Iterator

from exchange.exports.formats.base import Format, Shape, prompt_text, strings, text_of
from exchange.exports.formats.trl import LABEL, MARGIN
from exchange.exports.sources import Row


def preference(row: Row) -> Iterator[Row]:
    yield {
        "prompt": prompt_text(row["prompt"]), "chosen": text_of(row["chosen"]), "rejected": text_of(row["rejected"]),
        "margin": row.get("margin") or 0.0,
    }  # fmt: skip


def unpaired(row: Row) -> Iterator[Row]:
    yield {"prompt": prompt_text(row["prompt"]), "completion": text_of(row["completion"]), "label": row["label"]}


def sft(row: Row) -> Iterator[Row]:
    yield {"prompt": prompt_text(row["prompt"]), "completion": text_of(row["completion"])}


FORMAT = Format(
    "trl_standard", "TRL, standard", "prompt, chosen, rejected as text",
    {
        "preference": Shape(preference, (*strings("prompt", "chosen", "rejected"), MARGIN)),
        "unpaired": Shape(unpaired, (*strings("prompt", "completion"), LABEL)),
        "sft": Shape(sft, strings("prompt", "completion")),
    },
)  # fmt: skip
