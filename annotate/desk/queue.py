"""Giving out work: tasks into the queue, and out of it to people. Each function is one transaction.

Rows are locked in one order, so that nobody waits in a circle: the person's own row, then the rows of tasks in order
of id, then assignments. A person's acts come one after the other, whatever their tabs do; the sweep of lapsed leases
acts for nobody, and passes over tasks that are locked.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F, QuerySet, prefetch_related_objects
from django.utils import timezone

from accounts.models import Membership, Project, User
from accounts.permissions import membership_of
from annotate.design.protocols import ProtocolError, parse_steps
from annotate.desk import qualification, statements
from annotate.desk.statements import Wanted
from annotate.models import Assignment, Collection, Prompt, Protocol, Qualification, Response, Task, TaskResponse

Status, Purpose = Assignment.Status, Task.Purpose
WITHOUT_LIMIT = 32_000
"""`wanted` of tasks whose answer is known: everybody may get them."""
LANES_ARE_KNOWN_FOR = 10  # seconds; a lane that is new waits so long for people who do not take all lanes


def create_task(
    *,
    prompt: Prompt,
    responses: Sequence[Response] = (),
    kind: str = "pairwise",
    protocol: Protocol | None = None,
    wanted: int = 1,
    ceiling: int | None = None,
    priority: int = 0,
    criterion: str = "",
    skill: str = "",
    purpose: str = Purpose.WORK,
    gold: Mapping[str, Any] | None = None,
    draw: float | None = None,
) -> Task:
    """A task over `responses`, whose order becomes the canonical one.

    draw: 0 to 1, the place in the queue among tasks of the same priority; random unless given. The responses may answer
    another prompt than `prompt` (pairs of instruction and response, as in DOVE); each is then shown with its own.
    Raises ValueError with a sentence when the parts do not fit together.
    """
    try:
        steps = parse_steps(protocol.steps if protocol else [{"kind": kind}], responses=len(responses))
    except ProtocolError as error:
        raise ValueError(str(error)) from error
    if any(response.prompt.project_id != prompt.project_id for response in responses):
        raise ValueError(f"A response belongs to a prompt of another project than {prompt.key}.")
    if (gold is None) != (purpose in {Purpose.WORK, Purpose.TURN}):
        raise ValueError("Gold and test tasks need a known answer, and only they have one.")
    if ceiling is not None and ceiling < wanted:
        raise ValueError(f"At most {ceiling} raters is less than the {wanted} that are wanted in any case.")
    with transaction.atomic():
        task = Task.objects.create(
            project_id=prompt.project_id, prompt=prompt, lang=prompt.lang, kind=steps[0].kind.slug, protocol=protocol,
            wanted=wanted if gold is None else WITHOUT_LIMIT, ceiling=ceiling, priority=priority, criterion=criterion,
            skill=skill, purpose=purpose, gold=gold,
            two_prompts=any(response.prompt_id != prompt.pk for response in responses),
            place=(random.random() if draw is None else draw) - priority,
        )  # fmt: skip
        TaskResponse.objects.bulk_create(
            TaskResponse(task=task, response=response, position=position) for position, response in enumerate(responses)
        )
    return task


def shown_order(*, annotator_id: int, task_id: int, responses: int) -> list[int]:
    """The positions in the order this annotator sees them: random over people, the same on every reload."""
    digest = hashlib.sha256(f"{annotator_id}:{task_id}".encode()).digest()
    order = list(range(responses))
    random.Random(int.from_bytes(digest[:8])).shuffle(order)
    return order


def lease_end() -> datetime:
    return timezone.now() + timedelta(minutes=settings.TASK_LEASE_MINUTES)


def lock_person(annotator: User) -> None:
    statements.lock_person(annotator.pk)


def lock_tasks(task_ids: Iterable[int]) -> None:
    list(Task.objects.filter(pk__in=list(task_ids)).order_by("pk").select_for_update().values_list("pk"))


def rules_of(project: Project) -> Collection:
    """How the project collects; the defaults where nobody has set anything. Read once for each Project instance."""
    known: Collection | None = project.__dict__.get("_rules")
    return keep_rules(project, statements.rules(project.pk)) if known is None else known


def keep_rules(project: Project, stored: Collection | None) -> Collection:
    """Remember what was read of the project's rules: None where nobody has set anything."""
    rules = project.__dict__["_rules"] = stored or Collection(project=project)
    return rules


def next_assignment(*, project: Project, annotator: User, holds_none: bool = False) -> Assignment | None:
    """The task this annotator holds, or a new lease; None when there is nothing for them to do.

    `holds_none`: the caller's transaction has locked the person's row, and seen since that they hold no task.
    """
    return lease(project=project, annotator=annotator, holds_none=holds_none) or (
        # Only when nothing is open is it worth taking back what others let lapse.
        lease(project=project, annotator=annotator) if expire_leases(project) else None
    )


def held_assignment(*, project: Project, annotator: User) -> Assignment | None:
    """The live lease, prolonged, so that a reload or a second tab shows the same task."""
    held = statements.held_assignment(person=annotator.pk, project=project.pk, now=timezone.now())
    if held is None:
        return None
    held.task.project, held.lease_until = project, lease_end()
    # Only while it is still a lease: an answer of another tab may have come in between.
    live = Assignment.objects.filter(pk=held.pk, status=Status.LEASED).update(lease_until=held.lease_until)
    return held if live else None


@dataclass(frozen=True)
class Lanes:
    """What a person takes of a project: pairs of (skill, language). A task without a skill is in the lane ""."""

    taken: Sequence[tuple[str, str]]
    everything: bool
    """Whether these are all lanes of the project, so that its one queue can be read."""


def reads(languages: Iterable[str], lang: str) -> bool:
    """Whether somebody who reads `languages` reads `lang`: "de" covers "de_DE", "pt_BR" does not cover "pt_PT"."""
    parts = lang.replace("_", "-").lower().split("-")
    return any(parts[: len(own)] == own for own in (one.replace("_", "-").lower().split("-") for one in languages))


def lanes_of(project: Project, annotator: User, membership: Membership | None, rules: Collection) -> Lanes:
    lanes = known_lanes(project)
    skills = {"", *(membership.skills if membership else ())}
    languages = annotator.languages if rules.match_languages else []
    taken = [(skill, lang) for skill, lang in lanes if skill in skills and (not languages or reads(languages, lang))]
    return Lanes(taken, len(taken) == len(lanes))


def known_lanes(project: Project) -> list[tuple[str, str]]:
    """(skill, language) of the project's open tasks, from the index alone: one step a lane, however many tasks."""
    key = f"lanes:{project.pk}"
    found = cache.get(key)
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(LANES_SQL, {"project": project.pk})
            found = [tuple(row) for row in cursor.fetchall()]
        cache.set(key, found, LANES_ARE_KNOWN_FOR)
    return found


LANES_SQL = """
WITH RECURSIVE lane AS (
    (SELECT skill, lang FROM annotate_task
     WHERE project_id = %(project)s AND claimed < wanted AND NOT flagged AND purpose = 'work'
     ORDER BY skill, lang LIMIT 1)
    UNION ALL
    SELECT following.skill, following.lang FROM lane, LATERAL (
        SELECT skill, lang FROM annotate_task
        WHERE project_id = %(project)s AND claimed < wanted AND NOT flagged AND purpose = 'work'
          AND (skill, lang) > (lane.skill, lane.lang)
        ORDER BY skill, lang LIMIT 1
    ) following
)
SELECT skill, lang FROM lane
"""


def candidates(project: Project, annotator: User, lanes: Lanes, purpose: str) -> Iterable[Wanted]:
    """Queues to try, the one whose head comes first before the others."""
    if lanes.everything or purpose != Purpose.WORK:
        # The lanes were read a moment ago: a task of a lane that is newer must not slip through.
        skills, languages = {skill for skill, _ in lanes.taken}, {lang for _, lang in lanes.taken}
        return [Wanted(project.pk, annotator.pk, purpose, skills, languages)] if lanes.taken else []
    queues = [Wanted(project.pk, annotator.pk, purpose, [skill], [lang]) for skill, lang in lanes.taken]
    heads = [(statements.head(queue), number) for number, queue in enumerate(queues)]
    return [queues[number] for _, number in sorted((place, number) for place, number in heads if place is not None)]


@transaction.atomic(savepoint=False)
def lease(*, project: Project, annotator: User, holds_none: bool = False) -> Assignment | None:
    """Claim one open task. SKIP LOCKED: people who ask at once get different tasks and never wait for each other."""
    if not holds_none:
        # Two tabs of one person must not lease two tasks: the second waits here and then finds the first one's lease.
        lock_person(annotator)
        if held := held_assignment(project=project, annotator=annotator):
            return held
    task = claim(project, annotator)
    if task is None:
        return None
    task.project = project
    task.prompt, responses = statements.item(task)
    keep_responses(task, responses)
    order = shown_order(annotator_id=annotator.pk, task_id=task.pk, responses=len(responses_of(task)))
    assignment = statements.lease(task=task.pk, person=annotator.pk, order=order, now=timezone.now(), until=lease_end())
    assignment.task = task
    return assignment


def claim(project: Project, annotator: User) -> Task | None:
    """A place of the task that this person should get next, whatever its purpose."""
    membership = membership_of(annotator, project)
    if membership and membership.paused:
        return None
    rules = rules_of(project)
    if qualification.is_needed(project, annotator, membership, rules):
        if Qualification.objects.filter(project=project, user=annotator).exists():
            return None  # failed: more of it would change nothing, somebody has to let them in
        if task := first_of([known_answers(project, annotator, Purpose.TEST)]):
            return task
        verdict = qualification.judge(project, annotator, rules, ended=True)
        if verdict is None or not verdict.passed:
            return None
    lanes = lanes_of(project, annotator, membership, rules)
    gold = None
    if gold_is_due(project, annotator, rules):
        gold = first_of(candidates(project, annotator, lanes, Purpose.GOLD))
    return gold or first_of(candidates(project, annotator, lanes, Purpose.WORK))


def first_of(queues: Iterable[Wanted]) -> Task | None:
    return next((task for queue in queues if (task := statements.claim(queue))), None)


def responses_of(task: Task) -> list[TaskResponse]:
    """The task's responses in canonical order, read once for each Task instance."""
    known: list[TaskResponse] | None = task.__dict__.get("_responses")
    if known is None:
        known = statements.responses(task.pk)
        keep_responses(task, known)
    return known


def keep_responses(task: Task, known: list[TaskResponse]) -> None:
    if task.two_prompts:
        prefetch_related_objects([row.response for row in known], "prompt")
    task.__dict__["_responses"] = known


def known_answers(project: Project, annotator: User, purpose: str) -> Wanted:
    """Gold or test tasks, of any language: everybody gets them in the same order, so that people can be compared."""
    tasks = Task.objects.filter(project=project, purpose=purpose)
    lanes = list(tasks.values_list("skill", "lang").distinct())
    return Wanted(project.pk, annotator.pk, purpose, {skill for skill, _ in lanes}, {lang for _, lang in lanes})


def gold_is_due(project: Project, annotator: User, rules: Collection) -> bool:
    """A draw at the project's rate, from the person and how many tasks they have had: a reload draws the same."""
    if rules.gold_rate <= 0:
        return False
    # Of all projects: so it is counted from the index alone, however many they are.
    had = Assignment.objects.filter(annotator=annotator).exclude(status=Status.EXPIRED).count()
    digest = hashlib.sha256(f"gold:{annotator.pk}:{project.pk}:{had}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < rules.gold_rate


@transaction.atomic
def expire_leases(project: Project, *, limit: int = 500) -> int:
    """Give lapsed tasks back to the queue; returns how many leases ended. Tasks that somebody works on come later."""
    lapsed = Assignment.objects.filter(status=Status.LEASED, lease_until__lt=timezone.now())
    tasks = Task.objects.filter(project=project, pk__in=lapsed.values("task_id")).order_by("pk")
    locked = list(tasks.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    return end_leases(lapsed.filter(task_id__in=locked))


def end_leases(leases: QuerySet[Assignment]) -> int:
    """End them and free their places. The caller holds the rows of the tasks, so none is being answered meanwhile."""
    held = list(leases.filter(status=Status.LEASED).order_by("pk").select_for_update().values_list("pk", "task_id"))
    Assignment.objects.filter(pk__in=[pk for pk, _ in held]).update(status=Status.EXPIRED, step=0)
    withdraw_parts(pk for pk, _ in held)
    free_places(task for _, task in held)
    return len(held)


def withdraw_parts(assignments: Iterable[int]) -> None:
    """Answers to the first steps of items that were not finished do not count; they stay in the history."""
    from annotate.models import Feedback

    if pks := list(assignments):
        Feedback.objects.filter(assignment_id__in=pks, withdrawn_at=None).update(withdrawn_at=timezone.now())


def free_places(task_ids: Iterable[int]) -> None:
    """One place of a task each time it is named. The caller holds the rows of the tasks."""
    for task_id in task_ids:
        Task.objects.filter(pk=task_id).update(claimed=F("claimed") - 1)


def why_nothing(project: Project, annotator: User) -> str:
    """Why there is no task for this person now, in a sentence, and what would change it."""
    membership = membership_of(annotator, project)
    if membership and membership.paused:
        return "New tasks are paused for you. Ask a reviewer of the project; your answers are kept."
    rules = rules_of(project)
    if qualification.is_needed(project, annotator, membership, rules):
        last = Qualification.objects.filter(project=project, user=annotator).order_by("-finished_at").first()
        if last:
            return (
                f"The qualification test is done: {last.right} of {last.tasks} right, {rules.test_right} are needed. "
                "A reviewer of the project can let you in."
            )
        return "A qualification test comes first, and it has no tasks yet. Ask a researcher of the project."
    tasks = Task.objects.filter(project=project, purpose=Purpose.WORK)
    if not tasks.exists():
        return "This project has no tasks yet. A researcher makes them from prompts and the answers of a model."
    lanes = lanes_of(project, annotator, membership, rules)
    own = Assignment.objects.filter(annotator=annotator).exclude(status=Status.EXPIRED).values("task_id")
    waiting = tasks.filter(flagged=False, claimed__lt=F("wanted")).exclude(pk__in=own)
    if not lanes.everything and waiting.exists():
        return "The open tasks are in languages that you do not read, or ask for a skill that you do not have."
    skipped = Assignment.objects.filter(annotator=annotator, status=Status.SKIPPED, task__in=tasks, task__flagged=False)
    if still_open := skipped.filter(task__claimed__lt=F("task__wanted")).count():
        return (
            f"You have seen every task that you may take. {still_open} that you skipped "
            f"{'is' if still_open == 1 else 'are'} still open for others; Undo brings your last skip back."
        )
    return (
        "Every task that you may take has its answers, was flagged, or is open with another rater. Open tasks come "
        f"back after {settings.TASK_LEASE_MINUTES} minute{'s' if settings.TASK_LEASE_MINUTES != 1 else ''}; flagged "
        "ones when a moderator releases them."
    )
