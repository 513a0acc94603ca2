"""What counts as a vote on which of two responses is better, for datasets, win rates and benchmarks alike."""

from django.db.models import Q, QuerySet

from accounts.models import Project
from annotate.models import Assignment, Feedback, Task

GENERAL = (Task.Purpose.WORK, Task.Purpose.TURN)


def comparisons(project: Project) -> QuerySet[Feedback]:
    """Current votes on two responses to one prompt: comparisons, and the turns of chats.

    Left out, since they do not say which response is better in general: tasks whose answer is known (gold, test), items
    with a criterion of their own, pairs of different prompts, and steps of items that are not finished.
    """
    compared = Q(kind="pairwise") | Q(kind="chat", task__purpose=Task.Purpose.TURN)
    return Feedback.current.filter(
        compared, project=project, task__purpose__in=GENERAL, task__two_prompts=False, task__criterion="",
        assignment__status=Assignment.Status.SUBMITTED,
    )  # fmt: skip
