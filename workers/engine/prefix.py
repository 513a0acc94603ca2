"""Both completions of a pair in one pass, their common beginning read once.

A pair becomes one sequence: what both sides begin with (the prompt, and the tokens that the completions share at
their start), the rest of the chosen completion, the rest of the rejected one. A block mask keeps the rejected rest
from seeing the chosen rest, and both rests count their positions on from the common beginning, so each side is read
as if it stood alone. With a prompt twice as long as a completion that is 4 tokens instead of 6.

The last token of a completion predicts nothing and is left out; the vocabulary projection is done only where a token
of a completion is predicted.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workers.modeling import backbone_of, completion_log_probs, inner_of, vocabulary_logits
from workers.pairs import TokenPair

MASKABLE = ("sdpa", "eager")
"""Attention that takes any mask; the others (flash_attention_2) know only causal ones."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
"""How far the log-probability of one token may be from the plain path's, in nats, by the weights' dtype."""
ROUGH_TOLERANCE = 0.1  # of 16-bit weights: they keep 8 to 11 bits, and the order of sums differs


@dataclass(frozen=True)
class SharedRow:
    """One pair as one sequence: `ids` = beginning + chosen rest + rejected rest, without the tokens at the ends.

    The two `before` are the positions whose hidden states predict the tokens of each completion.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    beginning: int  # tokens that both sides read
    rejected_at: int  # where the rejected rest begins
    chosen_before: tuple[int, ...]
    rejected_before: tuple[int, ...]


def shared_row(pair: TokenPair) -> SharedRow:
    """Raises ValueError for an empty prompt: nothing would predict the first token of a completion."""
    if not pair.prompt:
        raise ValueError("A prompt has no token, so nothing predicts the first token of its completions.")
    same = 0
    for left, right in zip(pair.chosen, pair.rejected, strict=False):
        if left != right:
            break
        same += 1
    prompt, chosen, rejected = pair.prompt, pair.chosen[same:], pair.rejected[same:]
    beginning = len(prompt) + same
    read = (chosen[:-1], rejected[:-1])
    rejected_at = beginning + len(read[0])
    positions = (*range(beginning), *range(beginning, rejected_at), *range(beginning, beginning + len(read[1])))
    common = tuple(range(len(prompt) - 1, beginning - 1))
    return SharedRow(
        ids=(*prompt, *pair.chosen[:same], *read[0], *read[1]),
        positions=positions,
        beginning=beginning,
        rejected_at=rejected_at,
        chosen_before=(*common, *_before(beginning, beginning, len(chosen))),
        rejected_before=(*common, *_before(beginning, rejected_at, len(rejected))),
    )


def _before(beginning: int, start: int, count: int) -> tuple[int, ...]:
    # The first token of a rest follows the beginning, each later one its predecessor in the rest.
    return (beginning - 1, *range(start, start + count - 1)) if count else ()


def block_mask(rows: Sequence[SharedRow], device: torch.device) -> Tensor:
    """Which position (third axis) sees which (fourth), boolean, shape (rows, 1, longest, longest).

    Causal, and nothing of the rejected rest sees the chosen rest. Padding stands on the right, so no token sees it;
    it sees itself, since a row of the mask without any True is a division by zero.
    """
    longest = max(len(row.ids) for row in rows)
    place = torch.arange(longest, device=device)
    beginning = torch.tensor([row.beginning for row in rows], device=device).view(-1, 1, 1)
    rejected_at = torch.tensor([row.rejected_at for row in rows], device=device).view(-1, 1, 1)
    sees, seen = place.view(1, -1, 1), place.view(1, 1, -1)
    other_side = (sees >= rejected_at) & (seen >= beginning) & (seen < rejected_at)
    return ((seen <= sees) & ~other_side).unsqueeze(1)


def shared_prefix_log_probs(model: Any, pairs: Sequence[TokenPair], *, pad_id: int) -> Tensor:
    """Log-probability of each whole completion given its prompt, in nats, shape (2 x pairs,): all chosen, then all
    rejected, as `completion_log_probs` of the same prompts and completions gives it.
    """
    inner, device = inner_of(model), next(model.parameters()).device
    rows = [shared_row(pair) for pair in pairs]
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    positions = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        positions[index, : len(row.ids)] = torch.tensor(row.positions)
    hidden = (
        backbone_of(inner)(
            input_ids=ids.to(device),
            attention_mask=_as_asked(inner, block_mask(rows, device)),
            position_ids=positions.to(device),
            use_cache=False,
        )
    ).last_hidden_state
    sides = [(pair.chosen, row.chosen_before) for pair, row in zip(pairs, rows, strict=True)]
    sides += [(pair.rejected, row.rejected_before) for pair, row in zip(pairs, rows, strict=True)]
    side_of = torch.tensor([side for side, (tokens, _) in enumerate(sides) for _ in tokens], device=device)
    before = torch.tensor([place for _, places in sides for place in places], device=device)
    target = torch.tensor([token for tokens, _ in sides for token in tokens], device=device)
    logits = vocabulary_logits(inner, hidden[side_of % len(pairs), before])
    token_log_probs = -nn.functional.cross_entropy(logits, target, reduction="none")
    return torch.zeros(len(sides), device=device).index_add(0, side_of, token_log_probs)


def _as_asked(inner: Any, mask: Tensor) -> Tensor:
    """The boolean mask as the attention wants it: eager attention adds it to its scores."""
    if inner.config._attn_implementation != "eager":
        return mask
    dtype = next(inner.parameters()).dtype
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def why_not_shared(model: Any, pairs: Sequence[TokenPair], *, pad_id: int) -> str | None:
    """Why this model cannot train on shared prefixes, as the end of a sentence; None if it can.

    What the configuration tells is asked first. Then two pairs, the shortest and a middle one, go through both paths:
    a model that takes the mask and ignores it is found by its numbers. Draws nothing at random.
    """
    inner = inner_of(model)
    config = inner.config
    attention = getattr(config, "_attn_implementation", None)
    if attention not in MASKABLE:
        return f"its attention ({attention}) takes no block mask"
    if "position_ids" not in inspect.signature(backbone_of(inner).forward).parameters:
        return "it takes no position ids"
    longest = max((len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) for pair in pairs), default=0)
    window = getattr(config, "sliding_window", None)
    if window and longest > window:
        return f"its attention slides over {window} tokens and the longest row has {longest}"
    by_length = sorted(pairs, key=lambda pair: pair.tokens)
    few = [by_length[0], by_length[len(by_length) // 2]]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            shared = shared_prefix_log_probs(model, few, pad_id=pad_id)
            plain = plain_log_probs(model, few, pad_id=pad_id)
    except (TypeError, ValueError, IndexError, RuntimeError, NotImplementedError) as error:
        return f"it does not take a block mask ({type(error).__name__}: {str(error)[:120]})"
    finally:
        model.train(training)
    lengths = torch.tensor([len(p.chosen) for p in few] + [len(p.rejected) for p in few], device=plain.device)
    off = float(((shared - plain).abs() / lengths).max())
    # not (<=), so that NaN is a difference too
    if not off <= TOLERANCE.get(next(inner.parameters()).dtype, ROUGH_TOLERANCE):
        return f"it computes something else with a block mask (off by {off:.2g} nats a token)"
    return None


def plain_log_probs(model: Any, pairs: Sequence[TokenPair], *, pad_id: int) -> Tensor:
    """The same with each side in a row of its own, shape (2 x pairs,)."""
    prompts = [pair.prompt for pair in pairs] * 2
    completions = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    return completion_log_probs(model, prompts, completions, pad_id=pad_id)
