"""Attention over packed pairs: each span sees itself and the beginning of its pair, causally, and nothing else.

Registered with transformers under a name, so that any model that takes its attention from there can use it. On a
processor each pair is computed by itself, by its exact length: beginning and chosen rest as one causal row, then the
rejected rest over beginning and itself. On a GPU, where so many small calls would leave it idle, FlexAttention skips
the blocks that no token sees.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from workers.engine.packing import Packed

NAME = "pairs"
Kind = Literal["pieces", "flex"]


class Unsupported(NotImplementedError):
    """The model asks of its attention what this one does not do; the message is the end of a sentence."""


@dataclass
class _Now:
    packed: Packed
    kind: Kind
    calls: int = 0
    kept: dict[str, Any] = field(default_factory=dict)


_now: ContextVar[_Now] = ContextVar("pairs_attention")


def best_kind(device: torch.device) -> Kind:
    return "flex" if device.type == "cuda" else "pieces"


@contextmanager
def attention_over(inner: Any, packed: Packed, kind: Kind) -> Iterator[_Now]:
    """Let the attention layers of `inner` read `packed`; yields what counts their calls."""
    now = _Now(packed, kind)
    token, before = _now.set(now), inner.config._attn_implementation
    inner.config._attn_implementation = NAME
    try:
        yield now
    finally:
        inner.config._attn_implementation = before
        _now.reset(token)


def pairs_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it: query (1, heads, tokens, head), returns (1, tokens, heads, head).

    Raises Unsupported for sinks, capped scores, biases and a window shorter than a pair.
    """
    now = _now.get()
    now.calls += 1
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            raise Unsupported(f"its attention needs {name}")
    window = others.get("sliding_window")
    longest = max(beginning + max(chosen, rejected) for beginning, chosen, rejected in now.packed.spans)
    if window and longest > window:
        raise Unsupported(f"its attention slides over {window} tokens and the longest row has {longest}")
    if now.kind == "flex":
        if dropout:
            raise Unsupported("FlexAttention drops nothing out")
        return _flex(now, query, key, value, scaling).transpose(1, 2).contiguous(), None
    return _pieces(now, query, key, value, scaling, dropout).transpose(1, 2).contiguous(), None


def _pieces(now: _Now, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float) -> Tensor:
    sizes = [length for beginning, chosen, rejected in now.packed.spans for length in (beginning + chosen, rejected)]
    parts = [tensor.split(sizes, dim=2) for tensor in (query, key, value)]
    grouped = query.shape[1] != key.shape[1]
    attend = functools.partial(
        nn.functional.scaled_dot_product_attention, scale=scaling, dropout_p=dropout, enable_gqa=grouped
    )
    out = []
    for number, (beginning, _, rejected) in enumerate(now.packed.spans):
        (q, q2), (k, k2), (v, v2) = (part[2 * number : 2 * number + 2] for part in parts)
        out.append(attend(q, k, v, is_causal=True))
        if rejected:
            mask = _behind(now, beginning, rejected, query.device)
            k2, v2 = torch.cat((k[:, :, :beginning], k2), dim=2), torch.cat((v[:, :, :beginning], v2), dim=2)
            out.append(attend(q2, k2, v2, attn_mask=mask))
    return torch.cat(out, dim=2)


def _behind(now: _Now, beginning: int, count: int, device: torch.device) -> Tensor:
    """(count, beginning + count): all of the beginning, and causally what follows. Once for all layers."""
    name = f"{beginning} {count}"
    if name not in now.kept:
        ones = torch.ones(count, beginning + count, dtype=torch.bool, device=device)
        now.kept[name] = ones.tril(beginning)
    return now.kept[name]


def _flex(now: _Now, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    from torch.nn.attention.flex_attention import create_block_mask

    if "mask" not in now.kept:
        segment = now.packed.segments()

        def sees(batch: Tensor, head: Tensor, query_at: Tensor, key_at: Tensor) -> Tensor:
            of_key, of_query = segment[key_at], segment[query_at]
            beginning = 3 * torch.div(of_query, 3, rounding_mode="floor")
            return (key_at <= query_at) & ((of_key == of_query) | (of_key == beginning))

        length = query.shape[2]
        now.kept["mask"] = create_block_mask(sees, None, None, length, length, device=str(query.device))
    grouped = query.shape[1] != key.shape[1]
    attend = _flex_attention(query.is_cuda)
    return attend(query, key, value, block_mask=now.kept["mask"], scale=scaling, enable_gqa=grouped)


@functools.cache
def _flex_attention(compiled: bool) -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    # Uncompiled it holds all scores at once: right for a test of its numbers, not for a GPU.
    return torch.compile(flex_attention, dynamic=True) if compiled else flex_attention


AttentionInterface.register(NAME, pairs_attention)
