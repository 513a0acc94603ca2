"""Simulated annotators answer what is open, through the same services as people."""

import uuid
from collections.abc import Callable

from accounts.models import Project, User
from annotate import services
from annotate.models import Assignment, SimulatedAnnotator
from annotate.simulation import PREFERENCES, SimulatedRater

NAMESPACE = uuid.UUID("6d1f5c6e-5a0c-4d3e-9f2b-2f1e8f6b7c11")


def vote_all(project: Project, *, on_vote: Callable[[int], None] | None = None) -> int:
    """Let every simulated annotator of the project answer in turn until nothing is open; returns the votes."""
    raters = {
        simulation.user: rater_of(simulation)
        for simulation in SimulatedAnnotator.objects.filter(user__memberships__project=project).select_related("user")
    }
    votes, waiting = 0, dict(raters)
    while waiting:
        for user, rater in list(waiting.items()):
            if not vote_once(project, user, rater):
                del waiting[user]
                continue
            votes += 1
            if on_vote:
                on_vote(votes)
    return votes


def rater_of(simulation: SimulatedAnnotator) -> SimulatedRater:
    return SimulatedRater(
        PREFERENCES[simulation.preference],
        noise=simulation.noise,
        position_bias=simulation.position_bias,
        seed=simulation.seed,
    )


def vote_once(project: Project, user: User, rater: SimulatedRater) -> bool:
    """One task, one vote; False when there is nothing for this annotator."""
    assignment = services.next_assignment(project=project, annotator=user)
    if assignment is None or assignment.task.kind != "pairwise":
        return False
    services.record_feedback(
        assignment=assignment,
        annotator=user,
        data={"strength": str(strength(assignment, rater))},
        # From what is answered, so that a vote repeated after a crash is the same vote.
        idempotency_key=uuid.uuid5(NAMESPACE, f"{assignment.pk}:{user.pk}"),
    )
    return True


def strength(assignment: Assignment, rater: SimulatedRater) -> int:
    """In the order shown, as a person would answer."""
    texts = {row.position: row.response.text for row in assignment.task.task_responses.select_related("response")}
    first, second = (texts[position] for position in assignment.order)
    prompt = assignment.task.prompt
    key = f"{prompt.key}:{'|'.join(sorted(texts.values()))}"
    return rater.vote(first, second, task_key=key, prompt_messages=prompt.messages)
