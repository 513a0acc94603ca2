"""Contrastive input decoding: text that is likely after one prompt and unlikely after a slightly different one.

Yona et al. 2023 (2305.07378): with prompts x and x' that differ in one attribute, a name or a place, what the greedy
text hides comes to the fore: how the model's continuation depends on the attribute. The paper gives the idea and the
strength lambda; the score is ours:

    s(y) = log p(y|x) + lambda (log p(y|x) - log p(y|x')),  for tokens with p(y|x) >= 0.1 max p(.|x), else -inf

The mask keeps tokens that hardly fit x from winning by being still rarer after x' (as in contrastive decoding, Li et
al. 2022, 2210.15097). With lambda 0, or x = x', the first choice is the greedy one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from workers import modeling
from workers.modeling import Messages

PLAUSIBLE = 0.1
"""A token needs this share of the likeliest token's probability."""
ROUNDING = 1e-5
"""In nats: a token at exactly the share is kept, whatever the last bits say."""


def contrastive_scores(own: Tensor, other: Tensor, *, strength: float, plausible: float = PLAUSIBLE) -> Tensor:
    """Scores of the next token, shape (..., vocabulary), float32; -inf where it is not plausible.

    own, other: logits, or log-probabilities, after x and after x', of the same shape. strength: lambda, at least 0.
    """
    if own.shape != other.shape:
        raise ValueError(f"One side has logits of the shape {tuple(own.shape)}, the other {tuple(other.shape)}.")
    if strength < 0:
        raise ValueError(f"strength is {strength}: it must be at least 0.")
    log_p, log_q = own.float().log_softmax(-1), other.float().log_softmax(-1)
    # A token that x' rules out altogether would win with an infinite score, which says nothing more than a large one.
    log_q = log_q.clamp(min=torch.finfo(torch.float32).min / 4)
    scores = log_p + strength * (log_p - log_q)
    least = log_p.max(dim=-1, keepdim=True).values + math.log(plausible) - ROUNDING
    return scores.masked_fill(log_p < least, -torch.inf)


class ContrastiveInput(LogitsProcessor):
    """For `generate` with rows x_1 .. x_n, x'_1 .. x'_n: row n + i is what row i is told from.

    Both get the same scores, so greedy search writes the same token to both.
    """

    def __init__(self, *, strength: float, plausible: float = PLAUSIBLE) -> None:
        self.strength = strength
        self.plausible = plausible

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        own, other = scores.chunk(2)
        found = contrastive_scores(own, other, strength=self.strength, plausible=self.plausible)
        return torch.cat([found, found]).to(scores.dtype)


@dataclass(frozen=True)
class Contrasted:
    """What was written to a prompt against another.

    `gap`: log p(text | own) - log p(text | other), in nats a token; None for an empty text.
    """

    text: str
    tokens: int
    gap: float | None


@torch.inference_mode()
def write_against(
    model: Any, tokenizer: Any, pairs: Sequence[tuple[Messages, Messages]], *, strength: float, max_new_tokens: int
) -> list[Contrasted]:
    """A continuation of the first prompt of each pair that the second makes less likely; greedy, all pairs at once."""
    rows = [modeling.prompt_ids(tokenizer, messages) for side in zip(*pairs, strict=True) for messages in side]
    ids, mask = modeling.pad(rows, value=tokenizer.pad_token_id, left=True)
    device = next(model.parameters()).device
    written = model.generate(
        input_ids=ids.to(device), attention_mask=mask.to(device), max_new_tokens=max_new_tokens, do_sample=False,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        logits_processor=LogitsProcessorList([ContrastiveInput(strength=strength)]),
    )[: len(pairs), ids.shape[1] :].tolist()  # fmt: skip
    texts = [until_end(row, tokenizer.eos_token_id) for row in written]
    gaps = gaps_of(model, rows, texts, pad_id=tokenizer.pad_token_id)
    return [
        Contrasted(
            tokenizer.decode(text, skip_special_tokens=True, clean_up_tokenization_spaces=False).rstrip("\ufffd"),
            len(text), gap,
        )
        for text, gap in zip(texts, gaps, strict=True)
    ]  # fmt: skip


def until_end(row: list[int], eos: int) -> list[int]:
    return row[: row.index(eos)] if eos in row else row


def gaps_of(
    model: Any, rows: Sequence[Sequence[int]], texts: Sequence[list[int]], *, pad_id: int
) -> list[float | None]:
    """How much likelier each text is after its own prompt. rows: (2 texts,), own prompts first."""
    some = [index for index, text in enumerate(texts) if text]
    if not some:
        return [None] * len(texts)
    prompts = [rows[index] for index in some] + [rows[len(texts) + index] for index in some]
    log_probs = modeling.completion_log_probs(model, prompts, [texts[index] for index in some] * 2, pad_id=pad_id)
    own, other = log_probs.double().chunk(2)
    gaps: list[float | None] = [None] * len(texts)
    for index, gap in zip(some, (own - other).tolist(), strict=True):
        gaps[index] = gap / len(texts[index])
    return gaps
