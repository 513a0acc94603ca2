"""What our jobs see of a run of TRL's: its curves, checkpoints, stops and the patience of early stopping."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from registry.specs.training import TrlSpec
from workers.context import JobContext
from workers.training.loop import OnStep
from workers.trl_engine.hooks import Plan
from workers.trl_engine.recipe import Recipe

NAMES = {
    "loss": "loss", "grad_norm": "grad_norm", "learning_rate": "learning_rate", "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward", "rewards/margins": "margin", "rewards/accuracies": "accuracy",
    "margin": "margin", "accuracy": "accuracy",
}  # fmt: skip
"""Of TRL's metrics those that our own loop has too, by our names."""
BEST = "best.pt"


def named(metrics: dict[str, Any], *, before: str = "", ours: str = "") -> dict[str, float]:
    """Those of our curves, without the `before` of TRL's names and with `ours` in front of our own."""
    return {
        f"{ours}{NAMES[name.removeprefix(before)]}": float(value)
        for name, value in metrics.items()
        if name.startswith(before) and name.removeprefix(before) in NAMES
    }


class Follow(TrainerCallback):
    """Decides on every process alike: what differs between them (a stop that was asked for) is the first one's word."""

    def __init__(
        self, context: JobContext, spec: TrlSpec, recipe: Recipe, plan: Plan, *, measures: bool, on_step: OnStep,
        show: Callable[[int], None] | None,
    ) -> None:  # fmt: skip
        self.context, self.spec, self.recipe, self.plan = context, spec, recipe, plan
        self.measures, self.tell, self.show = measures, on_step, show
        self.trainer: Any = None
        self.kind: Any = None
        """The class of the model, before it was dealt out."""
        self.asked_to_stop = False
        self.held_out: dict[str, float] = {}
        """The newest held-out metrics, by TRL's names."""
        self.best_step: int | None = None
        self._best, self._since = -math.inf, 0
        self._best_weights: dict[str, torch.Tensor] = {}
        self._best_metrics: dict[str, float] = {}

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        size = self.plan.settings.batch_size
        self.plan.order.epoch = state.global_step // math.ceil(len(self.plan.order) / size)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        last = state.global_step >= self.plan.total
        self.asked_to_stop = not last and self._all_know(self.context.should_stop())
        control.should_evaluate = self.measures and (last or state.global_step % self.spec.eval_every == 0)
        control.should_save = self.asked_to_stop or (not last and state.global_step % self.spec.checkpoint_every == 0)
        control.should_training_stop = last or self.asked_to_stop

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        found = named(logs or {})
        if "loss" not in found:
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(found.get(name, 0.0)):
                what = name.replace("grad_norm", "gradient")
                raise FloatingPointError(
                    f"The {what} is {found[name]} at step {state.global_step}; lower the learning rate."
                )
        if self.context.leads:
            self.tell(state.global_step, self.plan.total, found)

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        metrics = given["metrics"]
        self.held_out = metrics
        if not math.isfinite(metrics["eval_loss"]):
            why = "lower the learning rate" if state.global_step else "the start model's weights are broken"
            raise FloatingPointError(
                f"The held-out loss is {metrics['eval_loss']} after step {state.global_step}; {why}."
            )
        if self.context.leads:
            found = named(metrics, before="eval_", ours="held_out_")
            self.context.metrics(state.global_step, found)
            self.context.log(
                f"step {state.global_step}  " + "  ".join(f"{name} {value:.4g}" for name, value in found.items())
            )
        self._compare(state.global_step, control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """What TRL wrote becomes a checkpoint of the job: whole, with a hash of every file."""
        self.trainer.accelerator.wait_for_everyone()
        written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self.context.leads:
            self.context.save_checkpoint(state.global_step, lambda folder: self._move(written, folder))
            self.context.log(f"Checkpoint at step {state.global_step} saved")
            if self.show and not self.asked_to_stop:
                self.show(state.global_step)
        self.trainer.accelerator.wait_for_everyone()

    def take_up(self, checkpoint: Path) -> None:
        """What patience knew when the checkpoint was written."""
        known = torch.load(checkpoint / BEST, map_location="cpu", weights_only=True)
        self._best, self._since, self.best_step, self._best_weights, self._best_metrics = known

    @torch.no_grad()
    def put_best(self, model: Any, *, steps: int) -> None:
        """The best weights into the model, where patience watched and a later step was worse."""
        if self.best_step in (None, steps):
            return
        self.context.log(f"The weights of step {self.best_step} are kept: held-out measurements were best there")
        self.held_out = self._best_metrics
        for name, weight in weights_of(model).items():
            weight.copy_(self._best_weights[name])

    def _compare(self, step: int, control: Any) -> None:
        if self.spec.patience is None:
            return
        value = self.held_out[self.recipe.headline]
        value = -value if self.recipe.headline == "eval_loss" else value
        if value > self._best:
            self._best, self._since, self.best_step, self._best_metrics = value, 0, step, dict(self.held_out)
            kept = weights_of(self.trainer.accelerator.unwrap_model(self.trainer.model))
            self._best_weights = {name: weight.detach().cpu().clone() for name, weight in kept.items()}
        elif step:
            self._since += 1
        if self._since >= self.spec.patience:
            control.should_training_stop = True
            self.asked_to_stop = False

    def _move(self, written: Path, folder: Path) -> None:
        for path in list(written.iterdir()):
            shutil.move(path, folder / path.name)
        written.rmdir()
        with (folder / BEST).open("wb") as file:
            torch.save([self._best, self._since, self.best_step, self._best_weights, self._best_metrics], file)

    def _all_know(self, mine: bool) -> bool:
        if self.spec.devices == 1:
            return mine
        from accelerate.utils import broadcast_object_list

        return bool(broadcast_object_list([mine], from_process=0)[0])


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
