"""The qualification test: who has to take it, and how it went."""

from accounts.models import Membership, Project, User
from annotate.models import Assignment, Collection, Feedback, Qualification, Task


def is_needed(project: Project, annotator: User, membership: Membership | None, rules: Collection) -> bool:
    """Annotators answer the test first; reviewers and above made it, or know it."""
    if not rules.test_tasks or annotator.is_simulated:
        return False
    if membership is None or membership.role != Membership.Role.ANNOTATOR:
        return False
    return not Qualification.objects.filter(project=project, user=annotator, passed=True).exists()


def judge(project: Project, annotator: User, rules: Collection, *, ended: bool = False) -> Qualification | None:
    """Keep how the test went, once its last task is answered. The caller holds the person's row.

    It is judged once, by the first answer to each task: whoever was told what was expected cannot undo and try again.
    ended: there is nothing left to answer, because tasks were skipped, flagged or retired; then what there is decides.
    """
    if not rules.test_tasks or Qualification.objects.filter(project=project, user=annotator).exists():
        return None
    tests = Task.objects.filter(project=project, purpose=Task.Purpose.TEST)
    answers = Feedback.objects.filter(
        project=project, annotator=annotator, task__purpose=Task.Purpose.TEST, right__isnull=False, supersedes=None,
        assignment__status=Assignment.Status.SUBMITTED,
    )  # fmt: skip
    done = answers.values("task_id").distinct().count()
    if ended:
        if not Assignment.objects.filter(task__in=tests, annotator=annotator).exists():
            return None  # there is no test to speak of
    elif done < min(rules.test_tasks, tests.filter(flagged=False).count()):
        return None
    right = done - answers.filter(right=False).values("task_id").distinct().count()
    return Qualification.objects.create(
        project=project, user=annotator, right=right, tasks=done, passed=right >= rules.test_right
    )
