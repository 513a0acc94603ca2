"""Policies learn from pairs: DPO and its relatives, on log-probabilities of whole responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workers.engine.prefix import PairEngine, why_not_shared
from workers.engine.reference_cache import ReferenceCache
from workers.objectives import OBJECTIVES
from workers.pairs import TokenPair
from workers.training.divergence import Divergence
from workers.training.learner import Learner, Losses, Split, adapter_off
from workers.training.settings import TrainingSettings
from workers.training.whole_batch import WholeBatch, whole_batch

BETA = 0.1  # the objectives' own where the options name none


class PolicyPairs(Learner[TokenPair]):
    """`reference_cache` is a folder where log-probabilities of references are kept from run to run."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[TokenPair],
        held_out: Sequence[TokenPair],
        *,
        settings: TrainingSettings,
        pad_id: int,
        reference_cache: Path | None = None,
    ) -> None:
        super().__init__(model, rows, held_out, settings=settings, pad_id=pad_id)
        self.objectives = objectives_of(settings)
        self.needs_reference = any(OBJECTIVES[name].needs_reference for name in self.objectives)
        self.batchwise = any(OBJECTIVES[name].batchwise for name in self.objectives)
        self.cache_folder = reference_cache
        self.engine = PairEngine(model, pad_id=pad_id, shared=False)
        self.references: dict[str, Tensor] = {}
        self.divergence: Divergence | None = None

    def tokens(self, row: TokenPair) -> int:
        return self.engine.tokens(row)

    def passes(self, split: Split, indices: Sequence[int], most: int) -> list[list[int]]:
        cut = self.engine.passes([self.rows[split][index] for index in indices], most)
        return [[indices[at] for at in one] for one in cut]

    def weight(self, row: TokenPair) -> float:
        return row.weight

    def summary(self, split: Split) -> dict[str, float]:
        return {"kl": self.divergence.measure()} if self.divergence and split == "held_out" else {}

    def prepare(self, note: Callable[[str], None]) -> None:
        if self.needs_reference and (held_out := self.rows["held_out"]):
            written = [(pair.prompt, side) for pair in held_out for side in (pair.chosen, pair.rejected)]
            self.divergence = Divergence(self.model, written, pad_id=self.pad_id, at_once=2 * self.settings.micro_batch)
        if not self.settings.shared_prefix:
            return
        # Asked again on a resume: the answer is a function of the model and the pairs, so it is the same.
        reason = why_not_shared(self.model, self.rows["train"], pad_id=self.pad_id)
        self.engine = PairEngine(self.model, pad_id=self.pad_id, shared=reason is None)
        note(
            "Each prompt is read once for both of its responses"
            if reason is None
            else f"Each prompt is read twice, once for each response: with this model {reason}"
        )

    def begin(self, note: Callable[[str], None]) -> None:
        """The reference is measured once: it never changes, and with LoRA it is the same weights."""
        if not self.needs_reference:
            return
        cache = ReferenceCache(self.cache_folder, self.model) if self.cache_folder else None
        self.references = {split: self._reference(rows, cache) for split, rows in self.rows.items()}
        if cache and (count := cache.found):
            note(f"{count:,} log-probabilities of the reference were known from earlier runs")

    def state(self) -> dict[str, Any]:
        return {"references": self.references, "dtype": self._dtype()}

    def load(self, state: dict[str, Any], note: Callable[[str], None]) -> None:
        self.references = state["references"]
        if self.references and state["dtype"] != self._dtype():
            # Written on a machine of another precision: rounding alone would look like a reward.
            self.begin(note)

    def constants(self, split: Split, batch: Sequence[int]) -> WholeBatch | None:
        """Where an objective compares the pairs of a batch: their losses, before the batch is cut."""
        most = self.settings.micro_batch * (1 if split == "train" else 2)
        cut = self.passes(split, batch, most) if self.batchwise else []
        if len(cut) < 2:
            return None
        devices = [self.device] if self.device.type == "cuda" else []

        def log_probs(indices: Sequence[int]) -> Tensor:
            return self.engine.log_probs([self.rows[split][index] for index in indices]).view(2, -1)

        return whole_batch(cut, log_probs, lambda indices, found: self._losses(split, indices, found), devices)

    def losses(self, split: Split, indices: Sequence[int], constants: WholeBatch | None) -> Losses:
        pairs = [self.rows[split][index] for index in indices]
        found = self.engine.log_probs(pairs).view(2, -1)
        losses = constants.of(indices, found) if constants else self._losses(split, indices, found)
        beta = self.settings.options.get("beta", BETA)
        good, bad = beta * (found.detach() - self._references_of(split, indices, found.device))
        measured = {
            "accuracy": right(good - bad, pairs), "margin": good - bad, "chosen_reward": good, "rejected_reward": bad,
        }  # fmt: skip
        return Losses(losses, measured)

    def _losses(self, split: Split, indices: Sequence[int], log_probs: Tensor) -> Tensor:
        """Weighted, (pairs,), of log-probabilities of shape (2, pairs): chosen and rejected."""
        pairs = [self.rows[split][index] for index in indices]
        device = log_probs.device
        reference = self._references_of(split, indices, device)
        given = {
            "chosen_reference": reference[0],
            "rejected_reference": reference[1],
            "chosen_lengths": torch.tensor([len(pair.chosen) for pair in pairs], device=device),
            "rejected_lengths": torch.tensor([len(pair.rejected) for pair in pairs], device=device),
        }
        if any(pair.flip for pair in pairs) and split == "train":
            log_probs, given = flipped(log_probs, given, torch.tensor([pair.flip for pair in pairs], device=device))
        losses = torch.zeros_like(log_probs[0])
        for name, share in self.objectives.items():
            options = self._options(name)
            if name == "dpo" and split == "train" and any(pair.soft for pair in pairs):
                soft = torch.tensor([pair.soft for pair in pairs], device=device)
                options["label_smoothing"] = soft.clamp(min=options.get("label_smoothing", 0.0))
            losses = losses + share * OBJECTIVES[name].loss(*log_probs, **given, **options)
        return losses * weights_of(pairs, device)

    def _references_of(self, split: Split, indices: Sequence[int], device: torch.device) -> Tensor:
        """(2, pairs); zeros where no objective needs them."""
        known = self.references.get(split)
        return (torch.zeros(2, len(indices)) if known is None else known[:, list(indices)]).to(device)

    def _options(self, name: str) -> dict[str, Any]:
        unknown = () if OBJECTIVES[name].smoothed else ("label_smoothing",)
        return {key: value for key, value in self.settings.options.items() if key not in unknown}

    @torch.no_grad()
    def _reference(self, pairs: Sequence[TokenPair], cache: ReferenceCache | None) -> Tensor:
        """Log-probabilities before training, shape (2, pairs): chosen and rejected. Dropout is off."""
        self.model.eval()
        values = torch.zeros(2, len(pairs))
        unknown = cache.fill(values, pairs) if cache else range(len(pairs))
        with adapter_off(self.model):
            for cut in self.engine.passes([pairs[index] for index in unknown], 2 * self.settings.micro_batch):
                indices = [unknown[at] for at in cut]
                values[:, indices] = self.engine.log_probs([pairs[i] for i in indices]).view(2, -1).float().cpu()
        if cache:
            cache.keep(values[:, list(unknown)], [pairs[index] for index in unknown])
        return values

    def _dtype(self) -> str:
        """Of the frozen weights; LoRA weights are float32 on every machine."""
        weights = list(self.model.parameters())
        return str(next((weight for weight in weights if not weight.requires_grad), weights[0]).dtype)


def objectives_of(settings: TrainingSettings) -> dict[str, float]:
    """{objective: weight of its loss}. Raises ValueError for an unknown one, and for weights that are not above 0."""
    found = settings.mixture or {settings.objective: 1.0}
    for name in found:
        if name not in OBJECTIVES or OBJECTIVES[name].trains != "policy":
            known = ", ".join(name for name, one in OBJECTIVES.items() if one.trains == "policy")
            raise ValueError(f"Unknown objective {name!r}; those for policies on pairs are {known}.")
    if not all(weight > 0 for weight in found.values()):
        raise ValueError(f"Each loss of a mixture has a weight above 0, and these are {dict(found)}.")
    return dict(found)


def flipped(log_probs: Tensor, given: dict[str, Tensor], flip: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The two responses of a pair change places where `flip`, (pairs,), with all that is known of them."""
    swapped = {
        name: given[name.replace("chosen", "rejected") if "chosen" in name else name.replace("rejected", "chosen")]
        for name in given
    }
    return log_probs.flip(0).where(flip, log_probs), {name: swapped[name].where(flip, given[name]) for name in given}


def weights_of(pairs: Sequence[TokenPair], device: torch.device) -> Tensor:
    """How much each pair counts, (pairs,)."""
    return torch.tensor([pair.weight for pair in pairs], device=device)


def right(gap: Tensor, pairs: Sequence[TokenPair]) -> Tensor:
    """1 for a pair in the right order, 0 for the wrong one, half for equal rewards, NaN for a tie; (pairs,)."""
    tie = torch.tensor([pair.tie for pair in pairs], device=gap.device)
    return ((gap.sign() + 1) / 2).masked_fill(tie, torch.nan)
