"""What learners share that hold a policy to the model it started as."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workers.engine.buckets import buckets
from workers.engine.reference_cache import ReferenceCache
from workers.modeling import completion_log_probs
from workers.pairs import TokenPair
from workers.training.divergence import Divergence, Written
from workers.training.learner import Learner, Row, Split, adapter_off
from workers.training.settings import TrainingSettings


class Referenced(Learner[Row]):
    """Log-probabilities of completions under the start model, measured once before the first step.

    They are numbers afterwards, so a fully trained model needs no second one beside it. `reference_cache` is a folder
    where they are kept from run to run.
    """

    def __init__(
        self,
        model: Any,
        rows: Sequence[Row],
        held_out: Sequence[Row],
        *,
        settings: TrainingSettings,
        pad_id: int,
        reference_cache: Path | None = None,
    ) -> None:
        super().__init__(model, rows, held_out, settings=settings, pad_id=pad_id)
        self.cache_folder = reference_cache
        self.references: dict[Split, Tensor] = {}
        self.divergence: Divergence | None = None
        self._starts = {
            split: [0, *itertools.accumulate(len(self.written(row)) for row in self.rows[split])] for split in self.rows
        }

    @abstractmethod
    def written(self, row: Row) -> Sequence[Written]:
        """The completions of a row, each with its prompt."""

    @property
    def needs_reference(self) -> bool:
        return True

    def prepare(self, note: Callable[[str], None]) -> None:
        """Nothing is trained yet, in a resumed run too: what stands there is the reference."""
        held_out = [one for row in self.rows["held_out"] for one in self.written(row)]
        if held_out and self.needs_reference:
            self.divergence = Divergence(
                self.model, held_out, pad_id=self.pad_id, at_once=2 * self.settings.micro_batch
            )

    def begin(self, note: Callable[[str], None]) -> None:
        if not self.needs_reference:
            return
        cache = ReferenceCache(self.cache_folder, self.model) if self.cache_folder else None
        for split, rows in self.rows.items():
            written = [one for row in rows for one in self.written(row)]
            self.references[split] = self.measure_reference(written, cache)
        if cache and cache.found:
            note(f"{cache.found // 2:,} log-probabilities of the reference were known from earlier runs")

    def state(self) -> dict[str, Any]:
        return {"references": self.references}

    def load(self, state: dict[str, Any], note: Callable[[str], None]) -> None:
        self.references = state["references"]

    def summary(self, split: Split) -> dict[str, float]:
        return {"kl": self.divergence.measure()} if self.divergence and split == "held_out" else {}

    def log_probs(self, rows: Sequence[Row]) -> Tensor:
        """Of all completions of these rows, in their order, in nats."""
        written = [one for row in rows for one in self.written(row)]
        return self.log_probs_of(written)

    def reference_of(self, split: Split, indices: Sequence[int]) -> Tensor:
        """The same under the reference, on the model's device; zeros where none is needed."""
        starts = self._starts[split]
        if not self.needs_reference:
            return torch.zeros(sum(starts[index + 1] - starts[index] for index in indices), device=self.device)
        known = self.references[split]
        return torch.cat([known[starts[index] : starts[index + 1]] for index in indices]).to(self.device)

    def log_probs_of(self, written: Sequence[Written]) -> Tensor:
        prompts, completions = [one[0] for one in written], [one[1] for one in written]
        return completion_log_probs(self.model, prompts, completions, pad_id=self.pad_id)

    @torch.no_grad()
    def measure_reference(self, written: Sequence[Written], cache: ReferenceCache | None) -> Tensor:
        """(completions,), in nats, with dropout and adapter off."""
        training = self.model.training
        self.model.eval()
        # The cache keeps pairs; a single completion is one with itself.
        pairs = [TokenPair(tuple(prompt), tuple(text), tuple(text)) for prompt, text in written]
        values = torch.zeros(2, len(pairs))
        unknown = cache.fill(values, pairs) if cache else range(len(pairs))
        lengths = [len(prompt) + len(text) for prompt, text in written]
        with adapter_off(self.model):
            for indices in buckets(unknown, lengths, 2 * self.settings.micro_batch):
                values[:, indices] = self.log_probs_of([written[index] for index in indices]).cpu()
        if cache:
            cache.keep(values[:, list(unknown)], [pairs[index] for index in unknown])
        self.model.train(training)
        return values[0]
