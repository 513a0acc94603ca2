"""What rows look like: one type a trainer's contract, with where each row came from in columns of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

PROVENANCE = (
    ("prompt_key", pa.string()),
    ("lang", pa.string()),
    ("source", pa.string()),  # the builder's slug
    ("models", pa.list_(pa.string())),  # who wrote the texts, in the order of the row's texts; "" for nobody known
    ("seed", pa.int64()),  # of what was drawn; 0 where nothing was
    ("raters", pa.int32()),
    ("agreement", pa.float64()),  # null where a row does not stand on agreement
    ("simulated", pa.int32()),
    ("feedback_ids", pa.list_(pa.int64())),
)
"""Columns that every row has, whatever its type."""


@dataclass(frozen=True)
class RowType:
    """A shape of rows: the columns before PROVENANCE."""

    slug: str
    title: str
    columns: tuple[tuple[str, pa.DataType], ...]
    trained_by: str
    """Which of the field's trainers read it, in words."""
    texts: tuple[str, ...]
    """Columns whose tokens count towards a row's length: the prompt first, then what is written for it."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.columns, *PROVENANCE])


PREFERENCE = RowType(
    "preference", "Preference pairs",
    (
        ("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES),
        ("margin", pa.float64()),  # what the recipe's `margin` says
        ("strength", pa.float64()),  # mean strength towards the chosen response, 0 to 3; null where nobody said
        ("disagreement", pa.float64()),  # share of raters not on the chosen side, 0 to 0.5
        ("weight", pa.float64()),  # 1, or 0.5 for each order of a tie
        ("tie", pa.bool_()),
        ("chosen_score", pa.float64()), ("rejected_score", pa.float64()),  # of a reward model or rubric; else null
        ("chosen_finished", pa.bool_()), ("rejected_finished", pa.bool_()),
        ("chosen_first", pa.float64()),  # share of the raters who saw the chosen response first; null where unknown
    ),
    "reward models, DPO and its relatives", ("prompt", "chosen", "rejected"),
)  # fmt: skip
UNPAIRED = RowType(
    "unpaired", "Unpaired, good or bad",
    (("prompt", MESSAGES), ("completion", MESSAGES), ("label", pa.bool_())),
    "KTO", ("prompt", "completion"),
)  # fmt: skip
SFT = RowType(
    "sft", "Prompt and completion",
    (
        ("prompt", MESSAGES), ("completion", MESSAGES),
        ("weight", pa.float64()),  # of the row in the loss; 1 where the recipe does not say otherwise
        ("task", pa.string()),  # what the row teaches: answer, critique, revision, verdict, rationale
    ),
    "supervised fine-tuning, of policies and of judges", ("prompt", "completion"),
)  # fmt: skip
JOINT = RowType(
    "joint", "Joint pairs, each with its own prompt",
    (
        ("prompt_chosen", MESSAGES), ("chosen", MESSAGES), ("prompt_rejected", MESSAGES), ("rejected", MESSAGES),
        ("margin", pa.float64()), ("tie", pa.bool_()),
    ),
    "joint preference optimisation (DOVE)", ("prompt_chosen", "chosen", "rejected"),
)  # fmt: skip
GROUP = RowType(
    "group", "One prompt, many scored responses",
    (
        ("prompt", MESSAGES), ("responses", pa.list_(pa.string())), ("scores", pa.list_(pa.float64())),
        ("positive", pa.list_(pa.int32())), ("negative", pa.list_(pa.int32())),  # places in `responses`
        ("weights", pa.list_(pa.float64())),  # of each response when the subset was chosen
    ),
    "multi-preference losses (AMPO)", ("prompt", "responses"),
)  # fmt: skip
EDIT = RowType(
    "edit", "Original and revised text with token weights",
    (
        ("prompt", MESSAGES), ("original", pa.string()), ("revised", pa.string()),
        ("original_ids", pa.list_(pa.int32())), ("original_weights", pa.list_(pa.float32())),
        ("revised_ids", pa.list_(pa.int32())), ("revised_weights", pa.list_(pa.float32())),
        ("tokenizer", pa.string()),
    ),
    "fine-grained imitation (FIGA)", ("prompt", "revised"),
)  # fmt: skip

ROW_TYPES = {one.slug: one for one in (PREFERENCE, UNPAIRED, SFT, JOINT, GROUP, EDIT)}


@dataclass(slots=True)
class Row:
    """A row before it is written. `split` is set by the split, after the builder."""

    columns: dict[str, Any]
    """The columns of the builder's row type."""
    prompt_key: str
    lang: str
    feedback_ids: tuple[int, ...]
    models: tuple[str, ...] = ()
    raters: int = 0
    agreement: float | None = None
    simulated: int = 0
    seed: int = 0
    split: str = "train"
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Numbers for the data card that are no column, as {"edit_cost": 4}."""


def assistant(text: str) -> list[dict[str, str]]:
    """A completion in the conversational form."""
    return [{"role": "assistant", "content": text}]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
