"""Which task comes next: a sampler sets the place of each open task. A new one is a file here and a line here."""

from accounts.models import Project
from annotate.models import Collection
from annotate.sampling import by_priority, closest, dissimilar, random_order, uncertain
from annotate.sampling.base import Sampler
from annotate.sampling.placing import Tell, unheard

SAMPLERS: dict[str, Sampler] = {
    one.slug: one
    for one in (
        by_priority.SAMPLER,
        random_order.SAMPLER,
        dissimilar.SAMPLER,
        uncertain.SAMPLER,
        closest.SAMPLER,
    )
}
DEFAULT = by_priority.SAMPLER


class Superseded(Exception):
    """Somebody chose another sampler while tasks were placed by this one. Their choice places all tasks anew."""


def chosen(project: Project) -> Sampler:
    """The project's sampler; the default where nobody chose, or chose one that is no more."""
    slug = Collection.objects.filter(project=project).values_list("sampler", flat=True).first()
    return SAMPLERS.get(slug or "", DEFAULT)


def place_queue(project: Project, *, tell: Tell = unheard) -> int:
    """Put the project's queue in order by its own sampler; returns as `Sampler.place`. Raises Superseded."""
    sampler = chosen(project)

    def still(done: int, total: int) -> None:
        if chosen(project) is not sampler:
            raise Superseded(f"The order {sampler.title!r} was given up while tasks were put in it.")
        tell(done, total)

    return sampler.place(project, tell=still)


def place_if_chosen(project: Project, slug: str, *, tell: Tell = unheard) -> int | None:
    """Put the queue in order if the project uses sampler `slug`, as after a job made what it needs; else None."""
    if chosen(project).slug != slug:
        return None
    try:
        return place_queue(project, tell=tell)
    except Superseded:
        return None


__all__ = ["DEFAULT", "SAMPLERS", "Sampler", "Superseded", "chosen", "place_if_chosen", "place_queue"]
