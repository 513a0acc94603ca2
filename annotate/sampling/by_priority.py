"""Urgent tasks first, in random order among equals; what a project uses unless it chooses otherwise."""

from django.db.models import QuerySet

from annotate.models import Task


def order(tasks: QuerySet[Task]) -> QuerySet[Task]:
    return tasks.order_by("-priority", "shuffle", "pk")
