"""Which engine a training runs through: our own loop, or TRL's trainers in one process or in several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.specs.training import TrainingSpec, TrlSpec
from workers import reporting
from workers.context import JobContext
from workers.jobs.training import run_loop
from workers.training import Learner, TrainingResult
from workers.trl_engine.recipe import Recipe, require_trl

MakeRecipe = Callable[[], Recipe]


def uses_trl(spec: TrainingSpec) -> bool:
    return isinstance(spec, TrlSpec) and spec.engine == "trl"


def several(spec: TrainingSpec) -> bool:
    return isinstance(spec, TrlSpec) and spec.devices > 1


def ready(spec: TrainingSpec) -> None:
    """Raises JobError, before anything is loaded, where the worker lacks a package that the settings ask for."""
    reporting.require(spec.report_to)
    if uses_trl(spec):
        require_trl()


def device_of(context: JobContext, spec: TrainingSpec) -> str:
    """Where the start model is put. With several devices each process has its own, which the engine knows."""
    return "cpu" if several(spec) else context.device


def run(
    context: JobContext, spec: TrainingSpec, learner: Learner[Any], tokenizer: Any, *, trl: MakeRecipe | None,
    show: Callable[[int], None] | None = None,
) -> TrainingResult:  # fmt: skip
    """Train the learner's model: `learner.model` is what to keep. Raises Stopped after a checkpoint when asked to."""
    if trl is None or not isinstance(spec, TrlSpec) or spec.engine != "trl":
        return run_loop(context, learner, show=show)
    from workers.trl_engine.fit import fit

    return fit(context, spec, learner, tokenizer, trl(), show=show)
