"""One training loop for everything that is trained.

Same inputs, same machine: same weights, whether or not the run was interrupted and resumed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workers.pairs import epoch_batches, total_steps
from workers.training.learner import Learner, Split
from workers.training.settings import Evaluation, TrainingResult, TrainingSettings

STATE_FILE = "training_state.pt"

SaveCheckpoint = Callable[[int, Callable[[Path], None]], None]
OnStep = Callable[[int, int, dict[str, float]], None]
Note = Callable[[str], None]


def train(
    learner: Learner[Any],
    *,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
    save_checkpoint: SaveCheckpoint | None = None,
    resume_from: Path | None = None,
    on_note: Note | None = None,
) -> TrainingResult:
    """Train the weights of the learner's model that require a gradient.

    `on_step(step, total, metrics)` follows every step, and step 0 with the held-out numbers of the untrained
    model. `save_checkpoint(step, write)` decides where: it calls `write(folder)`. A stop is taken between
    steps, after a checkpoint. `resume_from` is a folder that `write` wrote. `on_note` hears, in a sentence, how the
    run computes.

    With `patience`, the run ends when so many measurements in a row brought nothing better, and the model is left
    with the weights of the best one.

    Raises ValueError for nothing to train, or a checkpoint of another run; FloatingPointError if a loss, of held-out
    rows too, or the gradient is not a number.
    """
    run = _Run(learner, on_note or (lambda note: None))
    with torch.random.fork_rng(devices=run.cuda_devices()):
        torch.manual_seed(run.settings.seed)
        run.begin(resume_from)
        evaluation = run.evaluate() if run.measures and run.step == 0 else None
        if evaluation:
            run.compare(evaluation)
            if on_step:
                on_step(0, run.total, _held_out(evaluation))
        while run.step < run.total and not run.out_of_patience:
            if should_stop and should_stop():
                if save_checkpoint:
                    save_checkpoint(run.step, run.write)
                return TrainingResult(run.step, run.total, True, None)
            metrics = run.advance()
            if run.measures and _due(run.step, run.total, run.settings.eval_every):
                evaluation = run.evaluate()
                run.compare(evaluation)
                metrics |= _held_out(evaluation)
            if save_checkpoint and run.step < run.total and _due(run.step, run.total, run.settings.checkpoint_every):
                save_checkpoint(run.step, run.write)
            if on_step:
                on_step(run.step, run.total, metrics)
        evaluation = run.finish(evaluation)
    learner.model.eval()
    return TrainingResult(run.step, run.total, False, evaluation, run.best_step)


def _due(step: int, total: int, every: int | None) -> bool:
    return step == total or (every is not None and step % every == 0)


def _held_out(evaluation: Evaluation) -> dict[str, float]:
    return {"held_out_loss": evaluation.loss} | {
        f"held_out_{name}": value for name, value in evaluation.metrics.items() if math.isfinite(value)
    }


class _Run:
    """What changes while a run goes on: weights, optimiser, position. `write` and `begin` are its two ends."""

    def __init__(self, learner: Learner[Any], note: Note) -> None:
        self.learner, self.model, self.note = learner, learner.model, note
        self.settings: TrainingSettings = learner.settings
        self.weights = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        if not self.weights:
            raise ValueError("No weight of the model requires a gradient; add LoRA or unfreeze it.")
        self.rows = learner.rows["train"]
        self.measures = bool(learner.rows["held_out"])
        self.total = total_steps(self.rows, batch_size=self.settings.batch_size, epochs=self.settings.epochs)
        self.step = 0
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        self.best_step: int | None = None
        self._best, self._since = -math.inf, 0
        self._best_weights: dict[str, Tensor] = {}
        self._epoch, self._batches = -1, [[0]]

    def cuda_devices(self) -> list[torch.device]:
        device = self.learner.device
        return [device] if device.type == "cuda" else []

    def begin(self, resume_from: Path | None) -> None:
        self.learner.prepare(self.note)
        if resume_from is None:
            self.learner.begin(self.note)
        else:
            self._read(resume_from)

    def advance(self) -> dict[str, float]:
        """One optimiser step over one batch. Returns the metrics of that batch."""
        self.model.train()
        rate = learning_rate_at(self.step, total=self.total, settings=self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        batch = self._batch()
        # Over the batch's own weight: micro-batches of unequal size still weigh each row the same.
        weight = sum(self.learner.weight(self.rows[index]) for index in batch)
        constants = self.learner.constants("train", batch)
        loss, measured = 0.0, _Measured()
        for indices in self.learner.passes("train", batch, self.settings.micro_batch):
            found = self.learner.losses("train", indices, constants)
            (found.weighted.sum() / weight).backward()
            loss += found.weighted.sum().item() / weight
            measured.add(indices, found.measured)
        if not math.isfinite(loss):
            raise FloatingPointError(f"The loss is {loss} at step {self.step + 1}; lower the learning rate.")
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights.values(), self.settings.max_grad_norm))
        if not math.isfinite(norm):
            raise FloatingPointError(f"The gradient is {norm} at step {self.step + 1}; lower the learning rate.")
        self.optimizer.step()
        self.step += 1
        return {"loss": loss, **measured.means(), "learning_rate": rate, "grad_norm": norm}

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Loss and measures on the held-out rows, with dropout off."""
        self.model.eval()
        rows = self.learner.rows["held_out"]
        loss, measured = 0.0, _Measured()
        constants = self.learner.constants("held_out", range(len(rows)))
        for indices in self.learner.passes("held_out", range(len(rows)), 2 * self.settings.micro_batch):
            found = self.learner.losses("held_out", indices, constants)
            loss += found.weighted.sum().item()
            measured.add(indices, found.measured)
        weight = sum(self.learner.weight(row) for row in rows)
        if not math.isfinite(loss):
            why = "lower the learning rate" if self.step else "the start model's own weights are broken: take another"
            raise FloatingPointError(f"The held-out loss is {loss} after step {self.step}; {why}.")
        metrics = measured.means() | self.learner.summary("held_out")
        return Evaluation(loss / weight if weight else math.nan, metrics, measured.values(len(rows)))

    def compare(self, evaluation: Evaluation) -> None:
        """Keep the weights of the best measurement, where `patience` asks for it."""
        if self.settings.patience is None:
            return
        headline = evaluation.metrics.get(self.learner.headline, -evaluation.loss)
        if headline > self._best:
            self._best, self._since, self.best_step = headline, 0, self.step
            self._best_weights = {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}
        else:
            self._since += 1

    @property
    def out_of_patience(self) -> bool:
        return self.settings.patience is not None and self._since >= self.settings.patience

    def finish(self, evaluation: Evaluation | None) -> Evaluation | None:
        """Leave the best weights in the model, and return what they measure."""
        if self.best_step is not None and self.best_step != self.step:
            self.note(f"The weights of step {self.best_step} are kept: held-out {self.learner.headline} was best there")
            self._put(self._best_weights)
            return self.evaluate()
        if self.measures and evaluation is None:  # resumed from after the last step
            return self.evaluate()
        return evaluation

    def write(self, folder: Path) -> None:
        """Write all that a resume needs into `folder`, which exists."""
        state = {
            "step": self.step,
            "fingerprint": self._fingerprint(),
            "weights": {name: weight.detach().cpu() for name, weight in self.weights.items()},
            "optimizer": self.optimizer.state_dict(),
            "learner": self.learner.state(),
            "best": [self._best, self._since, self.best_step, self._best_weights],
            "random": torch.get_rng_state(),
            "random_cuda": [torch.cuda.get_rng_state(device) for device in self.cuda_devices()],
        }
        # Through a file of Python's: given a path, torch says of a full disk "unexpected pos 576 vs 534".
        with (folder / STATE_FILE).open("wb") as file:
            torch.save(state, file)

    def _read(self, folder: Path) -> None:
        state = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self._fingerprint():
            raise ValueError(f"{folder} is a checkpoint of another run: its rows, settings or weights differ.")
        self._put(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self._best, self._since, self.best_step, self._best_weights = state["best"]
        self.learner.load(state["learner"], self.note)
        torch.set_rng_state(state["random"])
        for device, random_state in zip(self.cuda_devices(), state["random_cuda"], strict=True):
            torch.cuda.set_rng_state(random_state, device)

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(weights[name])

    def _fingerprint(self) -> str:
        shapes = [(name, tuple(weight.shape)) for name, weight in self.weights.items()]
        digest = hashlib.sha256(repr((type(self.learner).__name__, asdict(self.settings), shapes)).encode())
        split: Split
        for split in ("train", "held_out"):
            for row in self.learner.rows[split]:
                digest.update(repr(row).encode())
            digest.update(split.encode())
        return digest.hexdigest()

    def _batch(self) -> list[int]:
        size = self.settings.batch_size
        epoch, position = divmod(self.step, math.ceil(len(self.rows) / size))
        if epoch != self._epoch:
            self._batches = epoch_batches(self.rows, batch_size=size, seed=self.settings.seed, epoch=epoch)
            self._epoch = epoch
        return self._batches[position]


class _Measured:
    """Numbers of rows from several passes, put together again by row."""

    def __init__(self) -> None:
        self.found: dict[str, dict[int, float]] = {}

    def add(self, indices: list[int], measured: dict[str, Tensor]) -> None:
        for name, values in measured.items():
            self.found.setdefault(name, {}).update(zip(indices, values.tolist(), strict=True))

    def means(self) -> dict[str, float]:
        """Of the rows that count; NaN where none does."""
        found: dict[str, float] = {}
        for name, values in self.found.items():
            counted = [value for value in values.values() if not math.isnan(value)]
            found[name] = sum(counted) / len(counted) if counted else math.nan
        return found

    def values(self, count: int) -> dict[str, tuple[float, ...]]:
        return {name: tuple(values[index] for index in range(count)) for name, values in self.found.items()}


def learning_rate_at(step: int, *, total: int, settings: TrainingSettings) -> float:
    """Learning rate of a step counted from 0: linear warm-up to the peak, then half a cosine down to zero."""
    warmup = round(settings.warmup_share * total)
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, total - warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
