"""All open tasks in one random order, priorities ignored: an unbiased draw for measuring agreement."""

from annotate.sampling.base import Sampler

SAMPLER = Sampler(
    slug="random",
    title="At random",
    description="All open tasks in one random order, whatever their priority: an unbiased draw.",
    keeps_priority=False,
)
