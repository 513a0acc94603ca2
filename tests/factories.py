"""Plain functions that make what a test needs."""

import uuid
from typing import Any

from accounts.models import Membership, Project, User
from annotate import services
from annotate.models import Feedback, Prompt, Response, Task
from registry.models import ModelVersion

TEXTS = ("Soak them overnight.", "Soak the beans in plenty of cold water overnight, then rinse and cook them slowly.")


def make_prompt(project: Project, key: str = "p-1", **values: Any) -> Prompt:
    messages = values.pop("messages", [{"role": "user", "content": f"How do I cook beans? ({key})"}])
    return Prompt.objects.create(project=project, key=key, messages=messages, **values)


def make_response(prompt: Prompt, text: str, **values: Any) -> Response:
    return Response.objects.create(prompt=prompt, text=text, **{"setting": "plain", **values})


def make_task(project: Project, key: str = "p-1", *, texts: tuple[str, str] = TEXTS, **values: Any) -> Task:
    prompt = Prompt.objects.filter(project=project, key=key).first() or make_prompt(project, key)
    return services.create_task(prompt=prompt, responses=[make_response(prompt, text) for text in texts], **values)


def make_raters(project: Project, count: int, *, prefix: str = "rater") -> list[User]:
    raters = [User.objects.create_user(f"{prefix}-{number}") for number in range(count)]
    Membership.objects.bulk_create(
        Membership(user=user, project=project, role=Membership.Role.ANNOTATOR) for user in raters
    )
    return raters


def make_vote(task: Task, user: User, preference: int | str = 2) -> Feedback:
    """An answer through the services; `preference` is canonical (positive: position 0), or "both_bad"."""
    assignment = services.next_assignment(project=task.project, annotator=user)
    assert assignment is not None
    assert assignment.task_id == task.pk, "another task was given out first"
    given = preference
    if isinstance(preference, int) and assignment.order[0] != 0:
        given = -preference
    return services.record_feedback(
        assignment=assignment, annotator=user, data={"strength": str(given)}, idempotency_key=uuid.uuid4()
    )


def make_model(project: Project, name: str = "base", **values: Any) -> ModelVersion:
    return ModelVersion.objects.create(
        project=project, name=name,
        **{"role": ModelVersion.Role.POLICY, "format": ModelVersion.Format.FULL, "path": f"models/{name}", **values},
    )  # fmt: skip
