"""What freezing a recipe would give, while the recipe is still being changed: counts, drawn rows, balances, warnings.

What the page Dataset builder shows. The counts come from the same code as a freeze's; no text is read for them.
"""

from dataclasses import dataclass, field
from typing import Any

from accounts.models import Project
from curate.card import Balance, Lengths, Notice
from curate.funnel import Funnel
from curate.rows import Row, RowType
from registry.specs import BuildDatasetSpec


@dataclass(frozen=True)
class Preview:
    funnel: Funnel
    """`funnel.about` says that counts of items and rows are scaled up from `drawn` items."""
    splits: dict[str, int]
    """{"train": rows, "held_out": rows}"""
    prompts: int
    """Different prompts among the rows."""
    clusters: int
    """Groups of them that are kept on one side of the split."""
    rows: list[Row]
    """Drawn at random by the seed; `row.columns` are those of `row_type`, `row.split` is set."""
    row_type: RowType
    lengths: Lengths
    balance: Balance
    notices: list[Notice]
    """Warnings first; then what was looked at and is fine ("No prompt is in both splits")."""
    example: dict[str, Any] = field(default_factory=dict)
    """One row as it would be written, without lineage; for the page's JSON."""

    @property
    def total(self) -> int:
        return sum(self.splits.values())


def preview(project: Project, recipe: BuildDatasetSpec, *, rows: int = 10, seed: int = 0) -> Preview:
    """Up to `rows` rows, others for another seed. Writes nothing."""
    raise NotImplementedError
