"""What a sampler is."""

from collections.abc import Callable

from django.db.models import QuerySet

from annotate.models import Task

Sampler = Callable[[QuerySet[Task]], QuerySet[Task]]
"""Open tasks in, the same tasks in the order in which they should be given out. Must be served by an index."""
