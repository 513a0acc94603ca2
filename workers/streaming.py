"""Write several answers at once, a token a step, so that people can read along. Pure torch; no Django.

`modeling.generate` answers a batch in one call. Here each answer has its own temperature and its own random state, the
text can be read at any time, and the batch can be left between two steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workers import modeling

LIKELY = 1_024
"""So many tokens are looked at first; they nearly always hold the whole nucleus."""


@dataclass(frozen=True)
class Asked:
    """One answer to write. The same seed writes the same answer on the same machine beside the same neighbour."""

    messages: modeling.Messages
    settings: modeling.Decoding
    seed: int


class TooLong(ValueError):
    """The conversation leaves the model no room for an answer."""


@dataclass
class _Row:
    asked: Asked
    generator: torch.Generator
    room: int
    ids: list[int] = field(default_factory=list)
    finish_reason: str = ""


class Stream:
    """The answers to `asked`, written together with one key-value cache. Raises TooLong before anything is read."""

    def __init__(self, model: Any, tokenizer: Any, asked: Sequence[Asked]) -> None:
        self._model, self._tokenizer = model, tokenizer
        prompts = [modeling.prompt_ids(tokenizer, one.messages) for one in asked]
        limit = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
        self._rows = [
            _Row(one, torch.Generator().manual_seed(one.seed), min(one.settings.max_new_tokens, limit - len(ids)))
            for one, ids in zip(asked, prompts, strict=True)
        ]
        for ids in prompts:
            if len(ids) >= limit:
                raise TooLong(f"The conversation has {len(ids):,} tokens, and the model reads at most {limit:,}.")
        self._next, self._mask = modeling.pad(prompts, value=tokenizer.pad_token_id, left=True)
        self._cache: Any = None
        # The logits of the prompt are not needed, and a large vocabulary makes them the dearest part of it.
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        supports = getattr(inner, "_supports_logits_to_keep", None)
        self._extra = {"logits_to_keep": 1} if supports and supports() else {}

    @property
    def done(self) -> bool:
        return all(row.finish_reason for row in self._rows)

    def end(self, index: int, reason: str = "stopped") -> None:
        """Let one answer end where it is; the others go on."""
        self._rows[index].finish_reason = self._rows[index].finish_reason or reason

    def sample(self, index: int) -> modeling.Sample:
        """What is written of one answer; finish_reason is empty while it is written. Whole characters only."""
        row = self._rows[index]
        text = self._tokenizer.decode(row.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if row.finish_reason != "stop":
            text = text.rstrip("\ufffd")  # the first bytes of a character are no text yet
        return modeling.Sample(text=text, tokens=len(row.ids), finish_reason=row.finish_reason)

    @torch.inference_mode()
    def step(self) -> int:
        """One more token for every answer that goes on. Returns how many were written."""
        device = next(self._model.parameters()).device
        mask = self._mask.to(device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -self._next.shape[1] :]
        output = self._model(
            input_ids=self._next.to(device), attention_mask=mask, position_ids=positions,
            past_key_values=self._cache, use_cache=True, **self._extra,
        )  # fmt: skip
        self._cache = output.past_key_values
        logits = output.logits[:, -1].float().cpu()
        written = 0
        chosen = torch.full((len(self._rows), 1), self._tokenizer.pad_token_id, dtype=torch.long)
        for index, row in enumerate(self._rows):
            if row.finish_reason:
                continue
            token = pick(logits[index], row.asked.settings, row.generator)
            chosen[index, 0] = token
            if token == self._tokenizer.eos_token_id:
                row.finish_reason = "stop"
                continue
            row.ids.append(token)
            written += 1
            if len(row.ids) >= row.room:
                row.finish_reason = "length"
        self._next = chosen
        self._mask = torch.cat([self._mask, torch.ones_like(chosen)], dim=1)
        return written


def pick(logits: Tensor, settings: modeling.Decoding, generator: torch.Generator) -> int:
    """The next token of one answer from its logits, shape (vocabulary,): nucleus sampling (Holtzman et al. 2020,
    1904.09751); temperature 0 takes the likeliest."""
    if settings.temperature == 0:
        return int(logits.argmax())
    probabilities = torch.softmax(logits / settings.temperature, dim=-1)
    ordered, tokens = probabilities.topk(min(LIKELY, len(probabilities)))
    if ordered.sum() < settings.top_p:  # seldom; to sort a large vocabulary takes longer than to draw from it
        ordered, tokens = probabilities.sort(descending=True)
    # Kept is the smallest set that reaches top_p, and so always the first.
    ordered[(ordered.cumsum(dim=-1) - ordered) >= settings.top_p] = 0
    return int(tokens[torch.multinomial(ordered, 1, generator=generator)])
