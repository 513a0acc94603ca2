"""What reviewers leave for annotators, on the annotators' pages: notes, verdicts, the way into the project."""

from typing import Any

from django import template

from accounts.models import Project, User
from annotate.desk.queue import rules_of
from annotate.models import Assignment, Feedback, SentBack, Task, Verdict
from annotate.moderation import adjudication

register = template.Library()


@register.simple_tag
def waiting_note(assignment: Assignment) -> SentBack | None:
    """The note with which this answer was sent back, until it is answered."""
    return SentBack.objects.filter(assignment=assignment, answered_at=None).first()


@register.simple_tag
def verdicts_for(project: Project, user: User) -> list[tuple[Verdict, str, str]]:
    """(verdict, it in words, what this person had said) on items that they answered, newest first."""
    return adjudication.told_to(project, user)


@register.simple_tag
def test_of(project: Project, user: User) -> dict[str, Any]:
    """The qualification test as this person stands in it: {number, tasks, needed, first}."""
    rules = rules_of(project)
    tests = Task.objects.filter(project=project, purpose=Task.Purpose.TEST, flagged=False)
    tasks = min(rules.test_tasks, tests.count())
    done = Feedback.current.filter(
        project=project, annotator=user, task__purpose=Task.Purpose.TEST, assignment__status="submitted"
    ).values("task").distinct().count()  # fmt: skip
    return {"number": done + 1, "tasks": tasks, "needed": rules.test_right, "first": not done}
