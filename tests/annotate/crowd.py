"""A crowd with planted habits, written straight into the tables: thousands of answers in a second."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotate.models import Assignment, Feedback, Prompt, Response, Task, TaskResponse

SHORT, LONG = (
    "Soak them overnight.",
    "Soak the beans in plenty of cold water overnight, then rinse and cook them slowly.",
)
Habit = Callable[[np.random.Generator, int, int, int], int | None]
"""(rng, true side: 1 or -1, position shown first, position of the longer response) -> preference in canonical order."""


def fair(skill: float = 0.85) -> Habit:
    return lambda rng, truth, first, longer: truth * int(rng.integers(1, 4)) * (1 if rng.random() < skill else -1)


def first_side(rng: np.random.Generator, truth: int, first: int, longer: int) -> int:
    return 2 if first == 0 else -2


def longer_one(rng: np.random.Generator, truth: int, first: int, longer: int) -> int:
    return 1 if longer == 0 else -1


def coin(rng: np.random.Generator, truth: int, first: int, longer: int) -> int:
    return int(rng.choice([-2, 2]))


def always_tie(rng: np.random.Generator, truth: int, first: int, longer: int) -> int:
    return 0


def make_people(project: Project, count: int, *, simulated: bool = False, prefix: str = "crowd") -> list[User]:
    users = User.objects.bulk_create(
        User(username=f"{prefix}-{n:02}", is_simulated=simulated, languages=["en"]) for n in range(count)
    )
    Membership.objects.bulk_create(
        Membership(user=user, project=project, role=Membership.Role.ANNOTATOR) for user in users
    )
    return users


def make_tasks(
    project: Project, count: int, *, langs: Sequence[str] = ("en",), prefix: str = "c", wanted: int = 3, **values: Any
) -> list[Task]:
    """Tasks of two responses, one longer than the other, by turns at position 0."""
    prompts = Prompt.objects.bulk_create(
        Prompt(project=project, key=f"{prefix}-{n}", lang=langs[n % len(langs)],
               messages=[{"role": "user", "content": f"How do I cook beans? ({n})"}])
        for n in range(count)
    )  # fmt: skip
    texts = [(LONG, SHORT) if n % 2 else (SHORT, LONG) for n in range(count)]
    responses = Response.objects.bulk_create(
        Response(prompt=prompt, text=text, setting="plain")
        for prompt, both in zip(prompts, texts, strict=True) for text in both
    )  # fmt: skip
    tasks = Task.objects.bulk_create(
        Task(project=project, prompt=prompt, lang=prompt.lang, wanted=wanted, **values) for prompt in prompts
    )
    TaskResponse.objects.bulk_create(
        TaskResponse(task=task, response=responses[2 * n + position], position=position)
        for n, task in enumerate(tasks) for position in (0, 1)
    )  # fmt: skip
    return tasks


def longer_place(n: int) -> int:
    """The position of the longer response of the n-th task of make_tasks."""
    return 0 if n % 2 else 1


def answer(
    project: Project,
    tasks: Sequence[Task],
    raters: Sequence[tuple[User, Habit]],
    *,
    overlap: int = 3,
    seed: int = 0,
    active_ms: int = 30_000,
    end: datetime | None = None,
) -> list[Feedback]:
    """`overlap` of the raters answer each task, by turns, by their habits; over the last days up to `end`."""
    rng, end = np.random.default_rng(seed), end or timezone.now()
    given: list[tuple[Task, User, list[int], int | None]] = []
    for n, task in enumerate(tasks):
        truth = 1 if rng.random() < 0.5 else -1
        for user, habit in (raters[(n * overlap + i) % len(raters)] for i in range(overlap)):
            order = [0, 1] if rng.random() < 0.5 else [1, 0]
            given.append((task, user, order, habit(rng, truth, order[0], longer_place(n))))
    times = [end - timedelta(minutes=3 * (len(given) - i)) for i in range(len(given))]
    assignments = Assignment.objects.bulk_create(
        Assignment(task=task, annotator=user, status="submitted", lease_until=at, order=order, finished_at=at)
        for (task, user, order, _), at in zip(given, times, strict=True)
    )
    done = Task.objects.filter(pk__in=[task.pk for task in tasks])
    done.update(wanted=overlap, claimed=overlap, answered=overlap)
    return Feedback.objects.bulk_create(
        Feedback(
            assignment=assignment, project=project, task=task, annotator=user, kind="pairwise",
            origin="simulated" if user.is_simulated else "human", order=order, preference=preference,
            value={"both_bad": True} if preference is None
            else {"strength": preference if order[0] == 0 else -preference},
            right=None if task.gold is None else right(task, preference),
            active_ms=int(rng.lognormal(np.log(active_ms), 0.4)), idempotency_key=uuid.uuid4(), created_at=at,
        )
        for assignment, (task, user, order, preference), at in zip(assignments, given, times, strict=True)
    )  # fmt: skip


def right(task: Task, preference: int | None) -> bool:
    assert task.gold is not None
    side = "both_bad" if preference is None else "tie" if preference == 0 else 0 if preference > 0 else 1
    return bool(side == task.gold["accept"]["side"])
