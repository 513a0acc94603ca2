"""Which task comes next. A sampler sets the place of each open task; a new one is a file here and a line in SAMPLERS."""

from annotate.sampling import by_priority, random_order
from annotate.sampling.base import Sampler

SAMPLERS: dict[str, Sampler] = {
    one.slug: one
    for one in (
        by_priority.SAMPLER,
        random_order.SAMPLER,
    )
}

__all__ = ["SAMPLERS", "Sampler"]
