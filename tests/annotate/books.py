"""What a person can do at the desk, in one place, and what must be true afterwards whatever they did."""

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import Project, User
from annotate import services
from annotate.models import Assignment, Feedback

Refused = services.Refused


def take(project: Project, user: User) -> Assignment | None:
    return services.next_assignment(project=project, annotator=user)


def send(assignment: Assignment, user: User, strength: str = "1", key: uuid.UUID | None = None) -> Feedback:
    return services.record_feedback(
        assignment=assignment, annotator=user, data={"strength": strength}, idempotency_key=key or uuid.uuid4()
    )


def skip(assignment: Assignment, user: User, *, flag: bool = False) -> None:
    services.skip(assignment=assignment, annotator=user, reason="other", flag=flag)


def undo(project: Project, user: User) -> Assignment:
    return services.undo(project=project, annotator=user)


def expire(project: Project) -> int:
    return services.expire_leases(project)


def lapse(user: User) -> int:
    """The person went to lunch: every lease of theirs ran out an hour ago."""
    held = Assignment.objects.filter(annotator=user, status="leased")
    return held.update(lease_until=F("lease_until") - timedelta(hours=24))


def live_leases(user: User) -> list[Assignment]:
    return list(Assignment.objects.filter(annotator=user, status="leased", lease_until__gt=timezone.now()))


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def check_tasks(project: Project) -> None:
    """No task over its overlap, and its counts are those of its leases and answers. Answers have one step here."""
    wrong = rows(
        """
        SELECT task.id, task.wanted, task.claimed, task.answered, count(held.id) AS places,
               count(held.id) FILTER (WHERE held.status = 'submitted') AS done,
               (SELECT count(*) FROM annotate_feedback AS given
                WHERE given.task_id = task.id AND given.withdrawn_at IS NULL) AS given
        FROM annotate_task AS task
        LEFT JOIN annotate_assignment AS held ON held.task_id = task.id AND held.status IN ('leased', 'submitted')
        WHERE task.project_id = %s
        GROUP BY task.id
        HAVING task.claimed > task.wanted OR task.claimed <> count(held.id)
            OR task.answered <> count(held.id) FILTER (WHERE held.status = 'submitted')
            OR task.answered <> (SELECT count(*) FROM annotate_feedback AS given
                                 WHERE given.task_id = task.id AND given.withdrawn_at IS NULL)
        """,
        project.pk,
    )
    assert not wrong, f"(task, wanted, claimed, answered, places, done, answers): {wrong}"


def check_people(project: Project) -> None:
    """Nobody has an item twice, and nobody holds two."""
    pairs = Counter(Assignment.objects.filter(task__project=project).values_list("task_id", "annotator_id"))
    assert not [pair for pair, n in pairs.items() if n > 1], "two assignments of one task and person"
    answers = Counter(Feedback.current.filter(project=project).values_list("task_id", "annotator_id"))
    assert not [pair for pair, n in answers.items() if n > 1], "two answers of one person to one item"
    live = Assignment.objects.filter(task__project=project, status="leased", lease_until__gt=timezone.now())
    holders = Counter(live.values_list("annotator_id", flat=True))
    assert not [person for person, n in holders.items() if n > 1], "somebody holds two tasks"
