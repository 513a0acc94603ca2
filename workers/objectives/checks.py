"""What every objective asks of its arguments: one shape, and settings that have a meaning."""

from __future__ import annotations

from torch import Tensor


def same_shape(**tensors: Tensor | None) -> None:
    """Raise ValueError unless all have the shape of the first: broadcasting would pair up what does not belong."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first = next(iter(given))
    for name, tensor in given.items():
        if tensor.shape != given[first].shape:
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)} and {first} {tuple(given[first].shape)}; "
                "they must be the same."
            )


def above_zero(**settings: float) -> None:
    """Raise ValueError for a setting that is not above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, it is {value}.")


def smoothing(label_smoothing: float) -> None:
    """Raise ValueError unless it is a probability below one half: at one half the labels say nothing."""
    if not 0.0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing must be in [0, 0.5), it is {label_smoothing}.")
