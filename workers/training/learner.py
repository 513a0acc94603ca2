"""What a learner is: rows, and the loss of some of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor

from workers.engine.buckets import buckets
from workers.pairs import TokenRow
from workers.training.settings import TrainingSettings

Split = Literal["train", "held_out"]
Row = TypeVar("Row", bound=TokenRow)


@dataclass(frozen=True)
class Losses:
    """What one pass found, in the order of the rows that were asked for.

    `weighted` carries the gradient: the loss of each row times its weight, (rows,). `measured`: numbers of each row
    for people, (rows,) each, without a gradient; NaN where a row does not count.
    """

    weighted: Tensor
    measured: dict[str, Tensor] = field(default_factory=dict)


class Learner(ABC, Generic[Row]):
    """A model, its rows, and what they cost. The loop calls `losses`; a batch's loss is sum(weighted) / sum(weights)
    over *all* its micro-batches, so how a batch is cut changes memory and not the result.
    """

    headline: ClassVar[str] = "accuracy"
    """The held-out number that early stopping watches; higher is better."""

    def __init__(
        self, model: Any, rows: Sequence[Row], held_out: Sequence[Row], *, settings: TrainingSettings, pad_id: int
    ) -> None:
        """Raises ValueError for no rows."""
        if not rows:
            raise ValueError("There are no rows to train on.")
        self.model, self.settings, self.pad_id = model, settings, pad_id
        self.rows: dict[Split, Sequence[Row]] = {"train": rows, "held_out": held_out}

    @abstractmethod
    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        """Of these rows, in one pass."""

    def tokens(self, row: Row) -> int:
        """Tokens that a pass reads of this row, padding left out: rows of like length go through together."""
        return row.tokens

    def weight(self, row: Row) -> float:
        """Of the row in the batch's mean; 0 for a row that must not count. Tokens, for a mean over tokens."""
        return 1.0

    def prepare(self, note: Callable[[str], None]) -> None:
        """Before the first step, after a resume too. Tell `note`, in a sentence, how the run will compute."""

    def begin(self, note: Callable[[str], None]) -> None:
        """Before the first step of a run that is not resumed: what is measured once, such as a reference."""

    def constants(self, split: Split, batch: Sequence[int]) -> Any:
        """What the batch as a whole decides, before it is cut into micro-batches; given to each call of `losses`."""
        return None

    def summary(self, split: Split) -> dict[str, float]:
        """Numbers of a split as a whole, beside those of its rows; asked for without gradients, with dropout off."""
        return {}

    def state(self) -> dict[str, Any]:
        """What a resume needs beside weights and optimiser: tensors and plain values."""
        return {}

    def load(self, state: dict[str, Any], note: Callable[[str], None]) -> None:
        """Take back what `state` gave."""

    def passes(self, split: Split, indices: Sequence[int], most: int) -> list[list[int]]:
        """Cut into passes of at most `most` rows of like length."""
        rows = self.rows[split]
        lengths = {index: self.tokens(rows[index]) for index in indices}
        order = list(indices)
        return [[order[at] for at in one] for one in buckets(range(len(order)), [lengths[i] for i in order], most)]

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device


@contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """The model as it was before the adapter: with LoRA the reference is the same weights."""
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield
    else:
        yield
