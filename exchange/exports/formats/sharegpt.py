"""ShareGPT as LLaMA-Factory reads it: conversations with chosen and rejected (DPO), messages with a label (KTO), and
conversations (SFT). What goes into LLaMA-Factory's dataset_info.json comes beside the file."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from curate.rows import MESSAGES
from exchange.exports.formats.base import Format, Messages, Shape
from exchange.exports.formats.trl import LABEL
from exchange.exports.sources import Row

TURN = pa.struct([("from", pa.string()), ("value", pa.string())])
CONVERSATIONS = pa.field("conversations", pa.list_(TURN))
FROM = {"user": "human", "assistant": "gpt", "system": "system"}
TAGS = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
    "system_tag": "system",
}  # fmt: skip
INFO: dict[str, dict[str, Any]] = {
    "preference": {
        "ranking": True, "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
    },
    "unpaired": {"columns": {"messages": "messages", "kto_tag": "label"}, "tags": TAGS},
    "sft": {"columns": {"messages": "conversations"}},
}  # fmt: skip


def turns(messages: Messages) -> list[dict[str, str]]:
    return [{"from": FROM.get(one["role"], one["role"]), "value": one["content"]} for one in messages]


def preference(row: Row) -> Iterator[Row]:
    yield {
        "conversations": turns(row["prompt"]), "chosen": turns(row["chosen"])[-1],
        "rejected": turns(row["rejected"])[-1],
    }  # fmt: skip


def unpaired(row: Row) -> Iterator[Row]:
    yield {"messages": [*row["prompt"], *row["completion"]], "label": row["label"]}


def sft(row: Row) -> Iterator[Row]:
    yield {"conversations": turns([*row["prompt"], *row["completion"]])}


def beside(kind: str, filename: str) -> dict[str, Any]:
    """An entry of dataset_info.json."""
    name = filename.partition(".")[0].replace("-", "_")
    return {name: {"file_name": filename, "formatting": "sharegpt", **INFO[kind]}}


FORMAT = Format(
    "sharegpt", "ShareGPT, LLaMA-Factory", "conversations with chosen and rejected",
    {
        "preference": Shape(preference, (CONVERSATIONS, pa.field("chosen", TURN), pa.field("rejected", TURN))),
        "unpaired": Shape(unpaired, (pa.field("messages", MESSAGES), LABEL)),
        "sft": Shape(sft, (CONVERSATIONS,)),
    },
    files=("jsonl", "json", "parquet"),
    beside=beside,
)  # fmt: skip
