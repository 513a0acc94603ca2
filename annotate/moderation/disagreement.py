"""Which items need an adjudicator: their raters disagree, or somebody meant two signals that do not fit.

An item is looked at when all wanted answers are in. Its agreement is the share of pairs of raters who agree, in the
first step that compares the responses (`compared_in`): on the side (A, B, tie, both bad), or, for rankings and
selections, the mean over pairs of raters of Kendall's tau-b mapped to 0..1, and of Jaccard's index.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from math import sqrt
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Greatest

from accounts.models import Project
from annotate.design.protocols import Step, steps_of
from annotate.desk.queue import rules_of
from annotate.kinds.ranking import level
from annotate.models import Contradiction, Feedback, Prompt, SentBack, Task, Verdict

BY_SIDE = ("pairwise", "rubric")
BY_VALUE = ("ranking", "selection")
SAFETY = "safety"
"""The tag of prompts whose items come first among those that disagree as much."""
HEAD = 500
"""So many items of the queue are kept at hand, with the number of all."""
KNOWN_FOR = 60  # seconds


# --- One item -----------------------------------------------------------------------------------------------


def compared_in(task: Task) -> Step:
    """The step that agreement and verdict are about: the first that compares all responses, else the first."""
    steps = steps_of(task)
    comparing = (step for step in steps if step.of == "all" and step.kind.slug in (*BY_SIDE, *BY_VALUE))
    return next(comparing, steps[0])


def side(preference: int | None) -> str:
    if preference is None:
        return "both bad"
    return "tie" if preference == 0 else "first" if preference > 0 else "second"


def agreement_of(kind: str, answers: Sequence[Feedback]) -> float | None:
    """Share of agreeing pairs of raters, 0 to 1; None for fewer than two answers and kinds that compare nothing."""
    if len(answers) < 2:
        return None
    if kind in BY_SIDE:
        counts = Counter(side(one.preference) for one in answers)
        return sum(n * (n - 1) for n in counts.values()) / (len(answers) * (len(answers) - 1))
    if kind == "ranking":
        return mean_of_pairs(kendall, [places_of(one.value, one.order) for one in answers])
    if kind == "selection":
        return mean_of_pairs(jaccard, [chosen_of(one.value, one.order) for one in answers])
    return None


def mean_of_pairs(alike: Callable[[Any, Any], float], values: Sequence[Any]) -> float:
    pairs = [alike(one, other) for one, other in combinations(values, 2)]
    return sum(pairs) / len(pairs)


def places_of(value: Mapping[str, Any], order: Sequence[int]) -> dict[int, int]:
    """{position: its rank}; 1 is the best, and all that got no place come last together."""
    return {position: level(rank) for position, rank in zip(order, value.get("ranks", []), strict=False)}


def chosen_of(value: Mapping[str, Any], order: Sequence[int]) -> frozenset[int]:
    """The positions of the responses that fit."""
    return frozenset(order[place] for place in value.get("fits", []))


def kendall(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Kendall's tau-b (1945) of two rankings with ties, from -1..1 to 0..1; equal rankings agree, also all ties."""
    if one == other:
        return 1.0
    score, untied_one, untied_other = 0, 0, 0
    for a, b in combinations(sorted(set(one) & set(other)), 2):
        x, y = one[a] - one[b], other[a] - other[b]
        score += ((x > 0) - (x < 0)) * ((y > 0) - (y < 0))
        untied_one, untied_other = untied_one + (x != 0), untied_other + (y != 0)
    if not untied_one or not untied_other:
        return 0.5  # one of them says nothing about the order
    return (score / sqrt(untied_one * untied_other) + 1) / 2


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard's index |A and B| / |A or B|; two empty selections agree."""
    return len(one & other) / len(one | other) if one | other else 1.0


# --- The queue ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """The items that wait, the first of them in order, and how many there are in all."""

    head: Sequence[int]
    total: int


def waiting(project: Project, *, fresh: bool = False) -> Waiting:
    """Read once a minute and process: what was settled since is left out when an item is shown."""
    key = f"adjudication:{project.pk}"
    found: Waiting | None = None if fresh else cache.get(key)
    if found is None:
        items = in_order(project)
        found = Waiting([pk for _, _, pk in items[:HEAD]], len(items))
        cache.set(key, found, KNOWN_FOR)
    return found


def forget(project_id: int) -> None:
    cache.delete(f"adjudication:{project_id}")


def in_order(project: Project) -> list[tuple[float, bool, int]]:
    """(agreement, not about safety, task): least agreement first, then safety, then the older item.

    Items that are here for a kept contradiction alone come with the agreement of their raters, or 1 if it has none.
    """
    threshold = rules_of(project).settle_below
    found = by_side(project, threshold)
    others = {pk: agreement for pk, agreement in by_value(project).items() if agreement < threshold}
    for pk in contradicting(project):
        if pk not in found:
            others.setdefault(pk, 1.0)
    away, safety = settled_or_away(project, others), set(about_safety(project, others))
    found |= {pk: (agreement, pk in safety) for pk, agreement in others.items() if pk not in away}
    return sorted((agreement, not safe, pk) for pk, (agreement, safe) in found.items())


BY_SIDE_SQL = """
WITH step AS (
    -- From the answers, of which there are few, to the tasks, of which there may be a million.
    SELECT task_id, step, count(*) AS n,
           count(*) FILTER (WHERE preference > 0) AS first, count(*) FILTER (WHERE preference < 0) AS second,
           count(*) FILTER (WHERE preference = 0) AS tie, count(*) FILTER (WHERE preference IS NULL) AS bad
    FROM annotate_feedback
    WHERE project_id = %(project)s AND withdrawn_at IS NULL AND kind = ANY(%(kinds)s)
    GROUP BY task_id, step
    HAVING count(*) >= 2
), compared AS (
    SELECT DISTINCT ON (task_id) task_id,
           (first * (first - 1) + second * (second - 1) + tie * (tie - 1) + bad * (bad - 1))::float / (n * (n - 1))
           AS agreement
    FROM step ORDER BY task_id, step
)
SELECT task_id, agreement,
       EXISTS (SELECT FROM annotate_prompt WHERE id = task.prompt_id AND tags @> jsonb_build_array(%(safety)s::text))
FROM compared JOIN annotate_task task ON task.id = task_id
WHERE agreement < %(threshold)s AND answered >= wanted AND NOT flagged AND purpose = 'work'
  AND NOT EXISTS (SELECT FROM annotate_verdict WHERE task_id = task.id AND withdrawn_at IS NULL)
  AND NOT EXISTS (
      SELECT FROM annotate_sentback JOIN annotate_assignment given ON given.id = assignment_id
      WHERE given.task_id = task.id AND answered_at IS NULL
  )
"""


def by_side(project: Project, threshold: float) -> dict[int, tuple[float, bool]]:
    """{task: (agreement, whether about safety)} of comparisons and ratings that wait."""
    with connection.cursor() as cursor:
        cursor.execute(
            BY_SIDE_SQL,
            {"project": project.pk, "kinds": list(BY_SIDE), "threshold": threshold, "safety": SAFETY},
        )
        return {pk: (agreement, safety) for pk, agreement, safety in cursor.fetchall()}


def by_value(project: Project) -> dict[int, float]:
    """{task: agreement} of rankings and selections, whose values SQL does not read."""
    answers = Feedback.current.filter(
        project=project, kind__in=BY_VALUE, task__answered__gte=Greatest(2, F("task__wanted")),
        task__flagged=False, task__purpose=Task.Purpose.WORK,
    )  # fmt: skip
    rows = answers.order_by("task_id", "step").only("task_id", "step", "kind", "value", "order")
    found: dict[int, float] = {}
    for (task, _), group in groupby(rows.iterator(), key=lambda one: (one.task_id, one.step)):
        given = list(group)
        agreement = agreement_of(given[0].kind, given)
        if agreement is not None:
            found.setdefault(task, agreement)
    return found


def settled_or_away(project: Project, tasks: Collection[int]) -> set[int]:
    """Tasks with a verdict, or with an answer that its rater was asked to look at again."""
    settled = Verdict.objects.filter(project=project, withdrawn_at=None, task__in=tasks)
    away = SentBack.objects.filter(project=project, answered_at=None, assignment__task__in=tasks)
    return {*settled.values_list("task_id", flat=True), *away.values_list("assignment__task_id", flat=True)}


def contradicting(project: Project) -> set[int]:
    """Finished tasks without a verdict where a rater was asked about a contradiction, and meant it."""
    kept = Contradiction.objects.filter(
        project=project, resolution=Contradiction.Resolution.KEPT, assignment__status="submitted",
        assignment__task__flagged=False, assignment__task__purpose=Task.Purpose.WORK,
        assignment__task__answered__gte=F("assignment__task__wanted"),
    )  # fmt: skip
    found = set(kept.values_list("assignment__task_id", flat=True))
    return found - settled_or_away(project, found)


def about_safety(project: Project, tasks: Collection[int]) -> QuerySet[Task, int]:
    tagged = Prompt.objects.filter(pk=OuterRef("prompt"), tags__contains=[SAFETY])
    return Task.objects.filter(Exists(tagged), project=project, pk__in=tasks).values_list("pk", flat=True)


def still_waiting(task: Task, threshold: float) -> bool:
    """Whether this item waits now, whatever was known a minute ago."""
    if task.flagged or task.purpose != Task.Purpose.WORK or task.answered < task.wanted:
        return False
    if settled_or_away(task.project, [task.pk]):
        return False
    step = compared_in(task)
    agreement = agreement_of(step.kind.slug, list(Feedback.current.filter(task=task, step=step.number)))
    if agreement is not None and agreement < threshold:
        return True
    return Contradiction.objects.filter(
        assignment__task=task, resolution=Contradiction.Resolution.KEPT, assignment__status="submitted"
    ).exists()


def gold_accuracy(project: Project, annotators: Collection[int]) -> dict[int, tuple[int, int]]:
    """{annotator: (right, of)} over known answers, for those who met any. The first answer counts: later ones may
    know what was expected."""
    known = Feedback.objects.filter(
        project=project, annotator__in=annotators, right__isnull=False, supersedes=None, assignment__status="submitted"
    )
    found: dict[int, list[bool]] = defaultdict(list)
    for annotator, right in known.values_list("annotator_id", "right"):
        found[annotator].append(bool(right))
    return {annotator: (sum(rights), len(rights)) for annotator, rights in found.items()}
