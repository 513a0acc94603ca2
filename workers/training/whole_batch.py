"""Losses that compare a whole batch, over micro-batches: gradients first of the log-probabilities, then of the weights.

Gradient caching (Gao et al. 2021, 2101.06983): every log-probability of the batch is computed once without a graph,
the loss of the batch is differentiated by them, and each micro-batch is then computed again and given its share. The
result is that of the whole batch at once, for the memory of a micro-batch and one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WholeBatch:
    """Of each row of a batch, by its index: `losses`, and the gradient by its log-probabilities, (2,) each."""

    places: dict[int, int]
    losses: Tensor  # (batch,), weighted
    gradients: Tensor  # (2, batch)

    def of(self, indices: Sequence[int], log_probs: Tensor) -> Tensor:
        """Weighted losses of these rows, (rows,), with the batch's gradient; `log_probs` is (2, rows)."""
        at = [self.places[index] for index in indices]
        # Its value is 0, its gradient the cached one.
        slope = (self.gradients[:, at] * (log_probs - log_probs.detach())).sum(0)
        return self.losses[at] + slope


def whole_batch(
    passes: Sequence[Sequence[int]], log_probs_of: Callable[[Sequence[int]], Tensor],
    loss_of: Callable[[Sequence[int], Tensor], Tensor], devices: Sequence[torch.device],
) -> WholeBatch:  # fmt: skip
    """`log_probs_of(indices)` is (2, rows), `loss_of(indices, log_probs)` the weighted losses, (rows,).

    What dropout draws here is drawn again for the same passes afterwards, in the same order.
    """
    order = [index for one in passes for index in one]
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        found = torch.cat([log_probs_of(indices) for indices in passes], dim=1)
    leaf = found.detach().clone().requires_grad_()
    with torch.enable_grad():
        losses = loss_of(order, leaf)
        (gradients,) = torch.autograd.grad(losses.sum(), leaf)
    return WholeBatch({index: place for place, index in enumerate(order)}, losses.detach(), gradients)
