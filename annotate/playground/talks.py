"""A talk: a chat of a researcher with two models of their choice, stored as a chat task that only they hold."""

import hashlib
import json
import uuid

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Project, User, record_audit
from annotate import services
from annotate.chat import replies as chat
from annotate.desk import queue
from annotate.kinds.chat import ChatOptions
from annotate.models import Assignment, Prompt, Protocol, Task
from annotate.services import Refused
from registry.models import ModelVersion

TAG = "playground"
"""Tag of a talk's prompt, and the skill of its task, so that a talk whose lease lapsed is given to nobody else."""
OPENING = "Talk freely with both models."


def talkers(project: Project) -> QuerySet[ModelVersion]:
    """Policies with weights that are not archived: answers that came from a file cannot talk."""
    policies = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.POLICY, archived_at=None)
    return policies.exclude(format=ModelVersion.Format.OUTPUTS).order_by("name")


def talks_of(project: Project, person: User) -> QuerySet[Assignment]:
    """Own talks, the newest first."""
    own = Assignment.objects.filter(annotator=person, task__project=project, task__skill=TAG, task__kind="chat")
    return own.select_related("task__protocol", "task__prompt").order_by("-pk")


@transaction.atomic
def begin(project: Project, person: User, options: ChatOptions) -> Assignment:
    """A new talk, held by `person`. Raises Refused while they hold another task, since the desk shows one."""
    queue.lock_person(person)
    if services.held_assignment(project=project, annotator=person):
        raise Refused("You hold a task or a talk already. Answer, end or skip it on the desk, then begin this one.")
    prompt = Prompt.objects.create(
        project=project, key=f"talk-{uuid.uuid4().hex}", messages=[{"role": "user", "content": OPENING}],
        tags=[TAG], origin=Prompt.Origin.CHAT,
    )  # fmt: skip
    task = services.create_task(prompt=prompt, kind="chat", protocol=protocol_for(project, person, options), skill=TAG)
    Task.objects.filter(pk=task.pk).update(claimed=1)
    record_audit(actor=person, action="talk.begun", project=project, target=prompt.key, models=options.models)
    return Assignment.objects.create(task=task, annotator=person, lease_until=queue.lease_end(), order=[])


@transaction.atomic
def go_on(project: Project, person: User, talk: Assignment) -> None:
    """Hold a talk again whose lease lapsed. Raises Refused where it is over, or another task is held."""
    queue.lock_person(person)
    held = services.held_assignment(project=project, annotator=person)
    if held and held.pk != talk.pk:
        raise Refused("You hold another task. Answer, end or skip it on the desk, then go on with this talk.")
    if talk.status not in {Assignment.Status.LEASED, Assignment.Status.EXPIRED}:
        raise Refused("This talk is over. Begin another one.")
    chat.hold(talk, person)


def protocol_for(project: Project, person: User, options: ChatOptions) -> Protocol:
    """The same settings are one protocol, however many talks use them."""
    steps = [{"kind": "chat", "options": options.model_dump()}]
    name = "talk-" + hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:16]
    title = f"Talk to {' and '.join(options.models)}"[:120]
    found, _ = Protocol.objects.get_or_create(
        project=project, name=name, version=1, defaults={"steps": steps, "title": title, "created_by": person}
    )
    return found
