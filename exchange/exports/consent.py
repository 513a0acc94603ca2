"""The one rule about withdrawn consent for every way out: page, admin, API and command.

Exports of raw answers leave out who withdrew. What cannot change, a frozen dataset or a file that was made before, goes
out with such answers only for those who say so (`withdrawn: include`); they are told how many there are either way.
"""

from accounts.models import Project
from annotate.models import Feedback
from curate.consent import Gone, withdrawn_in
from curate.models import ConsentWithdrawal
from exchange.exports.errors import ExportError
from registry.models import Job
from registry.references import dataset_named
from registry.specs import ExportSpec

INCLUDE = "include"
HEADER = "Palate-Withdrawn-Answers"


class WithdrawnError(ExportError):
    """It holds answers of people who withdrew consent, and nobody said that this is meant. `gone` counts them."""

    def __init__(self, sentence: str, gone: Gone) -> None:
        super().__init__(sentence)
        self.gone = gone


def held(project: Project, spec: ExportSpec) -> Gone:
    """What an export that is made now holds of people who withdrew consent; only a frozen dataset can."""
    return withdrawn_in(dataset_named(project, spec.dataset)) if spec.what == "dataset" else Gone()


def held_in_file(job: Job, spec: ExportSpec) -> Gone:
    """The same of a file that an export job made: raw answers of who withdrew while it was made, or since."""
    if spec.what == "dataset":
        return held(job.project, spec)
    since = job.started_at or job.created_at
    people = ConsentWithdrawal.current.filter(project=job.project, withdrawn_at__gte=since).values_list("user")
    if spec.what == "items" or not people.exists():
        return Gone()
    answers = Feedback.objects.filter(project=job.project, annotator_id__in=people, created_at__lte=job.finished_at)
    return Gone(answers.values("annotator").distinct().count(), answers.count())


def sentence(title: str, gone: Gone, *, frozen: bool) -> str:
    """What is held, and what to export instead; empty where nothing is."""
    if not gone.answers:
        return ""
    who = "1 person who" if gone.people == 1 else f"{gone.people:,} people who"
    answers = "1 answer" if gone.answers == 1 else f"{gone.answers:,} answers"
    instead = "Export a version that is built again without them." if frozen else "Export anew: it leaves them out."
    return f"{title} holds {answers} of {who} withdrew consent since it was {'frozen' if frozen else 'made'}. {instead}"


def warnings(project: Project, spec: ExportSpec) -> list[str]:
    said = sentence(spec.dataset, held(project, spec), frozen=True)
    return [said] if said else []


def check(project: Project, spec: ExportSpec) -> Gone:
    """What an export made now holds. Raises WithdrawnError where that is something, and nobody said `include`."""
    gone = held(project, spec)
    if gone.answers and spec.withdrawn != INCLUDE:
        raise WithdrawnError(f"{sentence(spec.dataset, gone, frozen=True)} {MEANT}", gone)
    return gone


def check_file(job: Job, spec: ExportSpec, *, include: bool) -> Gone:
    """The same for a file that is there. Who included answers when it was asked for need not say so again."""
    gone = held_in_file(job, spec)
    if gone.answers and not include and spec.withdrawn != INCLUDE:
        said = sentence(spec.dataset or job.name, gone, frozen=spec.what == "dataset")
        raise WithdrawnError(f"{said} {MEANT}", gone)
    return gone


MEANT = "To take it with these answers, say so: withdrawn=include."
