"""Known answers: gold tasks, which come unmarked among the others, and the tasks of the qualification test.

A known answer is made from an item that was answered: from its verdict, or from a clear majority of its raters. The
item is copied, so that its own answers stay work; the copy is answered by everybody who has not seen the item.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project, User, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import as_answer, steps_of
from annotate.desk.queue import create_task, lock_tasks, rules_of
from annotate.kinds import Answer
from annotate.kinds.ranking import ranks_by_position
from annotate.models import Feedback, Task, TaskResponse, Verdict
from annotate.moderation.adjudication import words_of
from annotate.moderation.disagreement import compared_in
from annotate.moderation.flagged import retire
from annotate.quality.intervals import Share, share
from annotate.services import Refused

PAGE = 30
OFFERED = 10
"""Items of each sort that the page offers to make gold: with a verdict, and with a clear majority."""
LOOKED_AT = 100
"""The newest answered items among which a clear majority is looked for."""
FEWEST = 3
CLEAR = 0.75
"""Without a verdict, at least FEWEST raters have answered, and this share of them gave the same known answer."""
ENOUGH = 5
"""Answers from which on an item that most people miss is suspect."""
MAX_EXPLANATION = 2_000
PURPOSES = (Task.Purpose.GOLD, Task.Purpose.TEST)


def accept_of(kind: str, answer: Answer, order: Sequence[int]) -> dict[str, Any] | None:
    """What counts as right if this answer does, as the kind's `right` reads it; None where the kind has no gold."""
    if kind in {"pairwise", "rubric"}:
        if answer.preference is None:
            return {"side": "both_bad"} if answer.value.get("both_bad") else None
        return {"side": "tie" if answer.preference == 0 else 0 if answer.preference > 0 else 1}
    if kind == "ranking":
        ranks = ranks_by_position(answer.value, order)
        return {"best": [position for position, rank in enumerate(ranks) if rank == 1]}
    if kind == "selection":
        return {"fits": sorted(order[place] for place in answer.value.get("fits", []))}
    return None


def known_answer_of(task: Task) -> tuple[dict[str, Any], str]:
    """(accept, where it comes from) of a verdict or a clear majority. Raises Refused when there is neither."""
    step = compared_in(task)
    judged = [one for one in steps_of(task) if one.kind.right]
    if step.kind.right is None or len(judged) != 1:
        raise Refused(
            f"Task {task.pk} cannot have a known answer: it needs one step, and only one, that can be right or wrong."
        )
    verdict = Verdict.objects.filter(task=task, withdrawn_at=None).first()
    if verdict:
        answer = Answer(value=verdict.value, preference=verdict.preference)
        accept, source = accept_of(step.kind.slug, answer, verdict.order), "the verdict"
    else:
        accept, source = majority(step.kind.slug, list(Feedback.current.filter(task=task, step=step.number)), task.pk)
    if accept is None:
        raise Refused(f"Task {task.pk} cannot have a known answer: nothing in it is right or wrong.")
    return accept, source


def majority(kind: str, answers: Sequence[Feedback], pk: int) -> tuple[dict[str, Any] | None, str]:
    found = [(repr(accept), accept) for one in answers if (accept := accept_of(kind, as_answer(one), one.order))]
    counts = Counter(key for key, _ in found)
    if len(answers) < FEWEST or not counts or counts.most_common(1)[0][1] < CLEAR * len(answers):
        raise Refused(
            f"Task {pk} has no verdict, and no clear majority: at least {FEWEST} raters, {CLEAR:.0%} of whom agree. "
            "Settle it first, under Adjudicate."
        )
    winner, n = counts.most_common(1)[0]
    return dict(found)[winner], f"{n} of {len(answers)} raters"


@transaction.atomic
def make_known(*, task: Task, purpose: str, actor: User, explanation: str = "") -> Task:
    """A copy of an answered item whose answer is known. Raises Refused when it is not, or was copied before."""
    if purpose not in PURPOSES:
        raise Refused("Choose gold or test.")
    lock_tasks([task.pk])
    if task.purpose != Task.Purpose.WORK:
        raise Refused(f"Task {task.pk} is no item of the ordinary queue.")
    if Task.objects.filter(
        project=task.project_id, purpose__in=PURPOSES, gold__copy_of=task.pk, flagged=False
    ).exists():
        raise Refused(f"Task {task.pk} is among the known answers already.")
    accept, source = known_answer_of(task)
    rows = TaskResponse.objects.filter(task=task).select_related("response__prompt").order_by("position")
    copy = create_task(
        prompt=task.prompt, responses=[row.response for row in rows], kind=task.kind, protocol=task.protocol,
        criterion=task.criterion, skill=task.skill, purpose=purpose,
        gold={"accept": accept, "explanation": explanation.replace("\x00", "").strip()[:MAX_EXPLANATION],
              "copy_of": task.pk, "source": source},
    )  # fmt: skip
    record_audit(
        actor=actor, action=f"{purpose}.made", project=task.project, target=f"task {copy.pk}", copy_of=task.pk,
        accept=accept, source=source,
    )  # fmt: skip
    return copy


# --- The page -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """A task whose answer is known, and how people met it."""

    task: Task
    expected: str
    explanation: str
    source: str
    right: Share
    missed: int

    @property
    def suspect(self) -> bool:
        """Most people miss it: rather the known answer is wrong than most people."""
        return self.right.n >= ENOUGH and self.right.value is not None and self.right.value < 0.5


def expected_words(task: Task) -> str:
    """What counts as right, in the letters of the order in which the responses are stored."""
    return words_for((task.gold or {}).get("accept", {}))


def words_for(accept: Mapping[str, Any]) -> str:
    letters = "ABCDEFGHIJKL"
    if "best" in accept:
        best = accept["best"] if isinstance(accept["best"], list) else [accept["best"]]
        return f"{' or '.join(letters[one] for one in best)} first"
    if "fits" in accept:
        return f"{', '.join(letters[one] for one in accept['fits'])} fit" if accept["fits"] else "none fits"
    sides = accept.get("side", [])
    names = {0: "A better", 1: "B better", "tie": "tie", "both_bad": "both bad"}
    words = " or ".join(names.get(one, str(one)) for one in (sides if isinstance(sides, list) else [sides]))
    return words or "ratings within a level"


def known_tasks(project: Project) -> Any:
    # The first answer of each person: later ones may know what was expected.
    current = Q(feedback__supersedes=None, feedback__right__isnull=False, feedback__assignment__status="submitted")
    return (
        Task.objects.filter(project=project, purpose__in=PURPOSES, flagged=False).select_related("prompt")
        .annotate(
            met=Count("feedback", filter=current), hit=Count("feedback", filter=current & Q(feedback__right=True))
        ).order_by("purpose", "pk")
    )  # fmt: skip


def known_of(task: Any) -> Known:
    gold = task.gold or {}
    return Known(
        task, expected_words(task), str(gold.get("explanation", "")), str(gold.get("source", "")),
        share(task.hit, task.met), task.met - task.hit,
    )  # fmt: skip


def offers(project: Project) -> list[dict[str, Any]]:
    """Items that could be known answers and are none yet: with a verdict, then with a clear majority; newest first."""
    copies = Task.objects.filter(project=project, purpose__in=PURPOSES, flagged=False, gold__has_key="copy_of")
    taken = set(copies.values_list("gold__copy_of", flat=True))
    verdicts = Verdict.objects.filter(project=project, withdrawn_at=None).exclude(task__in=taken)
    newest = verdicts.select_related("task__prompt").order_by("-pk")[:OFFERED]
    return [
        {"task": one.task, "words": words_of(compared_in(one.task), one.value), "source": "the verdict",
         "explanation": one.reason}
        for one in newest
    ] + agreed(project, taken)  # fmt: skip


def agreed(project: Project, taken: set[int]) -> list[dict[str, Any]]:
    """Of the newest items with enough answers and no verdict, those with a clear majority."""
    tasks = Task.objects.filter(
        project=project, purpose=Task.Purpose.WORK, flagged=False, answered__gte=FEWEST
    ).exclude(pk__in=taken)  # fmt: skip
    tasks = tasks.exclude(pk__in=Verdict.objects.filter(project=project, withdrawn_at=None).values("task"))
    newest = list(tasks.select_related("prompt", "protocol").order_by("-pk")[:LOOKED_AT])
    answers: dict[tuple[int, int], list[Feedback]] = {}
    for one in Feedback.current.filter(task__in=newest):
        answers.setdefault((one.task_id, one.step), []).append(one)
    found = []
    for task in newest:
        step = compared_in(task)
        if step.kind.right is None or sum(one.kind.right is not None for one in steps_of(task)) != 1:
            continue
        try:
            accept, source = majority(step.kind.slug, answers.get((task.pk, step.number), []), task.pk)
        except Refused:
            continue
        if accept is not None:
            found.append({"task": task, "words": words_for(accept), "source": source, "explanation": ""})
    return found[:OFFERED]


@never_cache
@require_GET
@project_view(can_research)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    page = Paginator(known_tasks(project), PAGE).get_page(request.GET.get("page"))
    rows = [known_of(task) for task in page]
    rules = rules_of(project)
    counts = dict(
        Task.objects.filter(project=project, purpose__in=PURPOSES, flagged=False).order_by()
        .values_list("purpose").annotate(n=Count("pk"))
    )  # fmt: skip
    return render(
        request,
        "annotate/known_answers.html",
        {
            "project": project, "page": page, "rows": rows, "offers": offers(project), "rules": rules, "tab": "known",
            "gold": counts.get(Task.Purpose.GOLD, 0), "tests": counts.get(Task.Purpose.TEST, 0),
            "suspects": sum(one.suspect for one in rows), "fewest": FEWEST, "clear": CLEAR,
        },
    )  # fmt: skip


@require_POST
@project_view(can_research)
def make(request: MemberRequest, project: Project) -> HttpResponseBase:
    """POST `task` (an item of the project), `purpose` (gold or test), `explanation`."""
    number = request.POST.get("task", "").strip()
    pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    found = Task.objects.filter(pk=pk, project=project).select_related("prompt", "protocol", "project").first()
    if found is None:
        messages.error(
            request, f"{number[:20] or 'Nothing'} is no task of this project. Its number is on each of its votes."
        )
        return redirect("known-answers", slug=project.slug)
    try:
        purpose = request.POST.get("purpose", "")
        copy = make_known(
            task=found, purpose=purpose, actor=request.user, explanation=request.POST.get("explanation", "")
        )
    except (Refused, ValueError) as error:
        messages.error(request, str(error))
    else:
        name = "a gold task" if purpose == Task.Purpose.GOLD else "a test task"
        messages.success(request, f"Made {name} of task {found.pk}: {expected_words(copy)} is right.")
    return redirect("known-answers", slug=project.slug)


@require_POST
@project_view(can_research)
def retire_known(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    found = get_object_or_404(Task, pk=task, project=project, purpose__in=PURPOSES)
    try:
        retire(task=found, actor=request.user, reason=request.POST.get("reason", "").strip() or "known answer retired")
        messages.success(request, f"Task {found.pk} is given to nobody any more. What people answered is kept.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect("known-answers", slug=project.slug)
