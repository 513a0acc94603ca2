"""Consent withdrawn and given again, and which datasets and models hold the answers of people who withdrew it.

Nothing that is frozen changes: it is marked, and can be built again without these answers. A model is marked when its
dataset is, or the dataset of a model that it was trained from.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from accounts.models import Membership, Project, User, record_audit
from annotate.models import DatasetFeedback, Feedback
from curate.models import ConsentWithdrawal
from registry.models import Dataset, Job, ModelVersion


@dataclass(frozen=True)
class Mark:
    """Why a dataset or a model is marked."""

    people: int
    """How many of those whose answers it holds withdrew consent."""
    answers: int = 0
    """How many of these answers a dataset holds; 0 for a model."""
    datasets: tuple[Dataset, ...] = ()
    """For a model: the marked datasets that it, or a model before it, was trained on."""
    rebuilt: Dataset | None = None
    """For a dataset: the newest version that was built again without these answers."""
    building: Job | None = None
    """For a dataset: the job that builds it again now."""


@dataclass(frozen=True)
class Marks:
    """What is marked in a project, by id."""

    datasets: Mapping[int, Mark] = field(default_factory=dict)
    models: Mapping[int, Mark] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """What holds a person's answers."""

    answers: int
    """Current ones in the project."""
    datasets: list[Dataset]
    models: list[ModelVersion]
    """Trained on these datasets, directly or through the models before them."""


@dataclass(frozen=True)
class Gone:
    """How much of something is of people who withdrew consent."""

    people: int = 0
    answers: int = 0


def withdrawn_in(dataset: Dataset) -> Gone:
    """What a dataset holds of them; the second query is asked only where somebody withdrew."""
    gone = list(ConsentWithdrawal.current.filter(project=dataset.project_id).values_list("user", flat=True))
    if not gone:
        return Gone()
    held = DatasetFeedback.objects.filter(dataset=dataset, feedback__annotator__in=gone)
    return Gone(**held.aggregate(people=Count("feedback__annotator", distinct=True), answers=Count("pk")))


def current(project: Project, user: User) -> ConsentWithdrawal | None:
    return ConsentWithdrawal.current.filter(project=project, user=user).select_related("recorded_by").first()


def may_give_again(withdrawal: ConsentWithdrawal, actor: User) -> bool:
    """The person may; and an admin may take back what an admin recorded, which may have been a mistake."""
    return actor.pk == withdrawal.user_id or withdrawal.recorded_by_id != withdrawal.user_id


@transaction.atomic
def withdraw(*, project: Project, user: User, by: User, reason: str = "") -> ConsentWithdrawal:
    """Keep the person's answers out of every later dataset, and give no new tasks. Twice is the same as once."""
    # The person's row is locked, so that two requests make one withdrawal.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if found := current(project, user):
        return found
    member = Membership.objects.select_for_update().filter(project=project, user=user).first()
    made = ConsentWithdrawal.objects.create(
        project=project, user=user, recorded_by=by, reason=reason.strip(), paused_before=bool(member and member.paused)
    )
    if member and not member.paused:
        member.paused = True
        member.save(update_fields=["paused"])
    record_audit(
        actor=by, action="consent.withdrawn", project=project, target=str(user), user=user.pk, reason=made.reason
    )
    return made


@transaction.atomic
def give_again(*, project: Project, user: User, by: User) -> bool:
    """The person's answers may go into datasets again; False where consent was never withdrawn."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    found = current(project, user)
    if found is None:
        return False
    found.reversed_at, found.reversed_by = timezone.now(), by
    found.save(update_fields=["reversed_at", "reversed_by"])
    if not found.paused_before:
        Membership.objects.filter(project=project, user=user).update(paused=False)
    record_audit(actor=by, action="consent.given", project=project, target=str(user), user=user.pk)
    return True


def held(project: Project, user: User) -> Held:
    ids = DatasetFeedback.objects.filter(dataset__project=project, feedback__annotator=user).values("dataset_id")
    datasets = list(Dataset.objects.filter(project=project, pk__in=ids).select_related("project"))
    through = trained_on(project, {one.pk for one in datasets})
    models = list(ModelVersion.objects.filter(pk__in=through).select_related("project"))
    answers = Feedback.current.filter(project=project, annotator=user).count()
    return Held(answers, datasets, models)


def trained_on(project: Project, datasets: Iterable[int]) -> dict[int, set[int]]:
    """{model: which of the datasets it or a model before it was trained on}, for models with any."""
    wanted = set(datasets)
    if not wanted:
        return {}
    # All rows at once: a chain of parents is followed in memory, whatever its length.
    rows = list(ModelVersion.objects.filter(project=project).values_list("pk", "parent_id", "dataset_id"))
    children: dict[int, list[int]] = defaultdict(list)
    for pk, parent, _ in rows:
        if parent is not None:
            children[parent].append(pk)
    found: dict[int, set[int]] = defaultdict(set)
    for pk, _, dataset in rows:
        if dataset not in wanted:
            continue
        waiting, seen = [pk], set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            found[one].add(dataset)
            waiting += children[one]
    return dict(found)


def marks(project: Project) -> Marks:
    """A few queries however many datasets there are; one where nobody withdrew."""
    gone = ConsentWithdrawal.current.filter(project=project)
    if not gone.exists():
        return Marks()
    holding = DatasetFeedback.objects.filter(dataset__project=project, feedback__annotator__in=gone.values("user"))
    counted = holding.values("dataset_id").annotate(
        people=Count("feedback__annotator", distinct=True), answers=Count("pk")
    )
    counts = {row["dataset_id"]: (row["people"], row["answers"]) for row in counted}
    if not counts:
        return Marks()
    everyone = {one.pk: one for one in Dataset.objects.filter(project=project).select_related("project", "job")}
    rebuilt, building = rebuilds(project, everyone.values(), counts)
    datasets = {
        pk: Mark(people, answers, rebuilt=rebuilt.get(pk), building=building.get(everyone[pk].job_id))
        for pk, (people, answers) in counts.items()
    }
    # One person may be in several of a model's datasets, so people are counted over all of them.
    through = trained_on(project, counts)
    who: dict[int, set[int]] = defaultdict(set)
    for dataset, person in holding.values_list("dataset_id", "feedback__annotator_id").distinct():
        who[dataset].add(person)
    models = {
        pk: Mark(
            len(set().union(*(who[dataset] for dataset in ids))),
            datasets=tuple(sorted((everyone[dataset] for dataset in ids), key=str)),
        )
        for pk, ids in through.items()
    }
    return Marks(datasets, models)


def rebuilds(
    project: Project, datasets: Iterable[Dataset], marked: Mapping[int, tuple[int, int]]
) -> tuple[dict[int, Dataset], dict[int, Job]]:
    """({marked dataset: newest unmarked version of the same recipe}, {job of a marked one: job that repeats it})."""
    everyone = sorted(datasets, key=lambda one: one.version)
    rebuilt: dict[int, Dataset] = {}
    for old in (one for one in everyone if one.pk in marked):
        for new in everyone:
            same = new.job.cloned_from_id == old.job_id or new.recipe == old.recipe
            if same and new.name == old.name and new.version > old.version and new.pk not in marked:
                rebuilt[old.pk] = new
    waiting = Job.objects.filter(
        project=project, kind="build_dataset", status__in=[Job.Status.QUEUED, Job.Status.RUNNING],
        cloned_from__in=[one.job_id for one in everyone if one.pk in marked],
    ).select_related("project")  # fmt: skip
    return rebuilt, {job.cloned_from_id: job for job in waiting if job.cloned_from_id is not None}


def withdrawals(project: Project) -> QuerySet[ConsentWithdrawal]:
    return ConsentWithdrawal.current.filter(project=project).select_related("user")
