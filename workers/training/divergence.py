"""How far a policy has gone from its reference: the divergence itself, not an estimate from sampled tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from workers.modeling import inner_of, predicting_states, vocabulary_logits
from workers.training.learner import adapter_off

Written = tuple[Sequence[int], Sequence[int]]
"""Prompt and completion, as tokens."""

TOKENS = 2048
"""Of so many tokens of completions the divergence is measured; their hidden states are kept."""
AT_ONCE = 256
"""Tokens whose logits are in memory together."""


class Divergence:
    """KL(policy || reference) a token, in nats: the sum over the vocabulary at each position of given completions.

    Of the reference only hidden states are kept, and its head where that is trained: with an adapter as without one
    there is no second model in memory. Make it before the first step, when the model *is* its reference.
    """

    @torch.no_grad()
    def __init__(self, model: Any, written: Sequence[Written], *, pad_id: int, at_once: int) -> None:
        self.model, self.pad_id = model, pad_id
        self.batches: list[list[Written]] = []
        self.tokens = 0
        for one in random.Random(0).sample(written, len(written)):
            if self.tokens + len(one[1]) > TOKENS and self.tokens:
                break
            if not self.batches or len(self.batches[-1]) == at_once:
                self.batches.append([])
            self.batches[-1].append(one)
            self.tokens += len(one[1])
        head = inner_of(model).get_output_embeddings().weight
        self.head = head.detach().clone() if head.requires_grad else None
        training = model.training
        model.eval()
        with adapter_off(model):
            self.reference = [self._states(batch).cpu() for batch in self.batches]
        model.train(training)

    @torch.no_grad()
    def measure(self) -> float:
        """The mean over the tokens; NaN where there are none. The model's dropout is off."""
        training = self.model.training
        self.model.eval()
        inner, total = inner_of(self.model), 0.0
        for batch, reference in zip(self.batches, self.reference, strict=True):
            states = self._states(batch)
            for start in range(0, len(states), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                now = vocabulary_logits(inner, states[part]).log_softmax(-1)
                with self._reference_head(inner):
                    then = vocabulary_logits(inner, reference[part].to(states.device)).log_softmax(-1)
                total += float((now.exp() * (now - then)).sum())
        self.model.train(training)
        return total / self.tokens if self.tokens else float("nan")

    def _states(self, batch: Sequence[Written]) -> Tensor:
        prompts, completions = [one[0] for one in batch], [one[1] for one in batch]
        return predicting_states(inner_of(self.model), prompts, completions, pad_id=self.pad_id)[0]

    @contextmanager
    def _reference_head(self, inner: Any) -> Iterator[None]:
        if self.head is None:
            yield
            return
        head = inner.get_output_embeddings().weight
        now, head.data = head.data, self.head
        try:
            yield
        finally:
            head.data = now
