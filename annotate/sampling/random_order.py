"""All open tasks in one random order, priorities ignored: an unbiased draw for measuring agreement."""

from django.db.models import F
from django.db.models.functions import Random

from accounts.models import Project
from annotate.models import Task
from annotate.sampling.base import Sampler


def place(project: Project) -> int:
    return Task.objects.filter(project=project, claimed__lt=F("wanted")).update(place=Random())


SAMPLER = Sampler(
    slug="random",
    title="At random",
    description="All open tasks in one random order, whatever their priority: an unbiased draw.",
    place=place,
    keeps_priority=False,
)
