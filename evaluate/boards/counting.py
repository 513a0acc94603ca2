"""Counts of battles, kept up to date prompt by prompt.

Triggers note each prompt whose votes or verdicts were written, changed or deleted. A count takes those notes away and
counts the prompts anew, in one transaction: whatever is committed meanwhile leaves a note of its own. Counts of a
project take turns by an advisory lock.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, FloatField, QuerySet, Value, When
from django.utils import timezone

from accounts.models import Project
from evaluate.battles import between_models, model_votes, newest_verdicts
from evaluate.models import ChangedPrompt, Judgement, Stamp, TallyVoice

AT_ONCE = 2_000
LOCK = 0x70616C61
"""The first half of the advisory locks of counting; the second is the project's id."""

ADD = """
WITH battle (kind, name, prompt, first, second, outcome) AS ({battles})
INSERT INTO evaluate_tally (voice_id, prompt, first, second, outcome, n)
SELECT v.id, prompt, least(first, second), greatest(first, second),
       CASE WHEN first < second THEN outcome ELSE 1 - outcome END AS won, count(*)
FROM battle JOIN evaluate_tallyvoice v ON v.project_id = %s AND v.kind = battle.kind AND v.name = battle.name
GROUP BY v.id, prompt, least(first, second), greatest(first, second), won
"""
VOICES = """
INSERT INTO evaluate_tallyvoice (project_id, kind, name)
SELECT DISTINCT %s::bigint, kind, name FROM ({battles}) AS battle (kind, name, prompt, first, second, outcome)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Covered:
    """What the counts cover."""

    version: int
    counted_at: datetime | None
    waiting: int
    """Prompts that have changed since and are not counted yet."""


def count(project: Project, *, seconds: float | None = None) -> Covered:
    """Count what has changed, all of it or for about so many seconds; what is left is in `waiting`."""
    end = None if seconds is None else time.monotonic() + seconds
    while changed(project).exists():
        count_some(project)
        if end is not None and time.monotonic() > end:
            break
    return covered(project)


def covered(project: Project) -> Covered:
    stamp = Stamp.objects.filter(project=project).first()
    waiting = changed(project).values("prompt").distinct().count()
    return Covered(stamp.version if stamp else 0, stamp.counted_at if stamp else None, waiting)


def changed(project: Project) -> QuerySet[ChangedPrompt]:
    return ChangedPrompt.objects.filter(project=project.pk)


@transaction.atomic
def count_some(project: Project) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, project.pk % 2**31])
        # The notes go first: a vote that is committed after this line keeps its note, and is counted once more.
        cursor.execute(
            "DELETE FROM evaluate_changedprompt WHERE project_id = %s AND prompt_id IN (SELECT prompt_id FROM"
            " (SELECT DISTINCT prompt_id FROM evaluate_changedprompt WHERE project_id = %s) AS c"
            " ORDER BY prompt_id LIMIT %s) RETURNING prompt_id",
            [project.pk, project.pk, AT_ONCE],
        )
        prompts = {row[0] for row in cursor.fetchall()}
    if prompts:
        recount(project, prompts)
        stamp, _ = Stamp.objects.get_or_create(project=project)
        Stamp.objects.filter(pk=stamp.pk).update(version=F("version") + 1, counted_at=timezone.now())


def recount(project: Project, prompts: Collection[int]) -> None:
    with connection.cursor() as cursor:
        voices = list(TallyVoice.objects.filter(project=project).values_list("pk", flat=True))
        cursor.execute(
            "DELETE FROM evaluate_tally WHERE prompt = ANY(%s) AND voice_id = ANY(%s)", [list(prompts), voices]
        )
        for battles in (votes(project, prompts), verdicts(project, prompts)):
            sql, given = battles.query.sql_with_params()
            cursor.execute(VOICES.format(battles=sql), [project.pk, *given])
            cursor.execute(ADD.format(battles=sql), [*given, project.pk])


def votes(project: Project, prompts: Collection[int]) -> QuerySet[Any, Any]:
    ahead: Any = Case(
        When(preference__gt=0, then=1.0), When(preference__lt=0, then=0.0), default=0.5, output_field=FloatField()
    )
    found = model_votes(project).filter(task__prompt__in=prompts).order_by()
    return found.values_list(
        "origin", Value(""), "task__prompt_id", "zero__response__model_id", "one__response__model_id", ahead
    )


def verdicts(project: Project, prompts: Collection[int]) -> QuerySet[Any, Any]:
    found = Judgement.objects.filter(project=project, first__prompt__in=prompts)
    return between_models(newest_verdicts(found)).order_by().values_list(
        "judge_kind", "judge_name", "first__prompt_id", "first__model_id", "second__model_id", "outcome"
    )  # fmt: skip
