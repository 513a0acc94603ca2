"""Objectives: pure tensor functions, one a file. A new one is a file here and a line in OBJECTIVES.

A *policy* objective (dpo, ipo) takes log-probabilities of chosen and rejected responses, and returns the
loss of each pair. A *reward* objective (bradley_terry) takes their scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from workers.objectives import bradley_terry, dpo, ipo


@dataclass(frozen=True)
class Objective:
    """A loss and its traits. `trains` is "policy" or "reward"."""

    loss: Callable[..., Tensor]
    trains: str
    needs_reference: bool


OBJECTIVES: dict[str, Objective] = {
    "dpo": Objective(dpo.dpo_loss, "policy", dpo.NEEDS_REFERENCE),
    "ipo": Objective(ipo.ipo_loss, "policy", ipo.NEEDS_REFERENCE),
    "bradley_terry": Objective(bradley_terry.bradley_terry_loss, "reward", bradley_terry.NEEDS_REFERENCE),
}
