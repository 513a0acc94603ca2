"""What our trainers do otherwise than TRL's: the rows as they are, our order and schedule, nothing sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from workers.pairs import TokenRow, epoch_batches
from workers.training import TrainingSettings, learning_rate_at


def places_of(rows: Sequence[TokenRow], *, settings: TrainingSettings, epoch: int) -> list[int]:
    """The order of one epoch: batch after batch as our own loop takes them, the one that is not full at the end.

    TRL cuts the rows by their place, so a smaller batch in the middle would shift all that follow.
    """
    batches = epoch_batches(rows, batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)
    batches.sort(key=lambda batch: len(batch) < settings.batch_size)
    return [index for batch in batches for index in batch]


class Order(Sampler[int]):
    """The rows of the epoch that is set; in their own order for all epochs where it is `fixed`."""

    def __init__(self, rows: Sequence[TokenRow], *, settings: TrainingSettings, fixed: bool) -> None:
        self.rows, self.settings, self.fixed = rows, settings, fixed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        if self.fixed:
            return iter(range(len(self.rows)))
        return iter(places_of(self.rows, settings=self.settings, epoch=self.epoch))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Plan:
    order: Order
    settings: TrainingSettings
    total: int


class Hooks:
    """Before a trainer of TRL in the order of bases. `plan` is set by the class that is made of both."""

    plan: Plan

    def _prepare_dataset(self, dataset: Any, *given: Any, **named: Any) -> Any:
        """They are tokens already, made by our readers."""
        return dataset

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self.plan.order

    def _send_telemetry(self) -> None:
        """A run tells nobody outside about itself."""

    def create_model_card(self, *given: Any, **named: Any) -> None:
        """The model version has a card of its own."""

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """All weights decay, as in our own loop."""
        return [name for name, _ in model.named_parameters()]

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        optimizer = self.optimizer if optimizer is None else optimizer  # type: ignore[attr-defined]
        plan = self.plan
        peak = plan.settings.learning_rate

        def share(step: int) -> float:
            return learning_rate_at(min(step, plan.total), total=plan.total, settings=plan.settings) / peak

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return self.lr_scheduler


def trainer_class(name: str, plan: Plan) -> type[Any]:
    """The trainer of TRL of that name, with our hooks."""
    import trl

    return type(name, (Hooks, getattr(trl, name)), {"plan": plan})
