"""Current answers of a project as columns, a query and a few arrays however many there are. Writes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from django.db.models import Case, FloatField, IntegerField, Q, QuerySet, Sum, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Extract, Length
from numpy.typing import NDArray

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Task, TaskResponse

PAIRED = ("pairwise", "chat")
"""Kinds that compare two responses, so that they have a side and a length to lean to."""
SHARED = (Task.Purpose.WORK, Task.Purpose.TURN)
"""Purposes that agreement is computed on: where the right answer is known, agreement says nothing new."""
NONE = np.iinfo(np.int64).min
"""Stands for null in a column of whole numbers."""


@dataclass(frozen=True)
class Answers:
    """One row a current answer to a step of a finished item, oldest first. All (answers,)."""

    pk: NDArray[np.int64]
    task: NDArray[np.int64]
    item: NDArray[np.int64]
    """The assignment: a person's answer to an item of several steps has several rows."""
    rater: NDArray[np.int64]
    step: NDArray[np.int64]
    preference: NDArray[np.int64]
    """-3 to 3 in canonical order, NONE where no side is preferred."""
    first: NDArray[np.int64]
    """The position that was shown first; NONE where an imported label does not say."""
    right: NDArray[np.int64]
    """1, 0, or NONE where no answer is known; of the first answer, where it was changed since."""
    active_ms: NDArray[np.int64]
    at: NDArray[np.float64]
    """Seconds since 1970."""
    simulated: NDArray[np.bool_]
    kind: NDArray[np.str_]
    lang: NDArray[np.str_]
    purpose: NDArray[np.str_]

    def __len__(self) -> int:
        return int(self.pk.size)

    def where(self, chosen: NDArray[np.bool_]) -> "Answers":
        return replace(self, **{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Comparisons of two responses among the tasks whose answer is not known."""
        return np.isin(self.kind, PAIRED) & np.isin(self.purpose, SHARED)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Comparisons in which a side was picked."""
        return self.paired & (self.preference != NONE) & (self.preference != 0)

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Comparisons of which it is known what was shown first: the others say nothing of sides and streaks."""
        return self.paired & (self.first != NONE)

    @property
    def picked_first(self) -> NDArray[np.bool_]:
        """Whether the response that was shown first was picked; means nothing where none was."""
        return (self.preference > 0) == (self.first == 0)

    @property
    def on_screen(self) -> NDArray[np.int64]:
        """What a comparison looked like to the person: 0 the first side, 1 the second, 2 a tie, 3 both bad."""
        side = np.where(self.picked_first, 0, 1)
        return np.where(self.preference == NONE, 3, np.where(self.preference == 0, 2, side)).astype(np.int64)


SHOWN_FIRST = Case(
    When(value__has_key="order_unknown", then=None), default=Cast(KeyTextTransform(0, "order"), IntegerField())
)


def finished(project: Project) -> QuerySet[Feedback]:
    return Feedback.current.filter(project=project, assignment__status=Assignment.Status.SUBMITTED)


def read_answers(project: Project, *, around: User | None = None) -> Answers:
    """All of them, or those to the tasks that one person answered."""
    found = those_around(finished(project), project, around).order_by("pk").values_list(
        "pk", "task_id", "assignment_id", "annotator_id", "step", "preference",
        SHOWN_FIRST, "right", "active_ms",
        Cast(Extract("created_at", "epoch"), FloatField()), "origin", "kind", "task__lang", "task__purpose",
    )  # fmt: skip
    columns = list(zip(*found.iterator(chunk_size=20_000), strict=True)) or [()] * 14

    def whole(i: int) -> NDArray[np.int64]:
        return np.array([NONE if value is None else value for value in columns[i]], dtype=np.int64)

    answers = Answers(
        pk=whole(0), task=whole(1), item=whole(2), rater=whole(3), step=whole(4), preference=whole(5), first=whole(6),
        right=whole(7), active_ms=whole(8), at=np.array(columns[9], dtype=float),
        simulated=np.array([origin == Feedback.Origin.SIMULATED for origin in columns[10]], dtype=bool),
        kind=np.array(columns[11], dtype=np.str_), lang=np.array(columns[12], dtype=np.str_),
        purpose=np.array(columns[13], dtype=np.str_),
    )  # fmt: skip
    return replace(answers, right=first_right(project, answers))


def first_right(project: Project, answers: Answers) -> NDArray[np.int64]:
    """The column `right` by the first answer to each step: a second one may come from whoever was told the answer."""
    changed = Feedback.objects.filter(
        project=project, right__isnull=False, supersedes=None, superseded_by__isnull=False
    )  # fmt: skip
    first = {
        (item, step): int(bool(right)) for item, step, right in changed.values_list("assignment_id", "step", "right")
    }
    right = answers.right.copy()
    if first:
        for i in np.flatnonzero(np.isin(answers.item, [item for item, _ in first])).tolist():
            right[i] = first.get((int(answers.item[i]), int(answers.step[i])), int(right[i]))
    return right


def those_around(rows: QuerySet[Feedback], project: Project, user: User | None) -> QuerySet[Feedback]:
    """Of one person and of others on the same tasks; all rows without a person."""
    if user is None:
        return rows
    return rows.filter(task__in=Feedback.current.filter(project=project, annotator=user).order_by().values("task_id"))


def longer_first(project: Project, answers: Answers) -> NDArray[np.int64]:
    """1 where the response at position 0 has more characters, -1 where fewer, 0 for the same; (answers,).

    Says nothing (0) of rows that are no decided comparison.
    """
    tasks = Feedback.current.filter(project=project, kind__in=PAIRED).exclude(preference=None).exclude(preference=0)
    if len(answers) < 5_000:
        tasks = tasks.filter(task_id__in=np.unique(answers.task[answers.decided]).tolist())
    signed = Case(When(position=0, then=Length("response__text")), default=-Length("response__text"),
                  output_field=IntegerField())  # fmt: skip
    found = dict(
        TaskResponse.objects.filter(task_id__in=tasks.order_by().values("task_id"), position__lt=2)
        .order_by().values_list("task_id").annotate(more=Sum(signed)).values_list("task_id", "more")
    )  # fmt: skip
    known = np.array([found.get(task, 0) for task in answers.task.tolist()], dtype=np.int64)
    return np.where(answers.decided, np.sign(known), 0)


def valued(project: Project, kinds: Iterable[str], *, around: User | None = None) -> QuerySet[Feedback]:
    """Answers whose value says more than the column `preference`, and comparisons by several dimensions."""
    rows = those_around(finished(project), project, around).filter(task__purpose__in=SHARED)
    return rows.filter(Q(kind__in=list(kinds)) | Q(kind="pairwise", value__has_key="dimensions"))
