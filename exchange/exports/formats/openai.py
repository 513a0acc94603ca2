"""JSON Lines for OpenAI's fine-tuning: chats (supervised), and input with a preferred and another output (DPO).

https://platform.openai.com/docs/guides/fine-tuning. Unknown keys are refused there, so nothing is added.
"""

from collections.abc import Iterator

from exchange.exports.formats.base import Format, Shape
from exchange.exports.sources import Row


def preference(row: Row) -> Iterator[Row]:
    if row.get("tie"):  # there is no way to say it
        return
    yield {
        "input": {"messages": row["prompt"], "tools": [], "parallel_tool_calls": True},
        "preferred_output": row["chosen"], "non_preferred_output": row["rejected"],
    }  # fmt: skip


def sft(row: Row) -> Iterator[Row]:
    yield {"messages": [*row["prompt"], *row["completion"]]}


FORMAT = Format(
    "openai", "OpenAI fine-tuning", "chats, or input with preferred and other output",
    {"preference": Shape(preference, ()), "sft": Shape(sft, ())},
    files=("jsonl",), extras=False, ties=False,
)  # fmt: skip
