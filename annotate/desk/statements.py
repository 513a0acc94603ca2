"""The statements of an answer and the next task, written out.

What annotators wait for is here, in SQL that can be read and explained, and run by accounts.statements, which says why;
all else uses the ORM. Locks and their order are described in annotate.desk.queue.
"""

import json
from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.statements import Rows, fetch, one, run
from annotate.models import Assignment, Collection, Feedback, Prompt, Response, Task, TaskResponse

TASK, PROMPT, ASSIGNMENT, FEEDBACK = Rows(Task), Rows(Prompt), Rows(Assignment), Rows(Feedback)
TASK_RESPONSE, RESPONSE, COLLECTION = Rows(TaskResponse), Rows(Response), Rows(Collection)


def lock_person(pk: int) -> None:
    run("SELECT 1 FROM accounts_user WHERE id = %s FOR NO KEY UPDATE", [pk])


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


# Each part waits for the lock of the one before, so the order is that of annotate.desk.queue. A row that changed while
# it was waited for is read again by its lock; nothing else here may depend on what others did meanwhile.
LOCKED = f"""
WITH person AS MATERIALIZED (
    SELECT id FROM accounts_user WHERE id = %(person)s FOR NO KEY UPDATE
), annotate_task AS MATERIALIZED (
    SELECT task.* FROM annotate_task task
    WHERE task.id = (
        SELECT task_id FROM annotate_assignment, person
        WHERE annotate_assignment.id = %(assignment)s AND annotate_assignment.annotator_id = person.id
    ) AND task.project_id = %(project)s
    FOR UPDATE
)
SELECT {ASSIGNMENT.columns}, {TASK.columns}, {PROMPT.columns}, {COLLECTION.columns}
FROM annotate_task
JOIN annotate_prompt ON annotate_prompt.id = annotate_task.prompt_id
JOIN annotate_assignment ON annotate_assignment.task_id = annotate_task.id
LEFT JOIN annotate_collection ON annotate_collection.project_id = annotate_task.project_id
WHERE annotate_assignment.id = %(assignment)s
FOR UPDATE OF annotate_assignment
"""


def locked_assignment(*, person: int, project: int, assignment: int) -> tuple[Assignment, Collection | None] | None:
    """An assignment of this person in this project, with its task and prompt, and the project's rules.

    The rows of the person, the task and the assignment are locked, in this order.
    """
    rows = fetch(LOCKED, {"person": person, "project": project, "assignment": assignment})
    rest = len(ASSIGNMENT) + len(TASK) + len(PROMPT)
    found = with_task([row[:rest] for row in rows])
    if found is None:
        return None
    return found, COLLECTION.make(rows[0][rest:]) if rows[0][rest] is not None else None


# Whether the person has had a task is looked up task by task, in the index that holds the status too
# (never_the_same_item_twice): OFFSET 0 keeps the planner from reading all that the person ever had. A lapsed lease was
# never answered, so its task may come again. A gold task may be the copy of one that the person has answered.
OPEN = """
FROM annotate_task
WHERE annotate_task.project_id = %(project)s AND annotate_task.claimed < annotate_task.wanted
  AND NOT annotate_task.flagged AND annotate_task.purpose = %(purpose)s
  AND {lanes}
  AND NOT EXISTS (
    SELECT 1 FROM annotate_assignment had
    WHERE had.annotator_id = %(person)s AND had.task_id = annotate_task.id AND had.status <> 'expired' OFFSET 0
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
# The prompt's columns once a response: less than what a statement more would cost. A chat has no responses.
ITEM = f"""
SELECT {PROMPT.columns}, {TASK_RESPONSE.columns}, {RESPONSE.columns}
FROM annotate_prompt
LEFT JOIN annotate_taskresponse ON annotate_taskresponse.task_id = %(task)s
LEFT JOIN annotate_response ON annotate_response.id = annotate_taskresponse.response_id
WHERE annotate_prompt.id = %(prompt)s ORDER BY annotate_taskresponse.position
"""


def responses(task: int) -> list[TaskResponse]:
    return [with_response(row) for row in fetch(RESPONSES, [task])]


def with_response(row: Sequence[Any]) -> TaskResponse:
    one = TASK_RESPONSE.make(row[: len(TASK_RESPONSE)])
    one.response = RESPONSE.make(row[len(TASK_RESPONSE) :])
    return one


def item(task: Task) -> tuple[Prompt, list[TaskResponse]]:
    """The prompt of a task and its responses in canonical order."""
    rows = fetch(ITEM, {"task": task.pk, "prompt": task.prompt_id})
    rest = len(PROMPT)
    return PROMPT.make(rows[0][:rest]), [with_response(row[rest:]) for row in rows if row[rest] is not None]


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


INSERTED = [field for field in Feedback._meta.concrete_fields if not field.primary_key]
STORE = f"""
WITH moved AS (
    UPDATE annotate_assignment SET status = %s, finished_at = %s, lease_until = %s, step = %s, draft = NULL
    WHERE id = %s
), counted AS (
    UPDATE annotate_task SET claimed = %s, answered = %s WHERE id = %s
)
INSERT INTO annotate_feedback ({", ".join(f'"{field.column}"' for field in INSERTED)})
VALUES ({", ".join(["%s"] * len(INSERTED))}) RETURNING id
"""


def store(feedback: Feedback, assignment: Assignment) -> None:
    """Insert an answer, together with where its assignment stands now and the counts of its task."""
    task = assignment.task
    values = [field.get_db_prep_save(getattr(feedback, field.attname), connection) for field in INSERTED]
    ((feedback.pk,),) = fetch(
        STORE,
        [
            assignment.status, assignment.finished_at, assignment.lease_until, assignment.step, assignment.pk,
            task.claimed, task.answered, task.pk, *values,
        ],
    )  # fmt: skip
    feedback._state.adding = False
    feedback._state.db = connection.alias


def rules(project: int) -> Collection | None:
    return one(COLLECTION, f"SELECT {COLLECTION.columns} FROM annotate_collection WHERE project_id = %s", [project])


# Items, so only first steps; each turn of a chat is a comparison and counts. Read from the index alone.
STATE = """
SELECT count(*), count(*) FILTER (WHERE created_at >= %(today)s), EXISTS (
    SELECT 1 FROM annotate_sentback
    WHERE annotator_id = %(person)s AND project_id = %(project)s AND answered_at IS NULL
), EXISTS (
    SELECT 1 FROM annotate_assignment JOIN annotate_task ON annotate_task.id = annotate_assignment.task_id
    WHERE annotator_id = %(person)s AND status = 'leased' AND lease_until > %(now)s
      AND annotate_task.project_id = %(project)s
)
FROM annotate_feedback WHERE annotator_id = %(person)s AND project_id = %(project)s AND withdrawn_at IS NULL
  AND step = 0
"""


def desk_state(*, person: int, project: int, today: datetime, now: datetime) -> tuple[int, int, bool, bool]:
    """(own answers in all, since `today`, whether an answer was sent back, whether a task is held)."""
    (row,) = fetch(STATE, {"person": person, "project": project, "today": today, "now": now})
    return row[0], row[1], row[2], row[3]
