"""Which battles a board is about: all, or those of a language, a tag, a turn of the conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from django.db import connection
from django.db.models import F, Func, IntegerField, Q, QuerySet, Value

from accounts.models import Project
from annotate.models import Prompt


@dataclass(frozen=True)
class Slice:
    """Empty parts choose nothing."""

    lang: str = ""
    tag: str = ""
    turn: int = 0
    """1 for prompts that are the first thing the person said, 2 for the second, and so on."""
    evaluation: str = ""
    """The name of an evaluation: only what was judged for it."""

    @property
    def key(self) -> str:
        """How it is kept; every part is escaped, so two slices never have one key."""
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in self.query.items())

    @property
    def query(self) -> dict[str, str]:
        """How addresses name it."""
        return {name: str(value) for name, value in vars(self).items() if value}

    @property
    def words(self) -> str:
        parts = [
            self.lang and f"in {self.lang}",
            self.tag and f"tagged {self.tag}",
            self.turn and f"turn {self.turn}",
            self.evaluation and f"of {self.evaluation}",
        ]
        return ", ".join(str(part) for part in parts if part)

    def without(self, name: str) -> "Slice":
        return replace(self, **{name: type(getattr(self, name))()})

    def where(self, prefix: str = "") -> Q:
        """The prompts it chooses, on a query that reaches them by `prefix`; annotate `turns` first where it asks."""
        found = Q()
        if self.lang:
            found &= Q(**{f"{prefix}lang": self.lang})
        if self.tag:
            found &= Q(**{f"{prefix}tags__contains": [self.tag]})
        return found & Q(turn=self.turn) if self.turn else found

    def prompts(self, project: Project) -> QuerySet[Prompt]:
        return with_turn(Prompt.objects.filter(project=project)).filter(self.where())


ALL = Slice()


def with_turn(prompts: QuerySet[Prompt]) -> QuerySet[Any]:
    """`turn`: how often the person has spoken."""
    asked = Func(
        F("messages"), Value('$[*] ? (@.role == "user")'), function="jsonb_path_query_array",
        template="jsonb_array_length(jsonb_path_query_array(%(expressions)s::jsonpath))",
        output_field=IntegerField(),
    )  # fmt: skip
    return prompts.annotate(turn=asked)


def slice_of(query: Mapping[str, str]) -> Slice:
    """From an address; what is no slice chooses nothing."""
    turn = query.get("turn", "")
    number = int(turn) if turn.isascii() and turn.isdigit() and len(turn) < 3 else 0
    return Slice(
        clean(query.get("lang", ""), 20),
        clean(query.get("tag", ""), 40),
        number,
        clean(query.get("evaluation", ""), 60),
    )


def clean(text: str, most: int) -> str:
    """PostgreSQL refuses NUL in a text."""
    return text.replace("\0", "")[:most]


OFFERED = """
WITH seen AS (
    SELECT lang, tags, jsonb_array_length(jsonb_path_query_array(messages, '$[*] ? (@.role == "user")')) AS turn
    FROM annotate_prompt WHERE project_id = %s
)
SELECT 'lang', lang, count(*) FROM seen GROUP BY lang
UNION ALL SELECT 'tag', tag, count(*) FROM seen, jsonb_array_elements_text(tags) AS tag GROUP BY tag
UNION ALL SELECT 'turn', turn::text, count(*) FROM seen GROUP BY turn
"""


def offered(project: Project) -> dict[str, list[str]]:
    """{lang, tag, turn: values of the prompts, most frequent first}; one language or turn alone is no choice."""
    found: dict[str, list[tuple[int, str]]] = {"lang": [], "tag": [], "turn": []}
    with connection.cursor() as cursor:
        cursor.execute(OFFERED, [project.pk])
        for name, value, times in cursor.fetchall():
            found[name].append((int(value) if name == "turn" else -times, value))
    return {
        name: [value for _, value in sorted(values)] for name, values in found.items() if len(values) > (name != "tag")
    }
