"""The answers that stand now, one a row, with the texts that were compared instead of letters and positions."""

from collections.abc import Iterator

import orjson
import pyarrow as pa

from accounts.models import Project
from annotate.models import Feedback
from curate.rows import MESSAGES
from exchange.exports.people import People
from exchange.exports.sources.base import Row, Source, counting, estimating, json_text
from exchange.exports.sources.copying import bounds, copy_lines
from exchange.exports.sources.events import MOMENT, valued
from registry.specs import ExportSpec

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("task", pa.int64()),
        ("prompt_key", pa.string()),
        ("lang", pa.string()),
        ("prompt", MESSAGES),
        ("kind", pa.string()),
        ("step", pa.int32()),
        ("person", pa.string()),
        ("origin", pa.string()),
        ("chosen", pa.string()),  # null for a tie, for both bad and for kinds that choose none
        ("rejected", pa.string()),
        ("chosen_model", pa.string()),
        ("rejected_model", pa.string()),
        ("strength", pa.int32()),  # 1 to 3 towards the chosen response, 0 for a tie
        ("tie", pa.bool_()),
        ("both_bad", pa.bool_()),
        ("chosen_shown_first", pa.bool_()),
        ("responses", pa.list_(pa.string())),  # texts in canonical order
        ("models", pa.list_(pa.string())),
        ("order", pa.list_(pa.int32())),
        json_text("value"),
        ("right", pa.bool_()),
        ("comment", pa.string()),
        ("active_ms", pa.int64()),
        ("answered_at", MOMENT),
    ]
)
OF_PAIR = "(CASE WHEN f.preference > 0 THEN {array}[1] WHEN f.preference < 0 THEN {array}[2] END)"
OTHER = "(CASE WHEN f.preference > 0 THEN {array}[2] WHEN f.preference < 0 THEN {array}[1] END)"
SHOWN = """
    LEFT JOIN LATERAL (
        SELECT array_agg(r.text ORDER BY tr.position) AS texts,
            array_agg(coalesce(m.name, '') ORDER BY tr.position) AS models
        FROM annotate_taskresponse AS tr JOIN annotate_response AS r ON r.id = tr.response_id
            LEFT JOIN registry_modelversion AS m ON m.id = r.model_id
        WHERE tr.task_id = f.task_id
    ) AS s ON true"""
MESSAGES_ONLY = """(
    SELECT coalesce(
        jsonb_agg(jsonb_build_object('role', one->>'role', 'content', one->>'content') ORDER BY place), '[]'
    )
    FROM jsonb_array_elements(p.messages) WITH ORDINALITY AS each(one, place))"""


def source(project: Project, spec: ExportSpec, people: People) -> Source:
    timing = 'f."order", f.active_ms,' if spec.timing else ""
    winner_first = (
        "CASE WHEN f.value ? 'order_unknown' THEN NULL WHEN f.preference > 0 THEN f.\"order\"->>0 = '0' "
        "WHEN f.preference < 0 THEN f.\"order\"->>0 = '1' END"
    )
    comment = "f.comment," if spec.comments else ""
    query = f"""
        SELECT f.id, f.task_id AS task, p.key AS prompt_key, p.lang, {MESSAGES_ONLY} AS prompt, f.kind, f.step,
            {people.sql("f.annotator_id")} AS person, f.origin,
            {OF_PAIR.format(array="s.texts")} AS chosen, {OTHER.format(array="s.texts")} AS rejected,
            {OF_PAIR.format(array="s.models")} AS chosen_model, {OTHER.format(array="s.models")} AS rejected_model,
            abs(f.preference) AS strength, f.preference IS NOT NULL AND f.preference = 0 AS tie,
            coalesce((f.value->>'both_bad')::boolean, false) AS both_bad,
            {winner_first} AS chosen_shown_first, coalesce(s.texts, ARRAY[]::text[]) AS responses,
            coalesce(s.models, ARRAY[]::varchar[]) AS models, {timing} {valued(spec, "f.value")}, f."right", {comment}
            f.created_at AS answered_at
        FROM annotate_feedback AS f JOIN annotate_task AS t ON t.id = f.task_id
            JOIN annotate_prompt AS p ON p.id = t.prompt_id {SHOWN}
        WHERE f.project_id = %(project)s AND f.id BETWEEN %(low)s AND %(high)s AND f.withdrawn_at IS NULL
            AND NOT f.annotator_id = ANY(%(gone)s::bigint[]) ORDER BY f.id"""
    gone = people.left_out()
    given = {"project": project.pk, "people_key": people.key, "gone": gone}

    def lines(flat: bool) -> Iterator[bytes]:
        low, high = bounds("annotate_feedback", project.pk)
        yield from copy_lines(query.replace("{value}", "::text" if flat else ""), given, low=low, high=high)

    def rows() -> Iterator[Row]:
        for line in lines(False):
            yield orjson.loads(line)

    stand = Feedback.current.filter(project=project).exclude(annotator_id__in=gone)
    return Source("answers", f"the answers of {project}", rows, counting(stand), SCHEMA, lines, estimating(stand))
