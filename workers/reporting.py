"""Curves that also go to a tracker: TensorBoard, Weights & Biases or Trackio. The run's page needs none of them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.errors import JobError

NONE = "none"


def require(tracker: str) -> None:
    """Raises JobError with the command that installs it. Trackers are called as their packages are."""
    if tracker != NONE and importlib.util.find_spec(tracker) is None:
        raise JobError(
            f"report_to is {tracker}, and this worker lacks the package of that name. Install it where the worker "
            f"runs: pip install {tracker}, or set report_to to none."
        )


class Reporter:
    """`add(step, values)` of one run. `folder` is where a tracker that writes files puts them."""

    def __init__(self, tracker: str, *, project: str, run: str, folder: Path, config: Mapping[str, Any]) -> None:
        require(tracker)
        self._writer: Any = None
        self._tracked: Any = None
        if tracker == "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(log_dir=str(folder))
        elif tracker != NONE:
            self._tracked = importlib.import_module(tracker)
            self._tracked.init(project=project, name=run, config=dict(config))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """A value of each curve. Whole after each call: a process may be killed between two."""
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
        elif self._tracked:
            self._tracked.log(dict(values), step=step)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        elif self._tracked:
            self._tracked.finish()
