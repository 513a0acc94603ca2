"""A project that was begun before the workbench keeps its tasks, votes and places in the queue."""

import uuid

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from annotate.models import Assignment, Feedback, Task


@pytest.mark.django_db(transaction=True)
def test_what_was_there_before_the_workbench() -> None:
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    before = [("annotate", "0001_initial"), ("accounts", "0001_initial")]
    try:
        executor.migrate(before)
        old = executor.loader.project_state(before).apps
        user = old.get_model("accounts", "User").objects.create(username="ann")
        project = old.get_model("accounts", "Project").objects.create(name="Old", slug="old")
        question = [{"role": "user", "content": "Was ist das?"}]
        prompt = old.get_model("annotate", "Prompt").objects.create(
            project=project, key="p-1", messages=question, lang="de"
        )
        values = {"project": project, "prompt": prompt, "wanted": 2, "claimed": 1, "answered": 1}
        task = old.get_model("annotate", "Task").objects.create(priority=3, shuffle=0.25, **values)
        assignment = old.get_model("annotate", "Assignment").objects.create(
            task=task, annotator=user, status="submitted", lease_until=timezone.now(), order=[1, 0]
        )
        old.get_model("annotate", "Feedback").objects.create(
            assignment=assignment, project=project, task=task, annotator=user, kind="pairwise", origin="human",
            value={"strength": 1}, order=[1, 0], preference=-1, idempotency_key=uuid.uuid4(),
        )  # fmt: skip
    finally:
        MigrationExecutor(connection).migrate(newest)
    kept = Task.objects.get()
    assert (kept.place, kept.lang, kept.purpose, kept.claimed) == (0.25 - 3, "de", "work", 1)
    assert (Assignment.objects.get().step, Feedback.objects.get().step) == (0, 0)
