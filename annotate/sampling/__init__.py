"""Which task comes next. A sampler orders the open tasks; a new one is a file here and a line in SAMPLERS."""

from annotate.sampling import by_priority, random_order
from annotate.sampling.base import Sampler

SAMPLERS: dict[str, Sampler] = {"priority": by_priority.order, "random": random_order.order}

__all__ = ["SAMPLERS", "Sampler"]
