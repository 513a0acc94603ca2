"""Log-probabilities of given tokens, with the logits of a few rows at a time and never those of all.

Logits are the largest tensor of a small model: 49,152 numbers a token for SmolLM2, 200 kB. A frozen head needs only
the gradient of its input, which is weight[target] - softmax(logits) weight times a number that comes later. So it is
found on the way forward, while a tile's logits are at hand, and they are neither kept nor computed twice. A
trained head is computed again on the way back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.products import product
from workers.modeling import vocabulary_logits

TILE_BYTES = 24 * 2**20
"""Of logits at once: what stays in the last cache of a processor, below the size that malloc maps anew each time."""


def token_log_probs(inner: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """log p(target) in nats, float32 or wider, shape (tokens,), of hidden states (tokens, width) and ids (tokens,)."""
    head, config = inner.get_output_embeddings(), inner.config
    scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    simple = type(head) is nn.Linear and head.bias is None and head.weight.dtype in (torch.float32, torch.float64)
    if not simple or getattr(config, "final_logit_softcapping", None):
        return -nn.functional.cross_entropy(vocabulary_logits(inner, hidden), targets, reduction="none")
    return _TokenLogProbs.apply(hidden if scale == 1 else hidden * scale, head.weight, targets)


def _tile_rows(weight: Tensor) -> int:
    return max(16, TILE_BYTES // (weight.shape[0] * weight.element_size()))


def _softmax_(logits: Tensor) -> tuple[Tensor, Tensor]:
    """exp(logits - m) in place of the logits, and log-sum-exp and the sum, each of shape (rows, 1)."""
    top = logits.amax(dim=1, keepdim=True)
    total = logits.sub_(top).exp_().sum(dim=1, keepdim=True)
    return top + total.log(), total


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        trained = weight.requires_grad
        wanted = hidden.requires_grad and not trained
        rows = _tile_rows(weight)
        values, inward = [], []
        for part, target in zip(hidden.split(rows), targets.split(rows), strict=True):
            logits = product(part, weight)
            of_target = logits.gather(1, target.unsqueeze(1))
            log_sum, total = _softmax_(logits)
            values.append((of_target - log_sum).squeeze(1))
            if wanted:
                inward.append(weight[target] - product(logits, weight.t()).div_(total))
        ctx.trained = trained
        if trained:
            ctx.save_for_backward(hidden, weight, targets)
        elif wanted:
            ctx.save_for_backward(torch.cat(inward))
        return torch.cat(values)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = outer
        if not ctx.trained:
            (inward,) = ctx.saved_tensors
            return grad.unsqueeze(1) * inward, None, None
        hidden, weight, targets = ctx.saved_tensors
        rows = _tile_rows(weight)
        inward, weight_grad = [], torch.zeros_like(weight)
        for part, target, some in zip(hidden.split(rows), targets.split(rows), grad.split(rows), strict=True):
            slope = product(part, weight)
            total = _softmax_(slope)[1]
            slope.mul_(-some.unsqueeze(1) / total)
            slope.scatter_add_(1, target.unsqueeze(1), some.unsqueeze(1))
            inward.append(product(slope, weight.t()))
            weight_grad.addmm_(slope.t(), part)
        return torch.cat(inward), weight_grad, None
