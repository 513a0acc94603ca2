"""Urgent tasks first, in random order among equals; what a project uses unless it chooses otherwise."""

from django.db.models import F, FloatField
from django.db.models.functions import Cast, Random

from accounts.models import Project
from annotate.models import Task
from annotate.sampling.base import Sampler


def place(project: Project) -> int:
    tasks = Task.objects.filter(project=project, claimed__lt=F("wanted"))
    return tasks.update(place=Random() - Cast("priority", FloatField()))


SAMPLER = Sampler(
    slug="priority",
    title="Priority, then at random",
    description="Tasks of higher priority come first, tasks of the same priority in random order.",
    place=place,
)
