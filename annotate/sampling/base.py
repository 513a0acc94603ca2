"""What a sampler is."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import Project
from annotate.sampling import placing
from annotate.sampling.placing import Known, Readiness, Span, Tell


@dataclass(frozen=True)
class Sampler:
    """A way to put the tasks of a project in order.

    The queue is always read in the order of `Task.place`, which an index serves at any size. A sampler is what sets it.
    """

    slug: str
    title: str
    description: str
    """One sentence for the person who chooses: what comes first, and what it needs."""
    known: Callable[[Project], Known | None] | None = None
    """What it goes by; None for one that needs to know nothing, or for a project in which nothing is known yet."""
    needs: str = ""
    """What tasks must have for it, in words that follow "312 of 4,000 tasks": "have embeddings"."""
    supply: Callable[[Project], tuple[str, str]] | None = None
    """The kind of job, a key of registry.specs.SPECS, that makes what is needed, and the words of the link to it."""
    keeps_priority: bool = True
    """Whether a higher priority comes first in any case."""

    def place(self, project: Project, *, tell: Tell = placing.unheard) -> int:
        """Set `place` of every work task of the project that is not done.

        Returns for how many it knew more than chance; for a sampler that needs to know nothing, how many it placed.
        A million tasks take minutes: use a job for many. Raises what `tell` raises.
        """
        placed, knew = placing.place(
            project,
            known=self.known(project) if self.known else None,
            shuffle=self.known is None,
            priority=self.keeps_priority,
            tell=tell,
        )
        return knew if self.known else placed

    def readiness(self, project: Project, span: Span | None = None) -> Readiness | None:
        """About how many tasks it knows something, and where from; None for one that needs to know nothing.

        `span`: of placing.span_of, for who asks several samplers; counting a million tasks takes a second.
        """
        if self.known is None:
            return None
        return placing.readiness(project, self.known(project), span or placing.span_of(project))
