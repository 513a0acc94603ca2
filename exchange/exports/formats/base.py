"""What a format has to provide: for each kind of row that it can write, how, and with which columns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from exchange.exports.errors import ExportError
from exchange.exports.sources import Row

JSON_FILES = ("jsonl", "json")
ALL_FILES = ("jsonl", "json", "parquet", "csv")
Messages = list[dict[str, str]]

EXTRAS = (
    pa.field("split", pa.string()),
    pa.field("prompt_key", pa.string()),
    pa.field("lang", pa.string()),
    pa.field("source", pa.string()),
    pa.field("models", pa.list_(pa.string())),
    pa.field("strength", pa.float64()),
    pa.field("agreement", pa.float64()),
    pa.field("raters", pa.int32()),
    pa.field("people", pa.list_(pa.string())),
    pa.field("feedback_ids", pa.list_(pa.int64())),
)
"""Where a row of a dataset came from: columns that trainers pass over."""

KINDS = {
    "preference": "preference pairs", "unpaired": "rows with one answer that is good or bad",
    "sft": "prompts with one completion", "joint": "joint pairs, each side with its own prompt",
    "group": "prompts with many scored responses", "edit": "texts with token weights",
    "events": "the full history", "answers": "answers, one a row", "tasks": "answers",
    "items": "prompts with responses",
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """How one kind of row is written."""

    write: Callable[[Row], Iterator[Row]]
    columns: tuple[pa.Field, ...]
    """Names and types for Parquet and the header of CSV. JSON holds what `write` gives."""


@dataclass(frozen=True)
class Format:
    slug: str
    title: str
    summary: str
    """For its card: a few words on what a row is."""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """By kind of row: a row type of curate.rows, or events, answers, tasks, items. Empty: rows as they are."""
    files: tuple[str, ...] = ALL_FILES
    extras: bool = True
    """Whether readers of this format stand columns that they do not know."""
    together: bool = False
    """Whether the answers to a task are kept together: then answers are read as tasks."""
    ties: bool = True
    """Whether a pair that is a tie can be written; else such rows are left out."""
    beside: Callable[[str, str], dict[str, Any]] | None = None
    """(kind of row, name of the file) -> what has to be put into the reader's own settings."""


def holds(one: Format) -> str:
    """What a format can write, in words; empty where it takes everything."""
    return ", ".join(sorted({KINDS[name] for name in one.shapes}))


def shape_of(one: Format, kind: str, title: str) -> Shape:
    """The shape for this kind of row; ExportError that names what the format can write."""
    if kind in one.shapes:
        return one.shapes[kind]
    raise ExportError(
        f"{one.title} cannot hold {KINDS.get(kind, kind)}, which {title} is made of: it holds {holds(one)}. "
        "Choose another format, or “As they are”."
    )


def text_of(messages: Messages) -> str:
    """The only text of a completion, or the texts of several turns with an empty line between them."""
    return "\n\n".join(one["content"] for one in messages)


def prompt_text(messages: Messages) -> str:
    """A prompt as one text: a single question as it is, several turns as a transcript in the way of HH-RLHF."""
    if len(messages) == 1:
        return messages[0]["content"]
    named = {"user": "Human", "assistant": "Assistant"}
    turns = [
        one["content"] if one["role"] == "system" else f"{named.get(one['role'], one['role'])}: {one['content']}"
        for one in messages
    ]
    return "\n\n".join([*turns, "Assistant:"])


def strings(*names: str) -> tuple[pa.Field, ...]:
    return tuple(pa.field(name, pa.string()) for name in names)
