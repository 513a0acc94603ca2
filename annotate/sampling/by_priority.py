"""Urgent tasks first, in random order among equals; what a project uses unless it chooses otherwise."""

from annotate.sampling.base import Sampler

SAMPLER = Sampler(
    slug="priority",
    title="Priority, then at random",
    description="Tasks of higher priority come first, tasks of the same priority in random order.",
)
