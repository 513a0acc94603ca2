"""The statements of an answer and the next task, written out.

Building a query with the ORM costs more than PostgreSQL needs to run it: 0.4 ms against 0.1 ms, about twenty times a
request. What annotators wait for is therefore here, in SQL that can be read and explained; all else uses the ORM. Rows
become ordinary model instances. Locks and their order are described in annotate.desk.queue.
"""

import json
from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import JSONField, Model

from annotate.models import Assignment, Collection, Feedback, Prompt, Response, Task, TaskResponse

M = TypeVar("M", bound=Model)


class Rows(Generic[M]):
    """Instances of a model from rows that hold all its columns in order."""

    def __init__(self, model: type[M]) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.names = [field.attname for field in fields]
        self.columns = ", ".join(f'{model._meta.db_table}."{field.column}"' for field in fields)
        self.json = [number for number, field in enumerate(fields) if isinstance(field, JSONField)]

    def __len__(self) -> int:
        return len(self.names)

    def make(self, row: Sequence[Any]) -> M:
        values = list(row)
        for number in self.json:
            if isinstance(values[number], str):  # Django's connections hand JSON over as text
                values[number] = json.loads(values[number])
        return self.model.from_db("default", self.names, values)


TASK, PROMPT, ASSIGNMENT, FEEDBACK = Rows(Task), Rows(Prompt), Rows(Assignment), Rows(Feedback)
TASK_RESPONSE, RESPONSE, COLLECTION = Rows(TaskResponse), Rows(Response), Rows(Collection)


def run(sql: str, params: Sequence[Any] | dict[str, Any]) -> int:
    """Execute; returns the number of rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def fetch(sql: str, params: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def one(rows: Rows[M], sql: str, params: Sequence[Any] | dict[str, Any]) -> M | None:
    found = fetch(sql, params)
    return rows.make(found[0]) if found else None


def lock_person(pk: int) -> None:
    run("SELECT 1 FROM accounts_user WHERE id = %s FOR NO KEY UPDATE", [pk])


def lock_task(pk: int) -> Task:
    found = one(TASK, f"SELECT {TASK.columns} FROM annotate_task WHERE id = %s FOR UPDATE", [pk])
    if found is None:
        raise Task.DoesNotExist
    return found


def lock_assignment(pk: int) -> Assignment:
    sql = f"SELECT {ASSIGNMENT.columns} FROM annotate_assignment WHERE id = %s FOR UPDATE"
    found = one(ASSIGNMENT, sql, [pk])
    if found is None:
        raise Assignment.DoesNotExist
    return found


OWN = f"""
SELECT {ASSIGNMENT.columns}, {TASK.columns}, {PROMPT.columns}
FROM annotate_assignment
JOIN annotate_task ON annotate_task.id = annotate_assignment.task_id
JOIN annotate_prompt ON annotate_prompt.id = annotate_task.prompt_id
WHERE annotate_assignment.annotator_id = %(person)s AND annotate_task.project_id = %(project)s
"""
BY_ID = OWN + " AND annotate_assignment.id = %(assignment)s"
HELD = OWN + (
    " AND annotate_assignment.status = 'leased' AND annotate_assignment.lease_until > %(now)s"
    " ORDER BY annotate_assignment.id LIMIT 1"
)


def own_assignment(*, person: int, project: int, assignment: int) -> Assignment | None:
    """An assignment of this person in this project, with its task and prompt."""
    return with_task(fetch(BY_ID, {"person": person, "project": project, "assignment": assignment}))


def held_assignment(*, person: int, project: int, now: datetime) -> Assignment | None:
    """The oldest live lease of a person in a project, with its task and prompt."""
    return with_task(fetch(HELD, {"person": person, "project": project, "now": now}))


def with_task(rows: Sequence[tuple[Any, ...]]) -> Assignment | None:
    if not rows:
        return None
    first, second = len(ASSIGNMENT), len(ASSIGNMENT) + len(TASK)
    assignment, task = ASSIGNMENT.make(rows[0][:first]), TASK.make(rows[0][first:second])
    task.prompt = PROMPT.make(rows[0][second:])
    assignment.task = task
    return assignment


# A person's own tasks are read from the index that holds the status too (never_the_same_item_twice). A lapsed lease
# was never answered, so its task may come again. A gold task may be the copy of one that the person has answered.
OPEN = """
FROM annotate_task
WHERE annotate_task.project_id = %(project)s AND annotate_task.claimed < annotate_task.wanted
  AND NOT annotate_task.flagged AND annotate_task.purpose = %(purpose)s
  AND {lanes}
  AND annotate_task.id NOT IN (
    SELECT task_id FROM annotate_assignment WHERE annotator_id = %(person)s AND status <> 'expired'
  )
"""
NOT_A_COPY = """
  AND NOT EXISTS (
    SELECT 1 FROM annotate_assignment original
    WHERE original.annotator_id = %(person)s AND original.status <> 'expired'
      AND original.task_id = (annotate_task.gold->>'copy_of')::bigint
  )
"""
FIRST = "ORDER BY annotate_task.place LIMIT 1"
CLAIM = f"""
UPDATE annotate_task SET claimed = claimed + 1
WHERE id = (SELECT annotate_task.id {OPEN} {FIRST} FOR UPDATE SKIP LOCKED)
RETURNING {TASK.columns}
"""
CLAIM_KNOWN = CLAIM.replace(FIRST, NOT_A_COPY + FIRST)
HEAD = f"SELECT annotate_task.place {OPEN} {FIRST}"
# The queue of a project is read in its order and filtered. One lane has an index in its order; only equality uses it.
MANY_LANES = "annotate_task.skill = ANY(%(skills)s) AND annotate_task.lang = ANY(%(languages)s)"
ONE_LANE = "annotate_task.skill = %(skill)s AND annotate_task.lang = %(lang)s"


@dataclass(frozen=True)
class Wanted:
    """Which tasks a person may get next."""

    project: int
    person: int
    purpose: str
    skills: Several[str]
    languages: Several[str]

    def statement(self, sql: str) -> str:
        one_lane = len(self.skills) == len(self.languages) == 1
        return sql.replace("{lanes}", ONE_LANE if one_lane else MANY_LANES)

    def params(self) -> dict[str, Any]:
        skills, languages = list(self.skills), list(self.languages)
        return {
            "project": self.project, "person": self.person, "purpose": self.purpose,
            "skills": skills, "languages": languages, "skill": skills[0], "lang": languages[0],
        }  # fmt: skip


def claim(wanted: Wanted) -> Task | None:
    """Take a place of the first such task that nobody is about to take; its row stays locked. Never waits."""
    if not wanted.skills or not wanted.languages:
        return None
    sql = CLAIM if wanted.purpose == Task.Purpose.WORK else CLAIM_KNOWN
    return one(TASK, wanted.statement(sql), wanted.params())


def head(wanted: Wanted) -> float | None:
    """The place of the first such task."""
    found = fetch(wanted.statement(HEAD), wanted.params())
    return found[0][0] if found else None


RESPONSES = f"""
SELECT {TASK_RESPONSE.columns}, {RESPONSE.columns}
FROM annotate_taskresponse JOIN annotate_response ON annotate_response.id = annotate_taskresponse.response_id
WHERE annotate_taskresponse.task_id = %s ORDER BY annotate_taskresponse.position
"""


def responses(task: int) -> list[TaskResponse]:
    found = []
    for row in fetch(RESPONSES, [task]):
        one = TASK_RESPONSE.make(row[: len(TASK_RESPONSE)])
        one.response = RESPONSE.make(row[len(TASK_RESPONSE) :])
        found.append(one)
    return found


def prompt(pk: int) -> Prompt:
    found = one(PROMPT, f"SELECT {PROMPT.columns} FROM annotate_prompt WHERE id = %s", [pk])
    if found is None:
        raise Prompt.DoesNotExist
    return found


LEASE = f"""
INSERT INTO annotate_assignment (task_id, annotator_id, status, lease_until, "order", step, draft_version, skip_reason,
                                 flagged, created_at)
VALUES (%(task)s, %(person)s, 'leased', %(until)s, %(order)s, 0, 0, '', false, %(now)s)
ON CONFLICT (annotator_id, task_id) DO UPDATE SET status = 'leased', lease_until = EXCLUDED.lease_until
RETURNING {ASSIGNMENT.columns}, xmax = 0
"""


def lease(*, task: int, person: int, order: Sequence[int], now: datetime, until: datetime) -> Assignment:
    """The assignment of a task that was just claimed. An own lease that lapsed, or was reopened and left, is taken up
    again with its draft: it was never answered."""
    (row,) = fetch(
        LEASE, {"task": task, "person": person, "order": json.dumps(list(order)), "now": now, "until": until}
    )
    assignment = ASSIGNMENT.make(row[:-1])
    assignment.fresh = row[-1]
    return assignment


BEFORE = f"""
SELECT {FEEDBACK.columns} FROM annotate_feedback
WHERE assignment_id = %(assignment)s OR idempotency_key = %(key)s ORDER BY id
"""


def answers_before(*, assignment: int, key: Any) -> list[Feedback]:
    """All answers of an assignment, also withdrawn ones, oldest first; and whatever has the key already."""
    return [FEEDBACK.make(row) for row in fetch(BEFORE, {"assignment": assignment, "key": key})]


def move(assignment: Assignment) -> None:
    """Store where an assignment stands."""
    run(
        "UPDATE annotate_assignment SET status = %s, finished_at = %s, lease_until = %s, step = %s, draft = NULL"
        " WHERE id = %s",
        [assignment.status, assignment.finished_at, assignment.lease_until, assignment.step, assignment.pk],
    )


def rules(project: int) -> Collection | None:
    return one(COLLECTION, f"SELECT {COLLECTION.columns} FROM annotate_collection WHERE project_id = %s", [project])


# Items, so only first steps; each turn of a chat is a comparison and counts. Read from the index alone.
STATE = """
SELECT count(*), count(*) FILTER (WHERE created_at >= %(today)s), EXISTS (
    SELECT 1 FROM annotate_sentback
    WHERE annotator_id = %(person)s AND project_id = %(project)s AND answered_at IS NULL
)
FROM annotate_feedback WHERE annotator_id = %(person)s AND project_id = %(project)s AND withdrawn_at IS NULL
  AND step = 0
"""


def desk_state(*, person: int, project: int, today: datetime) -> tuple[int, int, bool]:
    """(own answers in all, since `today`, whether an answer was sent back)."""
    (row,) = fetch(STATE, {"person": person, "project": project, "today": today})
    return row[0], row[1], row[2]
