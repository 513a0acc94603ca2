"""One training loop for reward models and policies, over pairs of responses.

Pure torch: the caller brings the model, the pairs and what to do at a step, a checkpoint and a cancellation.
Same inputs, same machine: same weights, whether or not the run was interrupted and resumed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workers.engine.buckets import buckets
from workers.engine.prefix import plain_log_probs, shared_prefix_log_probs, why_not_shared
from workers.engine.reference_cache import ReferenceCache
from workers.modeling import last_token_scores
from workers.objectives import OBJECTIVES
from workers.pairs import TokenPair, epoch_batches, total_steps

STATE_FILE = "training_state.pt"

SaveCheckpoint = Callable[[int, Callable[[Path], None]], None]
OnStep = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a run. `options` go to the objective (beta, label_smoothing)."""

    objective: str = "dpo"
    learning_rate: float = 1e-4
    epochs: float = 1.0
    batch_size: int = 8  # pairs a step
    micro_batch: int = 4  # pairs at once; changes memory, not the result
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    eval_every: int | None = None  # steps; None: before the first step and after the last
    checkpoint_every: int | None = None
    seed: int = 0
    options: dict[str, float] = field(default_factory=dict)
    shared_prefix: bool = True  # of a policy: read the common beginning of a pair once, where the model can


@dataclass(frozen=True)
class Evaluation:
    """Held-out quality. `margins` has one value a pair, in the pairs' order, for intervals by prompt.

    A margin is the gap of the rewards: the scores' for a reward model, beta times the log-ratios' for a
    policy. `accuracy` is the share of pairs with a positive margin, half for zero; ties in the labels do not
    count. Both are NaN where there is no pair.
    """

    loss: float
    accuracy: float
    margin: float
    margins: tuple[float, ...]


@dataclass(frozen=True)
class TrainingResult:
    steps: int  # optimiser steps done in all, those before a resume included
    total: int
    stopped: bool  # should_stop() ended it early
    evaluation: Evaluation | None


def train(
    model: Any,
    pairs: Sequence[TokenPair],
    *,
    held_out: Sequence[TokenPair] = (),
    settings: TrainingSettings,
    pad_id: int,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
    save_checkpoint: SaveCheckpoint | None = None,
    resume_from: Path | None = None,
    reference_cache: Path | None = None,
    on_note: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train the weights of `model` that require a gradient.

    `on_step(step, total, metrics)` follows every step, and step 0 with the held-out numbers of the untrained
    model. `save_checkpoint(step, write)` decides where: it calls `write(folder)`. A stop is taken between
    steps, after a checkpoint. `resume_from` is a folder that `write` wrote. `reference_cache` is a folder where
    log-probabilities of references are kept from run to run. `on_note` hears, in a sentence, how the run computes.

    Raises ValueError for no pairs, an unknown objective, nothing to train, or a checkpoint of another run;
    FloatingPointError if the loss is not a number.
    """
    run = _Run(model, pairs, held_out, settings, pad_id, reference_cache, on_note or (lambda note: None))
    with torch.random.fork_rng(devices=run.cuda_devices()):
        torch.manual_seed(settings.seed)
        run.begin(resume_from)
        evaluation = run.evaluate() if held_out and run.step == 0 else None
        if on_step and evaluation:
            on_step(0, run.total, _held_out(evaluation))
        while run.step < run.total:
            if should_stop and should_stop():
                if save_checkpoint:
                    save_checkpoint(run.step, run.write)
                return TrainingResult(run.step, run.total, True, None)
            metrics = run.advance()
            if held_out and _due(run.step, run.total, settings.eval_every):
                evaluation = run.evaluate()
                metrics |= _held_out(evaluation)
            if save_checkpoint and run.step < run.total and _due(run.step, run.total, settings.checkpoint_every):
                save_checkpoint(run.step, run.write)
            if on_step:
                on_step(run.step, run.total, metrics)
        if held_out and evaluation is None:  # resumed from after the last step
            evaluation = run.evaluate()
    model.eval()
    return TrainingResult(run.step, run.total, False, evaluation)


def _due(step: int, total: int, every: int | None) -> bool:
    return step == total or (every is not None and step % every == 0)


def _held_out(evaluation: Evaluation) -> dict[str, float]:
    return {
        "held_out_loss": evaluation.loss,
        "held_out_accuracy": evaluation.accuracy,
        "held_out_margin": evaluation.margin,
    }


class _Run:
    """What changes while a run goes on: weights, optimiser, position. `write` and `begin` are its two ends."""

    def __init__(
        self,
        model: Any,
        pairs: Sequence[TokenPair],
        held_out: Sequence[TokenPair],
        settings: TrainingSettings,
        pad_id: int,
        cache_folder: Path | None = None,
        note: Callable[[str], None] = lambda note: None,
    ) -> None:
        if settings.objective not in OBJECTIVES:
            raise ValueError(f"Unknown objective {settings.objective!r}; there are {', '.join(OBJECTIVES)}.")
        if not pairs:
            raise ValueError("There are no pairs to train on.")
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        if not self.weights:
            raise ValueError("No weight of the model requires a gradient; add LoRA or unfreeze it.")
        self.model, self.pairs, self.held_out = model, pairs, held_out
        self.settings, self.pad_id = settings, pad_id
        self.objective = OBJECTIVES[settings.objective]
        self.total = total_steps(pairs, batch_size=settings.batch_size, epochs=settings.epochs)
        self.step = 0
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.references: dict[str, Tensor] = {}
        self.cache_folder, self.note = cache_folder, note
        self.shared = False
        self.lengths = _row_lengths(pairs, shared=False)
        self._epoch, self._batches = -1, [[0]]

    def cuda_devices(self) -> list[torch.device]:
        device = next(self.model.parameters()).device
        return [device] if device.type == "cuda" else []

    def begin(self, resume_from: Path | None) -> None:
        if self.objective.trains == "policy" and self.settings.shared_prefix:
            # Asked again on a resume: the answer is a function of the model and the pairs, so it is the same.
            reason = why_not_shared(self.model, self.pairs, pad_id=self.pad_id)
            self.shared = reason is None
            self.lengths = _row_lengths(self.pairs, shared=self.shared)
            self.note(
                "Each prompt is read once for both of its responses"
                if self.shared
                else f"Each prompt is read twice, once for each response: with this model {reason}"
            )
        if resume_from is not None:
            self._read(resume_from)
        elif self.objective.needs_reference:
            # Once, before the first step: the reference never changes, and with LoRA it is the same weights.
            self._measure_references()

    def _measure_references(self) -> None:
        cache = ReferenceCache(self.cache_folder, self.model) if self.cache_folder else None
        self.references = {
            "pairs": self._reference(self.pairs, cache),
            "held_out": self._reference(self.held_out, cache),
        }
        if cache and (count := cache.found):
            self.note(f"{count:,} log-probabilities of the reference were known from earlier runs")

    def _dtype(self) -> str:
        """Of the frozen weights; LoRA weights are float32 on every machine."""
        frozen = (weight for weight in self.model.parameters() if not weight.requires_grad)
        return str(next(frozen, next(iter(self.weights.values()))).dtype)

    def advance(self) -> dict[str, float]:
        """One optimiser step over one batch. Returns the metrics of that batch."""
        settings = self.settings
        self.model.train()
        batch = self._batch()
        rate = learning_rate_at(self.step, total=self.total, settings=settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        passes = buckets(batch, self.lengths, settings.micro_batch)
        batch = [index for indices in passes for index in indices]
        loss_sum, margins = 0.0, []
        for indices in passes:
            losses, gaps = self._losses([self.pairs[i] for i in indices], self._references("pairs", indices))
            # Over the batch's own count: micro-batches of unequal size still weigh each pair the same.
            (losses.sum() / len(batch)).backward()
            loss_sum += losses.sum().item()
            margins += gaps.tolist()
        if not math.isfinite(loss_sum):
            raise FloatingPointError(f"The loss is {loss_sum} at step {self.step + 1}; lower the learning rate.")
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), settings.max_grad_norm)
        self.optimizer.step()
        self.step += 1
        return {
            "loss": loss_sum / len(batch),
            "accuracy": _accuracy(margins, [self.pairs[i].tie for i in batch]),
            "margin": sum(margins) / len(margins),
            "learning_rate": rate,
            "grad_norm": float(norm),
        }

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Loss, accuracy and margin on the held-out pairs, with dropout off."""
        self.model.eval()
        losses, margins = [0.0] * len(self.held_out), [0.0] * len(self.held_out)
        for indices in _by_length(self.held_out, 2 * self.settings.micro_batch):
            some, gaps = self._losses([self.held_out[i] for i in indices], self._references("held_out", indices))
            for index, loss, gap in zip(indices, some.tolist(), gaps.tolist(), strict=True):
                losses[index], margins[index] = loss, gap
        count = len(self.held_out) or math.nan
        accuracy = _accuracy(margins, [pair.tie for pair in self.held_out])
        return Evaluation(sum(losses) / count, accuracy, sum(margins) / count, tuple(margins))

    def write(self, folder: Path) -> None:
        """Write all that a resume needs into `folder`, which exists."""
        device_states = [torch.cuda.get_rng_state(device) for device in self.cuda_devices()]
        state = {
            "step": self.step,
            "fingerprint": self._fingerprint(),
            "weights": {name: weight.detach().cpu() for name, weight in self.weights.items()},
            "optimizer": self.optimizer.state_dict(),
            "references": self.references,
            "dtype": self._dtype(),
            "random": torch.get_rng_state(),
            "random_cuda": device_states,
        }
        torch.save(state, folder / STATE_FILE)

    def _read(self, folder: Path) -> None:
        state = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self._fingerprint():
            raise ValueError(f"{folder} is a checkpoint of another run: its pairs, settings or weights differ.")
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.references = state["step"], state["references"]
        if self.references and state["dtype"] != self._dtype():
            # Written on a machine of another precision: rounding alone would look like a reward.
            self._measure_references()
        torch.set_rng_state(state["random"])
        for device, random_state in zip(self.cuda_devices(), state["random_cuda"], strict=True):
            torch.cuda.set_rng_state(random_state, device)

    def _fingerprint(self) -> str:
        shapes = [(name, tuple(weight.shape)) for name, weight in self.weights.items()]
        content = repr((asdict(self.settings), shapes, list(self.pairs), list(self.held_out)))
        return hashlib.sha256(content.encode()).hexdigest()

    def _batch(self) -> list[int]:
        size = self.settings.batch_size
        epoch, position = divmod(self.step, math.ceil(len(self.pairs) / size))
        if epoch != self._epoch:
            self._batches = epoch_batches(self.pairs, batch_size=size, seed=self.settings.seed, epoch=epoch)
            self._epoch = epoch
        return self._batches[position]

    def _losses(self, pairs: Sequence[TokenPair], references: Tensor | None) -> tuple[Tensor, Tensor]:
        """Loss and margin of each pair, both of shape (pairs,); the margin carries no gradient."""
        chosen, rejected = self._values(pairs).chunk(2)
        device, options = chosen.device, self.settings.options
        if self.objective.trains == "reward":
            margin = torch.tensor([pair.margin for pair in pairs], device=device)
            tie = torch.tensor([pair.tie for pair in pairs], device=device)
            losses = self.objective.loss(chosen, rejected, margin=margin, tie=tie, **options)
            return losses, (chosen - rejected).detach()
        reference = torch.zeros(2, len(pairs), device=device) if references is None else references.to(device)
        losses = self.objective.loss(
            chosen,
            rejected,
            chosen_reference=reference[0],
            rejected_reference=reference[1],
            chosen_lengths=torch.tensor([len(pair.chosen) for pair in pairs], device=device),
            rejected_lengths=torch.tensor([len(pair.rejected) for pair in pairs], device=device),
            **options,
        )
        gap = (chosen - reference[0]) - (rejected - reference[1])
        return losses, options.get("beta", 0.1) * gap.detach()

    def _values(self, pairs: Sequence[TokenPair]) -> Tensor:
        """Scores or log-probabilities, shape (2 x pairs,): all chosen, then all rejected, in one pass."""
        if self.objective.trains == "reward":
            rows = [pair.prompt + pair.chosen for pair in pairs] + [pair.prompt + pair.rejected for pair in pairs]
            return last_token_scores(self.model, rows, pad_id=self.pad_id)
        log_probs = shared_prefix_log_probs if self.shared else plain_log_probs
        return log_probs(self.model, pairs, pad_id=self.pad_id)

    @torch.no_grad()
    def _reference(self, pairs: Sequence[TokenPair], cache: ReferenceCache | None) -> Tensor:
        """Log-probabilities before training, shape (2, pairs): chosen and rejected."""
        self.model.eval()
        values = torch.zeros(2, len(pairs))
        unknown = cache.fill(values, pairs) if cache else range(len(pairs))
        with _adapter_off(self.model):
            lengths = _row_lengths(pairs, shared=self.shared)
            for indices in buckets(unknown, lengths, 2 * self.settings.micro_batch):
                values[:, indices] = self._values([pairs[i] for i in indices]).view(2, -1).cpu()
        if cache:
            cache.keep(values[:, list(unknown)], [pairs[index] for index in unknown])
        return values

    def _references(self, which: str, indices: list[int]) -> Tensor | None:
        return self.references[which][:, indices] if which in self.references else None


def learning_rate_at(step: int, *, total: int, settings: TrainingSettings) -> float:
    """Learning rate of a step counted from 0: linear warm-up to the peak, then half a cosine down to zero."""
    warmup = round(settings.warmup_share * total)
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, total - warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def _accuracy(margins: Sequence[float], ties: Sequence[bool]) -> float:
    decided = [margin for margin, tie in zip(margins, ties, strict=True) if not tie]
    return sum(1.0 if m > 0 else 0.5 if m == 0 else 0.0 for m in decided) / len(decided) if decided else math.nan


def _row_lengths(pairs: Sequence[TokenPair], *, shared: bool) -> list[int]:
    """Tokens that a pass reads of each pair: one row of both sides, or two rows as long as the longer side."""
    if shared:
        return [len(pair.prompt) + len(pair.chosen) + len(pair.rejected) for pair in pairs]
    return [2 * (len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))) for pair in pairs]


def _by_length(pairs: Sequence[TokenPair], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(pairs)), key=lambda index: pairs[index].tokens)
    return (order[start : start + size] for start in range(0, len(order), size))


@contextmanager
def _adapter_off(model: Any) -> Iterator[None]:
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield
    else:
        yield
