"""What waits for what: a job may need what another one makes, and starts when that has succeeded.

A predecessor that failed or was cancelled holds what waits for it: it stays queued and says so, and goes on when the
predecessor was resumed and succeeds. Nothing has to be asked for again.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import Project
from registry.models import Dataset, Job, JobAfter, ModelVersion
from registry.specs import SPECS, Spec, SpecError, ref_of

UNFINISHED = (Job.Status.QUEUED, Job.Status.RUNNING)
ENDED_BADLY = (Job.Status.FAILED, Job.Status.CANCELLED)


@dataclass(frozen=True)
class Waiting:
    """Why a queued job does not start. `held`: only a person can help, by resuming what failed."""

    before: tuple[Job, ...]

    @property
    def held(self) -> bool:
        return any(job.status in ENDED_BADLY for job in self.before)

    @property
    def sentence(self) -> str:
        ended = [job for job in self.before if job.status in ENDED_BADLY]
        if ended:
            names = " and ".join(
                f"{job.name} {'failed' if job.status == 'failed' else 'was cancelled'}" for job in ended
            )
            return f"Held: {names}. Resume it and this run goes on by itself, or take this run out of the queue."
        return f"Waits for {' and '.join(job.name for job in self.before)}."


def makers_of(reference: str) -> list[str]:
    """The kinds of job that make what a field of this reference names. Any policy can be asked for a verdict."""
    fitting = {"judge", "policy"} if reference == "judge" else {reference}
    return [kind for kind, info in SPECS.items() if fitting & set(info.makes)]


def to_come(project: Project, reference: str) -> list[Job]:
    """Jobs of the project that have yet to make such a thing, newest first."""
    found = Job.objects.filter(project=project, kind__in=makers_of(reference), status__in=UNFINISHED)
    return list(found.order_by("-pk"))


def maker_named(project: Project, name: str, reference: str) -> Job | None:
    """The job, in whatever state, that makes or made what a field names by the job's name."""
    return Job.objects.filter(project=project, name=name, kind__in=makers_of(reference)).first()


def predecessors(project: Project, spec: Spec) -> list[Job]:
    """The jobs that have to make what `spec` names and the project does not have yet.

    Raises SpecError where such a job has ended without making it.
    """
    found, problems = {}, {}
    for field, info in type(spec).model_fields.items():
        reference, name = ref_of(info), getattr(spec, field)
        if not reference or not name or not isinstance(name, str) or exists(project, name, reference):
            continue
        if (job := maker_named(project, name, reference)) is None:
            continue
        if job.status in ENDED_BADLY:
            problems[field] = f"{name} {job.status} and made nothing. Resume it first, or choose another."
        elif job.status in UNFINISHED:
            found[job.pk] = job
    if problems:
        raise SpecError(problems)
    return list(found.values())


def exists(project: Project, name: str, reference: str) -> bool:
    if reference == "dataset":
        return Dataset.objects.filter(project=project, job__name=name).exists()
    if reference == "sample":
        return Job.objects.filter(project=project, name=name, kind="sample", status=Job.Status.SUCCEEDED).exists()
    return ModelVersion.objects.filter(project=project, name=name).exists()


def link(job: Job, before: Iterable[Job]) -> None:
    """Let `job`, which is new, wait for older ones of its project."""
    wanted = {one.pk: one for one in before}.values()
    for one in wanted:
        if one.project_id != job.project_id:
            raise SpecError({"": f"{one.name} belongs to another project, so {job.name} cannot wait for it."})
    JobAfter.objects.bulk_create(JobAfter(job=job, before=one) for one in wanted)


def waiting_of(jobs: Iterable[Job]) -> dict[int, Waiting]:
    """{job's id: what it waits for} of those queued jobs that wait for something."""
    queued = [job.pk for job in jobs if job.status == Job.Status.QUEUED]
    edges = JobAfter.objects.filter(job__in=queued).exclude(before__status=Job.Status.SUCCEEDED)
    found: dict[int, list[Job]] = defaultdict(list)
    for edge in edges.select_related("before__project").order_by("before_id"):
        found[edge.job_id].append(edge.before)
    return {pk: Waiting(tuple(before)) for pk, before in found.items()}


def released_by(job: Job) -> list[Job]:
    """Queued jobs for which `job` was the last that they waited for."""
    still = Q(waits_for__before__status__in=[*UNFINISHED, *ENDED_BADLY]) & ~Q(waits_for__before=job)
    then = Job.objects.filter(waits_for__before=job, status=Job.Status.QUEUED)
    blocked = Job.objects.filter(pk__in=then.values("pk")).filter(still).values("pk")
    return list(then.exclude(pk__in=blocked).order_by("pk"))
