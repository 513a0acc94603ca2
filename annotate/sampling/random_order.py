"""All open tasks in one random order, priorities ignored: an unbiased draw for measuring agreement."""

from django.db.models import QuerySet

from annotate.models import Task


def order(tasks: QuerySet[Task]) -> QuerySet[Task]:
    return tasks.order_by("shuffle", "pk")
