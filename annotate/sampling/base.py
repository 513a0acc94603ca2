"""What a sampler is."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import Project


@dataclass(frozen=True)
class Sampler:
    """A way to put the open tasks of a project in order.

    The queue is always read in the order of `Task.place`, which an index serves at any size. A sampler is what sets it.
    """

    slug: str
    title: str
    description: str
    """One sentence for the person who chooses: what comes first, and what it needs."""
    place: Callable[[Project], int]
    """Set `place` of every task of the project that is not done; returns for how many it knew more than chance."""
    keeps_priority: bool = True
    """Whether a higher priority comes first in any case."""
