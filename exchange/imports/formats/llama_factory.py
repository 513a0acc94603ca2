"""ShareGPT conversations, and what LLaMA-Factory trains from: preference pairs, KTO, supervised."""

from collections.abc import Sequence

from exchange.imports.base import Format, Row
from exchange.imports.formats.common import OBJECTS, read, share


def turns_in(row: Row, *names: str) -> bool:
    """Whether one of the columns is a list of turns."""
    return any(isinstance(row.get(name), list) and bool(row[name]) and isinstance(row[name][0], dict) for name in names)


def fits_sharegpt(rows: Sequence[Row]) -> float:
    return 0.9 * share(
        rows, lambda row: turns_in(row, "conversations") and not {"chosen", "label", "kto_tag"} & set(row)
    )


def fits_dpo(rows: Sequence[Row]) -> float:
    def one(row: Row) -> bool:
        asked = turns_in(row, "conversations", "messages") or "instruction" in row
        return asked and bool(row.get("chosen")) and bool(row.get("rejected"))

    return 0.95 * share(rows, one)


def fits_kto(rows: Sequence[Row]) -> float:
    def one(row: Row) -> bool:
        asked = turns_in(row, "messages", "conversations") or ("instruction" in row and "output" in row)
        return asked and any(isinstance(row.get(name), bool) for name in ("label", "kto_tag"))

    return 0.95 * share(rows, one)


def fits_sft(rows: Sequence[Row]) -> float:
    wanted = {"instruction", "output"}
    known = {*wanted, "input", "system", "history"}
    return share(rows, lambda row: wanted <= set(row) and set(row) <= known) * 0.9


SHAREGPT = Format(
    slug="sharegpt", title="ShareGPT", summary="conversations of human and gpt; the last answer is the response",
    shapes=OBJECTS, fits=fits_sharegpt,
    columns=read({"conversations": "messages", "system": "system", "id": "key", "model": "model:a"}),
)  # fmt: skip
DPO = Format(
    slug="llama-factory-dpo", title="LLaMA-Factory, preferences", summary="a chosen and a rejected answer",
    shapes=OBJECTS, fits=fits_dpo,
    columns=read({
        "conversations": "messages", "messages": "messages", "instruction": "prompt", "input": "input",
        "system": "system", "history": "history", "chosen": "chosen", "rejected": "rejected",
    }),
)  # fmt: skip
KTO = Format(
    slug="llama-factory-kto", title="LLaMA-Factory, KTO", summary="a conversation whose last answer is good or bad",
    shapes=OBJECTS, fits=fits_kto,
    columns=read({
        "messages": "messages", "conversations": "messages", "instruction": "prompt", "input": "input",
        "system": "system", "output": "response:a", "label": "label", "kto_tag": "label",
    }),
)  # fmt: skip
SFT = Format(
    slug="llama-factory-sft", title="LLaMA-Factory, supervised", summary="instruction, input and output (Alpaca)",
    shapes=("jsonl", "json", "parquet", "csv"), fits=fits_sft,
    columns=read({
        "instruction": "prompt", "input": "input", "output": "response:a", "system": "system", "history": "history",
    }),
)  # fmt: skip
