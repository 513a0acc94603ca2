"""Prompts with all their responses, whoever compared them."""

from collections.abc import Iterator

import orjson
import pyarrow as pa

from accounts.models import Project
from annotate.models import Prompt
from curate.rows import MESSAGES
from exchange.exports.people import People
from exchange.exports.sources.answers import MESSAGES_ONLY
from exchange.exports.sources.base import Row, Source, counting, estimating
from exchange.exports.sources.copying import bounds, copy_lines
from registry.specs import ExportSpec

RESPONSE = pa.struct(
    [
        ("id", pa.int64()), ("text", pa.string()), ("model", pa.string()), ("setting", pa.string()),
        ("seed", pa.int64()), ("tokens", pa.int64()), ("finish_reason", pa.string()),
    ]
)  # fmt: skip
SCHEMA = pa.schema(
    [
        ("prompt_key", pa.string()),
        ("lang", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("prompt", MESSAGES),
        ("responses", pa.list_(RESPONSE)),
    ]
)


def source(project: Project, spec: ExportSpec, people: People) -> Source:
    query = f"""
        SELECT p.key AS prompt_key, p.lang, p.tags, {MESSAGES_ONLY} AS prompt, (
            SELECT coalesce(json_agg(json_build_object('id', r.id, 'text', r.text, 'model', coalesce(m.name, ''),
                'setting', r.setting, 'seed', r.seed, 'tokens', r.tokens, 'finish_reason', r.finish_reason)
                ORDER BY r.id), '[]')
            FROM annotate_response AS r LEFT JOIN registry_modelversion AS m ON m.id = r.model_id
            WHERE r.prompt_id = p.id
        ) AS responses
        FROM annotate_prompt AS p
        WHERE p.project_id = %(project)s AND p.id BETWEEN %(low)s AND %(high)s ORDER BY p.id"""

    def lines(flat: bool) -> Iterator[bytes]:
        low, high = bounds("annotate_prompt", project.pk)
        yield from copy_lines(query, {"project": project.pk}, low=low, high=high)

    def rows() -> Iterator[Row]:
        for line in lines(False):
            yield orjson.loads(line)

    found = Prompt.objects.filter(project=project)
    return Source("items", f"the prompts of {project}", rows, counting(found), SCHEMA, lines, estimating(found))
