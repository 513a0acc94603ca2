"""Objectives: pure tensor functions of log-probabilities or scores. A new one is a file here and a line in OBJECTIVES.

A *policy* objective (dpo, ipo, hinge, ...) takes log-probabilities of chosen and rejected responses, and returns the
loss of each pair. A *reward* objective (bradley_terry) takes their scores. Those that take something else are not
in the registry, and are called by name: dove (pairs with two instructions), ampo (groups), figa (weighted tokens),
kto (single answers), judge (verdict tokens), strength (scores with an ensemble's opinion).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from workers.objectives import batchwise, bradley_terry, dpo, ipo, pairwise, reference_free


@dataclass(frozen=True)
class Objective:
    """A loss and its traits. `trains` is "policy" or "reward"; `smoothed`: it takes label_smoothing; `batchwise`: it
    compares all pairs of a batch, so it must be given all of them at once.
    """

    loss: Callable[..., Tensor]
    trains: str
    needs_reference: bool
    smoothed: bool = False
    batchwise: bool = False


OBJECTIVES: dict[str, Objective] = {
    "dpo": Objective(dpo.dpo_loss, "policy", dpo.NEEDS_REFERENCE, smoothed=True),
    "ipo": Objective(ipo.ipo_loss, "policy", ipo.NEEDS_REFERENCE),
    "hinge": Objective(pairwise.hinge_loss, "policy", pairwise.NEEDS_REFERENCE),
    "robust": Objective(pairwise.robust_loss, "policy", pairwise.NEEDS_REFERENCE, smoothed=True),
    "apo_zero": Objective(pairwise.apo_zero_loss, "policy", pairwise.NEEDS_REFERENCE),
    "apo_down": Objective(pairwise.apo_down_loss, "policy", pairwise.NEEDS_REFERENCE),
    "nca_pair": Objective(pairwise.nca_pair_loss, "policy", pairwise.NEEDS_REFERENCE),
    "exo_pair": Objective(pairwise.exo_pair_loss, "policy", pairwise.NEEDS_REFERENCE, smoothed=True),
    "sppo_hard": Objective(pairwise.sppo_hard_loss, "policy", pairwise.NEEDS_REFERENCE),
    "bco_pair": Objective(pairwise.bco_pair_loss, "policy", pairwise.NEEDS_REFERENCE),
    "discopop": Objective(pairwise.discopop_loss, "policy", pairwise.NEEDS_REFERENCE),
    "sigmoid_norm": Objective(pairwise.sigmoid_norm_loss, "policy", pairwise.NEEDS_REFERENCE),
    "aot": Objective(batchwise.aot_loss, "policy", True, smoothed=True, batchwise=True),
    "aot_unpaired": Objective(batchwise.aot_unpaired_loss, "policy", True, smoothed=True, batchwise=True),
    "sft": Objective(batchwise.sft_loss, "policy", False, batchwise=True),
    "cpo": Objective(reference_free.cpo_loss, "policy", reference_free.NEEDS_REFERENCE, smoothed=True),
    "simpo": Objective(reference_free.simpo_loss, "policy", reference_free.NEEDS_REFERENCE, smoothed=True),
    "orpo": Objective(reference_free.orpo_loss, "policy", reference_free.NEEDS_REFERENCE),
    "bradley_terry": Objective(
        bradley_terry.bradley_terry_loss, "reward", bradley_terry.NEEDS_REFERENCE, smoothed=True
    ),
}
