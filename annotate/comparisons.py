"""What counts as a vote on which of two responses is better, for datasets, win rates and benchmarks alike."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from annotate.models import Assignment, Feedback, Task

GENERAL = (Task.Purpose.WORK, Task.Purpose.TURN)


def comparisons(project: Project) -> QuerySet[Feedback]:
    """Current votes on two responses to one prompt: comparisons, and the turns of chats.

    Left out, since they do not say which response is better in general: tasks whose answer is known (gold, test), items
    with a criterion of their own, pairs of different prompts, and steps of items that are not finished.
    """
    turn = Q(kind="chat", task__purpose=Task.Purpose.TURN)
    # Of two comparisons in one protocol ("more helpful?", "safer?") the first is the one that is asked in general.
    before = Feedback.current.filter(assignment=OuterRef("assignment"), kind="pairwise", step__lt=OuterRef("step"))
    compared = Q(kind="pairwise", step=0) | (Q(kind="pairwise") & ~Exists(before))
    return Feedback.current.filter(
        turn | compared, project=project, task__purpose__in=GENERAL, task__two_prompts=False, task__criterion="",
        assignment__status=Assignment.Status.SUBMITTED,
    )  # fmt: skip
