"""What one trainer of TRL is given, beside what all of them are given."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workers.errors import JobError
from workers.training import Learner

Columns = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """`columns(rows, most)`: of a trainer's dataset, a row each; `most` are the rows that one forward pass takes."""

    trainer: str
    config: str
    columns: Callable[[Sequence[Any], int], list[Columns]]
    options: dict[str, Any] = field(default_factory=dict)
    headline: str = "eval_loss"
    """What patience watches, and what it is: `eval_loss` goes down, anything else up."""
    fixed_order: bool = False
    """The rows keep one order for all epochs, since what is in a row depends on its neighbours."""
    float32: bool = False
    """Frozen weights are float32 too, whatever the precision."""
    reference: Callable[[Learner[Any], Any], None] | None = None
    """Gives a learner the reference's log-probabilities of the held-out rows, out of TRL's dataset of them."""


def require_trl() -> None:
    """Raises JobError with the command that installs it."""
    if missing := [name for name in ("trl", "datasets") if importlib.util.find_spec(name) is None]:
        raise JobError(
            f"engine is trl, and this worker lacks {' and '.join(missing)}. Install it where the worker runs: "
            "pip install -c constraints.txt -e '.[trl]', or choose another engine."
        )


def refuse_weights(rows: Sequence[Any], *, what: str) -> None:
    """TRL counts every row once. Raises JobError where some shall count more or less."""
    if some := sum(row.weight != 1.0 for row in rows):
        raise JobError(
            f"{some:,} {what} have a weight of their own (each order of a tie counts half), and engine trl counts "
            "every row once. Build the dataset without ties and weights, or choose another engine."
        )


def columns_of(table: Any, names: Sequence[str]) -> torch.Tensor:
    """Numbers of a dataset of TRL, shape (names, rows), float32."""
    return torch.tensor([list(table[name]) for name in names], dtype=torch.float32)
