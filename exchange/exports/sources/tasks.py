"""One row a task with its prompt, its responses and all answers that stand: for formats that keep them together."""

from collections.abc import Iterator

import orjson

from accounts.models import Project
from annotate.models import Task
from exchange.exports.people import People
from exchange.exports.sources.answers import MESSAGES_ONLY
from exchange.exports.sources.base import Row, Source, counting, estimating
from exchange.exports.sources.copying import bounds, copy_lines
from exchange.exports.sources.events import valued
from registry.specs import ExportSpec


def source(project: Project, spec: ExportSpec, people: People) -> Source:
    """Row: {task, prompt_key, lang, prompt, responses: [{id, text, model}], answers: [{id, person, ...}]}."""
    value = valued(spec, "f.value").replace("{value}", "")
    comment = "f.comment," if spec.comments else ""
    timing = "f.active_ms," if spec.timing else ""
    query = f"""
        SELECT t.id AS task, p.key AS prompt_key, p.lang, {MESSAGES_ONLY} AS prompt, (
            SELECT coalesce(json_agg(json_build_object('id', r.id, 'text', r.text, 'model', coalesce(m.name, ''))
                ORDER BY tr.position), '[]')
            FROM annotate_taskresponse AS tr JOIN annotate_response AS r ON r.id = tr.response_id
                LEFT JOIN registry_modelversion AS m ON m.id = r.model_id WHERE tr.task_id = t.id
        ) AS responses, (
            SELECT coalesce(json_agg(row_to_json(a) ORDER BY a.id), '[]') FROM (
                SELECT f.id, {people.sql("f.annotator_id")} AS person, f.kind, f.step, f.origin, {value}, f."order",
                    f.preference, {comment} {timing} f.created_at AS answered_at
                FROM annotate_feedback AS f WHERE f.task_id = t.id AND f.withdrawn_at IS NULL
                    AND NOT f.annotator_id = ANY(%(gone)s::bigint[])
            ) AS a
        ) AS answers
        FROM annotate_task AS t JOIN annotate_prompt AS p ON p.id = t.prompt_id
        WHERE t.project_id = %(project)s AND t.id BETWEEN %(low)s AND %(high)s ORDER BY t.id"""
    given = {"project": project.pk, "people_key": people.key, "gone": people.left_out()}

    def rows() -> Iterator[Row]:
        low, high = bounds("annotate_task", project.pk)
        for line in copy_lines(query, given, low=low, high=high):
            row = orjson.loads(line)
            if row["answers"]:
                yield row

    found = Task.objects.filter(project=project, answered__gt=0)
    return Source("tasks", f"the answered tasks of {project}", rows, counting(found), estimate=estimating(found))
