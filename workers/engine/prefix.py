"""Log-probabilities of both completions of a pair, their common beginning read once; and the plain way for the rest.

Which models can is asked of them: what their attention needs, then numbers. The vocabulary projection is done only
where a token of a completion is predicted.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workers.engine.attention import Kind, Unsupported, attention_over, best_kind
from workers.engine.buckets import buckets
from workers.engine.head import token_log_probs
from workers.engine.packing import pack, passes
from workers.engine.products import MergedWeights, fast_products
from workers.modeling import backbone_of, completion_log_probs, inner_of
from workers.pairs import TokenPair

PASS_TOKENS = 2048
"""In one pass on a processor, however many pairs are allowed: more leave its caches and gain nothing."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
"""How far the log-probability of one token may be from the plain path's, in nats, by the weights' dtype."""
ROUGH_TOLERANCE = 0.1  # of 16-bit weights: they keep 8 to 11 bits, and the order of sums differs


class PairEngine:
    """How a run computes the log-probabilities of its pairs. `shared` is True only where `why_not_shared` is None."""

    def __init__(self, model: Any, *, pad_id: int, shared: bool) -> None:
        self.model, self.pad_id, self.shared = model, pad_id, shared
        self.merged = MergedWeights()

    def tokens(self, pair: TokenPair) -> int:
        """That a pass reads: one row of both sides, or two rows as long as the longer one."""
        if self.shared:
            return len(pair.prompt) + len(pair.chosen) + len(pair.rejected)
        return 2 * (len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)))

    def passes(self, pairs: Sequence[TokenPair], most: int) -> list[list[int]]:
        """Cut into passes of at most `most` pairs; the places in `pairs` of those that go through together."""
        lengths = [self.tokens(pair) for pair in pairs]
        if not self.shared:
            return buckets(range(len(pairs)), lengths, most)
        on_cpu = next(self.model.parameters()).device.type == "cpu"
        return passes(range(len(pairs)), lengths, most=most, tokens=PASS_TOKENS if on_cpu else None)

    def log_probs(self, pairs: Sequence[TokenPair]) -> Tensor:
        """Of whole completions given their prompts, in nats, shape (2 x pairs,): all chosen, then all rejected."""
        if self.shared:
            return shared_prefix_log_probs(self.model, pairs, merged=self.merged)
        return plain_log_probs(self.model, pairs, pad_id=self.pad_id)


def shared_prefix_log_probs(
    model: Any, pairs: Sequence[TokenPair], *, merged: MergedWeights | None = None, kind: Kind | None = None
) -> Tensor:
    """As `PairEngine.log_probs`. `merged` keeps the sums of weights and adapters from one pass to the next; `kind`
    says how the attention is computed, by default as the device likes it. Raises Unsupported.
    """
    inner, device = inner_of(model), next(model.parameters()).device
    backbone, packed = backbone_of(inner), pack(pairs, device)
    with (
        attention_over(inner, packed, kind or best_kind(device)) as attention,
        fast_products(backbone, merged or MergedWeights()),
    ):
        hidden = backbone(
            input_ids=packed.ids, position_ids=packed.positions, attention_mask=None, use_cache=False
        ).last_hidden_state[0]
    if not attention.calls:
        raise Unsupported("its attention is its own and takes none from transformers")
    values = token_log_probs(inner, hidden[packed.before], packed.targets)
    return torch.zeros(2 * packed.pairs, dtype=values.dtype, device=device).index_add(0, packed.side, values)


def plain_log_probs(model: Any, pairs: Sequence[TokenPair], *, pad_id: int) -> Tensor:
    """The same with each side in a row of its own, shape (2 x pairs,)."""
    prompts = [pair.prompt for pair in pairs] * 2
    completions = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    return completion_log_probs(model, prompts, completions, pad_id=pad_id)


def why_not_shared(model: Any, pairs: Sequence[TokenPair], *, pad_id: int) -> str | None:
    """Why this model cannot train on shared prefixes, as the end of a sentence; None if it can.

    What the configuration tells is asked first. Then two pairs, the shortest and a middle one, go through both paths:
    a model that computes something else is found by its numbers. Draws nothing at random.
    """
    inner = inner_of(model)
    if "position_ids" not in inspect.signature(backbone_of(inner).forward).parameters:
        return "it takes no position ids"
    longest = max((len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) for pair in pairs), default=0)
    window = getattr(inner.config, "sliding_window", None)
    if window and longest > window:
        return f"its attention slides over {window} tokens and the longest row has {longest}"
    by_length = sorted(pairs, key=lambda pair: pair.tokens)
    few = [by_length[0], by_length[len(by_length) // 2]]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            plain = plain_log_probs(model, few, pad_id=pad_id)
            shared = shared_prefix_log_probs(model, few)
    except Unsupported as error:
        return str(error)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, RuntimeError) as error:  # a layer between that asks for rows, a shape that it does not expect
        return f"it does not take packed pairs ({type(error).__name__}: {str(error)[:120]})"
    finally:
        model.train(training)
    lengths = torch.tensor([len(p.chosen) for p in few] + [len(p.rejected) for p in few], device=plain.device)
    off = float(((shared - plain).abs() / lengths).max())
    # not (<=), so that NaN is a difference too
    if not off <= TOLERANCE.get(next(inner.parameters()).dtype, ROUGH_TOLERANCE):
        return f"it computes something else with packed pairs (off by {off:.2g} nats a token)"
    return None
