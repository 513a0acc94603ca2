"""Raw events with their full history: every answer that was ever given, and all that was done about it.

One row an event, and `event` says what it is: answer (superseded and withdrawn ones too, and those that went when their
import was taken back: their items are gone, so they name no responses), assignment (skipped, expired
and open ones; an answered one is in its answers), contradiction, verdict, sent_back. A row refers to responses by their
ids, in canonical order; the export of items holds their texts. `order` lists positions in the order shown.
"""

from collections.abc import Iterator

import orjson
import pyarrow as pa
from django.db import connection

from accounts.models import Project
from exchange.exports.people import People
from exchange.exports.sources.base import Row, Source, counting, estimating, json_text
from exchange.exports.sources.copying import bounds, copy_lines
from registry.specs import ExportSpec

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("event", pa.string()),
        ("id", pa.int64()),
        ("at", MOMENT),
        ("task", pa.int64()),
        ("prompt_key", pa.string()),
        ("responses", pa.list_(pa.int64())),
        ("assignment", pa.int64()),
        ("assigned_at", MOMENT),
        ("step", pa.int32()),
        ("kind", pa.string()),
        ("person", pa.string()),
        ("origin", pa.string()),
        (
            "state",
            pa.string(),
        ),  # of answers and verdicts: current, superseded, withdrawn; of imported answers taken back
        json_text("value"),
        ("order", pa.list_(pa.int32())),
        ("preference", pa.int32()),
        ("right", pa.bool_()),
        ("comment", pa.string()),
        ("active_ms", pa.int64()),
        ("ended_at", MOMENT),  # withdrawn, superseded, finished or answered
        ("supersedes", pa.int64()),
        ("about", pa.string()),  # the person whose answer was sent back
    ]
)
RESPONSES = (
    "ARRAY(SELECT response_id FROM annotate_taskresponse AS r WHERE r.task_id = {task} ORDER BY position) AS responses"
)
# Looked up row by row: joined, a planner that knows little reads whole tables for each range of ids.
PROMPT_KEY = (
    "(SELECT key FROM annotate_task AS of_task JOIN annotate_prompt AS p ON p.id = of_task.prompt_id "
    "WHERE of_task.id = {task}) AS prompt_key"
)
ASSIGNED_AT = "(SELECT created_at FROM annotate_assignment AS a WHERE a.id = f.assignment_id) AS assigned_at"
TASK = "JOIN annotate_task AS t ON t.id = {of}.task_id JOIN annotate_prompt AS p ON p.id = t.prompt_id"
WHERE = "WHERE {of}.project_id = %(project)s AND {of}.id BETWEEN %(low)s AND %(high)s"
STATE = (
    "CASE WHEN EXISTS (SELECT 1 FROM {table} AS newer WHERE newer.supersedes_id = {of}.id) THEN 'superseded' "
    "WHEN {of}.withdrawn_at IS NOT NULL THEN 'withdrawn' ELSE 'current' END AS state"
)


THROUGH = {
    "annotate_assignment": (
        "SELECT min(a.id), max(a.id) FROM annotate_assignment AS a JOIN annotate_task AS t ON t.id = a.task_id "
        "WHERE t.project_id = %s AND a.status <> 'submitted'"
    ),
    "exchange_withdrawnvote": (
        "SELECT min(w.id), max(w.id) FROM exchange_withdrawnvote AS w JOIN exchange_import AS i ON i.id = w.made_id "
        "WHERE i.project_id = %s"
    ),
}
"""Tables that know their project only through another one: smallest and largest id of its rows."""


def source(project: Project, spec: ExportSpec, people: People) -> Source:
    given = {"project": project.pk, "people_key": people.key, "gone": people.left_out()}
    queries = [build(spec, people) for build in (answers, taken_back, assignments, contradictions, verdicts, sent_back)]

    def lines(flat: bool) -> Iterator[bytes]:
        for table, query in queries:
            low, high = all_bounds(table, project)
            yield from copy_lines(query.replace("{value}", "::text" if flat else ""), given, low=low, high=high)

    def rows() -> Iterator[Row]:
        for line in lines(False):
            yield orjson.loads(line)

    # An estimate: to count all that was ever assigned would take as long as to write it.
    return Source(
        "events", f"the history of {project}", rows, counting(project.feedback.all()), SCHEMA, lines,
        estimating(project.feedback.all()),
    )  # fmt: skip


def all_bounds(table: str, project: Project) -> tuple[int, int]:
    if table not in THROUGH:
        return bounds(table, project.pk)
    with connection.cursor() as cursor:
        cursor.execute(THROUGH[table], [project.pk])
        low, high = cursor.fetchone()
    return (low, high) if low is not None else (0, -1)


def commented(spec: ExportSpec, column: str, name: str) -> str:
    return f"{column} AS {name}" if spec.comments else f"NULL::text AS {name}"


def valued(spec: ExportSpec, column: str) -> str:
    """A value without what its author wrote about an answer; an edit's text is the answer itself and stays."""
    if spec.comments:
        return f"({column}){{value}} AS value"
    written = "ARRAY['strengths', 'weaknesses', 'refinement', 'marks', 'note', 'justification', 'dimensions']"
    return f"(CASE WHEN f.kind = 'critique' THEN {column} - {written} ELSE {column} - 'note' END){{value}} AS value"


def answers(spec: ExportSpec, people: People) -> tuple[str, str]:
    timing = f'f."order", f.active_ms, {ASSIGNED_AT},' if spec.timing else ""
    return (
        "annotate_feedback",
        f"""
        SELECT 'answer' AS event, f.id, f.created_at AS at, f.task_id AS task, {PROMPT_KEY.format(task="f.task_id")},
            {RESPONSES.format(task="f.task_id")}, f.assignment_id AS assignment, f.step, f.kind,
            {people.sql("f.annotator_id")} AS person, f.origin,
            {STATE.format(table="annotate_feedback", of="f")}, {valued(spec, "f.value")},
            {timing} f.preference, f."right", {commented(spec, "f.comment", "comment")},
            f.withdrawn_at AS ended_at, f.supersedes_id AS supersedes
        FROM annotate_feedback AS f
        {WHERE.format(of="f")} AND NOT f.annotator_id = ANY(%(gone)s::bigint[]) ORDER BY f.id""",
    )


def taken_back(spec: ExportSpec, people: People) -> tuple[str, str]:
    """Imported answers whose import was taken back, as they were kept. `ended_at` is when."""
    timing = 'f."order", f.active_ms,' if spec.timing else ""
    return (
        "exchange_withdrawnvote",
        f"""
        SELECT 'answer' AS event, f.id, f.created_at AS at, f.task_id AS task, w.prompt_key,
            f.assignment_id AS assignment, f.step, f.kind, {people.sql("f.annotator_id")} AS person, f.origin,
            'taken back' AS state, {valued(spec, "f.value")}, {timing} f.preference, f."right",
            {commented(spec, "f.comment", "comment")}, w.withdrawn_at AS ended_at, f.supersedes_id AS supersedes
        FROM exchange_withdrawnvote AS w JOIN exchange_import AS i ON i.id = w.made_id,
            jsonb_populate_record(NULL::annotate_feedback, w.said) AS f
        WHERE i.project_id = %(project)s AND w.id BETWEEN %(low)s AND %(high)s
            AND NOT w.annotator_id = ANY(%(gone)s::bigint[]) ORDER BY w.id""",
    )


def assignments(spec: ExportSpec, people: People) -> tuple[str, str]:
    order = 'a."order",' if spec.timing else ""
    return (
        "annotate_assignment",
        f"""
        SELECT 'assignment' AS event, a.id, a.created_at AS at, a.task_id AS task, p.key AS prompt_key,
            {RESPONSES.format(task="a.task_id")}, a.id AS assignment, a.step, t.kind,
            {people.sql("a.annotator_id")} AS person,
            CASE WHEN a.flagged THEN a.status || ', flagged' ELSE a.status END AS state, {order}
            {commented(spec, "a.skip_reason", "comment")}, a.finished_at AS ended_at
        FROM annotate_assignment AS a {TASK.format(of="a")}
        WHERE t.project_id = %(project)s AND a.id BETWEEN %(low)s AND %(high)s AND a.status <> 'submitted'
            AND NOT a.annotator_id = ANY(%(gone)s::bigint[]) ORDER BY a.id""",
    )


def contradictions(spec: ExportSpec, people: People) -> tuple[str, str]:
    return (
        "annotate_contradiction",
        f"""
        SELECT 'contradiction' AS event, c.id, c.asked_at AS at, a.task_id AS task, p.key AS prompt_key,
            c.assignment_id AS assignment, {people.sql("a.annotator_id")} AS person, c.resolution AS state,
            jsonb_build_object('rule', c.rule, 'detail', c.detail){{value}} AS value, c.answered_at AS ended_at
        FROM annotate_contradiction AS c JOIN annotate_assignment AS a ON a.id = c.assignment_id
            {TASK.format(of="a")}
        {WHERE.format(of="c")} AND NOT a.annotator_id = ANY(%(gone)s::bigint[]) ORDER BY c.id""",
    )


def verdicts(spec: ExportSpec, people: People) -> tuple[str, str]:
    return (
        "annotate_verdict",
        f"""
        SELECT 'verdict' AS event, v.id, v.created_at AS at, v.task_id AS task, p.key AS prompt_key,
            {RESPONSES.format(task="v.task_id")}, t.kind, {people.sql("v.adjudicator_id")} AS person,
            {STATE.format(table="annotate_verdict", of="v")}, (v.value){{value}} AS value, v."order", v.preference,
            {commented(spec, "v.reason", "comment")}, v.withdrawn_at AS ended_at, v.supersedes_id AS supersedes
        FROM annotate_verdict AS v {TASK.format(of="v")}
        {WHERE.format(of="v")} AND NOT v.adjudicator_id = ANY(%(gone)s::bigint[]) ORDER BY v.id""",
    )


def sent_back(spec: ExportSpec, people: People) -> tuple[str, str]:
    changed = "CASE WHEN s.answered_at IS NULL THEN 'open' WHEN s.changed THEN 'changed' ELSE 'kept' END"
    return (
        "annotate_sentback",
        f"""
        SELECT 'sent_back' AS event, s.id, s.created_at AS at, a.task_id AS task, p.key AS prompt_key,
            s.assignment_id AS assignment, {people.sql("s.reviewer_id")} AS person,
            {people.sql("s.annotator_id")} AS about, {changed} AS state, {commented(spec, "s.note", "comment")},
            s.answered_at AS ended_at
        FROM annotate_sentback AS s JOIN annotate_assignment AS a ON a.id = s.assignment_id {TASK.format(of="a")}
        {WHERE.format(of="s")} AND NOT s.annotator_id = ANY(%(gone)s::bigint[])
            AND NOT s.reviewer_id = ANY(%(gone)s::bigint[]) ORDER BY s.id""",
    )
