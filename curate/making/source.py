"""Which answers a recipe takes. Read as columns of numbers: a query and some arrays, however many answers there are.

All current answers of the kinds come in one query, and each filter is an array operation after it. So every step of
the funnel is counted, and a preview that follows a recipe as it changes need not ask the database again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from accounts import pseudonyms
from accounts.models import Project
from annotate.models import Assignment, Feedback, Image, Task
from curate.builders.base import Builder
from curate.making.columns import Column, read
from curate.making.funnel import Funnel
from curate.models import ConsentWithdrawal
from registry.specs import BuildDatasetSpec

COMPARED = ("pairwise", "chat")
"""Kinds that ask which of two responses is better, see annotate.comparisons."""
DERIVED = ("ranking", "rubric")
"""Kinds whose preference follows from something else; they decide a pair only where a recipe names them."""
KINDS = ("pairwise", "chat", "ranking", "rubric", "critique", "edit", "selection")
"""In the order in which one answer of a person to an item is taken before another."""
ORIGINS = ("human", "simulated", "imported")
ORIGIN_WORDS = {"human": "people", "simulated": "simulated annotators", "imported": "imported raters"}
NO_SIDE = 99
"""Stands for no preference in the column of preferences."""
DAY = 86_400


@dataclass(frozen=True)
class Answers:
    """One row a current answer to a step of a finished item. All (answers,)."""

    pk: NDArray[np.int64]
    task: NDArray[np.int64]
    prompt: NDArray[np.int64]
    item: NDArray[np.int64]
    """The assignment: a person's answers to the steps of one item share it."""
    rater: NDArray[np.int64]
    step: NDArray[np.int64]
    kind: NDArray[np.int64]
    """Place in KINDS."""
    origin: NDArray[np.int64]
    """Place in ORIGINS."""
    preference: NDArray[np.int64]
    """-3 to 3 in canonical order, NO_SIDE where none was said."""
    both_bad: NDArray[np.bool_]
    first: NDArray[np.int64]
    """The position that was shown first; -1 where nobody knows."""
    at: NDArray[np.int64]
    """Seconds since 1970."""

    def __len__(self) -> int:
        return int(self.pk.size)

    def where(self, chosen: NDArray[Any]) -> "Answers":
        return replace(self, **{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


COLUMNS = [Column(one.name, "bool" if one.name == "both_bad" else "int") for one in fields(Answers)]


def kinds_of(builder: Builder, recipe: BuildDatasetSpec) -> tuple[str, ...]:
    """The kinds that are read: those that the recipe names among the builder's, or else what is usual for it."""
    if recipe.kinds:
        return tuple(kind for kind in KINDS if kind in builder.kinds and kind in recipe.kinds)
    usual = [kind for kind in KINDS if kind in builder.kinds]
    if builder.reads == "decisions" and not builder.derived and set(usual) & set(COMPARED):
        usual = [kind for kind in usual if kind not in DERIVED]
    return tuple(usual)


def in_general(builder: Builder) -> bool:
    """Whether its rows say which response is better in general, which items with a criterion of their own do not."""
    return builder.reads == "decisions" and not builder.criteria


def read_answers(
    project: Project, kinds: Sequence[str], *, compares: bool, two_prompts: bool = False, tasks: Sequence[int] = ()
) -> Answers:
    """Current answers to finished items whose right answer is not known. Of some tasks only where `tasks` are given."""
    sql, values = current_answers(project, kinds, compares=compares, two_prompts=two_prompts, tasks=tasks)
    found = Answers(**read(sql, COLUMNS, **values))
    return found.where(np.lexsort((found.pk, found.task)))


def current_answers(
    project: Project, kinds: Sequence[str], *, compares: bool, two_prompts: bool, tasks: Sequence[int] = ()
) -> tuple[str, dict[str, Any]]:
    """The query for COLUMNS, and its values.

    Turns of chats count, the chats around them do not. With `compares`, items with a criterion of their own stay out:
    they do not say which response is better in general.
    """
    where = ["f.project_id = %(project)s", "f.withdrawn_at IS NULL", "a.status = %(submitted)s",
             "f.kind = ANY(%(kinds)s)",
             "t.purpose = ANY(%(purposes)s)", "(f.kind <> 'chat' OR t.purpose = %(turn)s)"]  # fmt: skip
    where += ["t.criterion = ''"] if compares else []
    where += [] if two_prompts else ["NOT t.two_prompts"]
    where += ["f.task_id = ANY(%(tasks)s)"] if len(tasks) else []
    sql = f"""
        SELECT f.id, f.task_id, t.prompt_id, f.assignment_id, f.annotator_id, f.step,
            array_position(%(all_kinds)s::text[], f.kind::text) - 1,
            array_position(%(origins)s::text[], f.origin::text) - 1,
            coalesce(f.preference, {NO_SIDE}),
            -- null where the kind has no such word
            f.preference IS NULL AND coalesce(f.value->'both_bad' = 'true'::jsonb, false),
            CASE WHEN f.value ? 'order_unknown' THEN -1 ELSE coalesce((f."order"->>0)::int, -1) END,
            extract(epoch FROM f.created_at)
        FROM {Feedback._meta.db_table} f
        JOIN {Task._meta.db_table} t ON t.id = f.task_id
        JOIN {Assignment._meta.db_table} a ON a.id = f.assignment_id
        WHERE {" AND ".join(where)}"""
    return sql, {
        "project": project.pk, "submitted": Assignment.Status.SUBMITTED.value, "kinds": list(kinds),
        "all_kinds": list(KINDS), "origins": list(ORIGINS), "turn": Task.Purpose.TURN.value, "tasks": list(tasks),
        "purposes": [Task.Purpose.WORK.value, Task.Purpose.TURN.value],
    }  # fmt: skip


@dataclass
class Asking:
    """What the filters ask the database: about people once, about prompts and items of all or of a window alone."""

    project: Project
    recipe: BuildDatasetSpec
    narrow: bool = False
    """Whether prompts and items are asked for by the ids of a window."""

    @cached_property
    def gold(self) -> dict[int, tuple[int, int]]:
        return known_right(self.project)

    @cached_property
    def people(self) -> NDArray[np.int64]:
        return people(self.project, self.recipe.annotators)

    @cached_property
    def gone(self) -> list[int]:
        return withdrawn(self.project)

    @cached_property
    def has_pictures(self) -> bool:
        return Image.objects.filter(project=self.project).exists()

    def pictured(self, prompts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Prompts that nobody can answer who does not see the picture: no row holds one."""
        return self.are(prompts, "SELECT id FROM annotate_prompt WHERE project_id = %(project)s "
                        "AND image_id IS NOT NULL", "id", [])  # fmt: skip

    def in_languages(self, prompts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self.are(prompts, "SELECT id FROM annotate_prompt WHERE project_id = %(project)s "
                        "AND lang = ANY(%(names)s)", "id", self.recipe.languages)  # fmt: skip

    def tagged(self, prompts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self.are(prompts, "SELECT id FROM annotate_prompt WHERE project_id = %(project)s "
                        "AND tags ?| %(names)s", "id", self.recipe.tags)  # fmt: skip

    def of_runs(self, tasks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tasks that show a response of one of the runs."""
        return self.are(tasks, "SELECT DISTINCT tr.task_id FROM annotate_taskresponse tr "
                        "JOIN annotate_response r ON r.id = tr.response_id JOIN registry_job j ON j.id = r.job_id "
                        "WHERE j.project_id = %(project)s AND j.name = ANY(%(names)s)",
                        "tr.task_id", self.recipe.rounds)  # fmt: skip

    def are(self, which: NDArray[np.int64], sql: str, column: str, names: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each of these ids is in the answer to the query."""
        only = np.unique(which).tolist() if self.narrow else []
        if self.narrow:
            sql += f" AND {column} = ANY(%(only)s)"
        return np.isin(which, ids(sql, project=self.project.pk, names=list(names), only=only))


def take(asking: Asking, funnel: Funnel, *, answers: Answers, kinds: Sequence[str]) -> Answers:
    """The answers that pass every filter of the recipe, counted filter by filter."""
    recipe = asking.recipe
    funnel.start("answers", f"current answers of the kind {' or '.join(kinds)}" if kinds else "answers", len(answers))
    if len(recipe.origins) < len(ORIGINS):
        keep = np.isin(answers.origin, [ORIGINS.index(one) for one in recipe.origins])
        answers = answers.where(keep)
        words = " and ".join(ORIGIN_WORDS[one] for one in ORIGINS if one in recipe.origins)
        funnel.keep("origins", f"of {words}", len(answers), why="given by others")
    if asking.has_pictures:
        answers = answers.where(~asking.pictured(answers.prompt))
        funnel.keep("pictures", "on prompts without a picture", len(answers), why="rows hold texts alone")
    if recipe.languages:
        answers = answers.where(asking.in_languages(answers.prompt))
        funnel.keep("languages", f"in {', '.join(recipe.languages)}", len(answers), why="in other languages")
    if recipe.tags:
        answers = answers.where(asking.tagged(answers.prompt))
        funnel.keep("tags", f"tagged {', '.join(recipe.tags)}", len(answers), why="prompts without such a tag")
    if recipe.rounds:
        answers = answers.where(asking.of_runs(answers.task))
        funnel.keep("rounds", f"on responses of {', '.join(recipe.rounds)}", len(answers), why="of other sample runs")
    if recipe.since or recipe.until:
        answers = answers.where(between(answers.at, recipe.since, recipe.until))
        funnel.keep("dates", days(recipe), len(answers), why="given on other days")
    if recipe.annotators:
        answers = answers.where(np.isin(answers.rater, asking.people))
        funnel.keep("annotators", chosen(len(recipe.annotators)), len(answers), why="by other people")
    if recipe.minimum_gold_accuracy > 0:
        good = [
            pk for pk, (right, known) in asking.gold.items() if right >= recipe.minimum_gold_accuracy * known - 1e-9
        ]
        answers = answers.where(np.isin(answers.rater, good))
        funnel.keep(
            "gold", f"by raters right on {recipe.minimum_gold_accuracy:.0%} of known answers or more", len(answers),
            why="raters below it, or never asked one",
        )  # fmt: skip
    if asking.gone:
        answers = answers.where(~np.isin(answers.rater, asking.gone))
        funnel.keep("consent", "of people who consent", len(answers), why="consent was withdrawn")
    return answers


def votes_of(answers: Answers) -> Answers:
    """The answers that decide a pair: one of each person and item, sorted by task and answer.

    Of two comparisons in one protocol ("more helpful?", "safer?") the first is the one that is asked in general; a
    comparison comes before a preference that follows from a ranking or from ratings.
    """
    says = (answers.preference != NO_SIDE) | answers.both_bad
    asked = answers.where(says & (answers.kind < 4))
    order = np.lexsort((asked.step, np.maximum(asked.kind, 1), asked.item))
    _, at = np.unique(asked.item[order], return_index=True)
    kept = asked.where(order[at])
    return kept.where(np.lexsort((kept.pk, kept.task)))


def enough_raters(answers: Answers, minimum: int) -> NDArray[np.bool_]:
    """Whether the answer's task has so many raters. (answers,)"""
    pairs = np.unique(np.stack([answers.task, answers.rater]), axis=1)
    tasks, raters = np.unique(pairs[0], return_counts=True)
    many: NDArray[np.bool_] = (raters >= minimum)[np.searchsorted(tasks, answers.task)]
    return many


# --- What the filters ask the database ------------------------------------------------------------------------------


def ids(sql: str, **values: Any) -> NDArray[np.int64]:
    return read(sql, [Column("id", "int")], **values)["id"]


def runs(project: Project, names: Sequence[str]) -> NDArray[np.int64]:
    return ids("SELECT id FROM registry_job WHERE project_id = %(project)s AND name = ANY(%(names)s)",
               project=project.pk, names=list(names))  # fmt: skip


def chosen(many: int) -> str:
    """No names: the funnel is frozen into the card and the README, which leave the house."""
    return f"by {many:,} chosen {'person' if many == 1 else 'people'}"


def people(project: Project, names: Sequence[str]) -> NDArray[np.int64]:
    """By pseudonym, as recipes have them; a recipe that was written by hand may have user names."""
    return ids(
        f"SELECT id FROM accounts_user WHERE ({pseudonyms.sql('id')}) = ANY(%(given)s) OR username = ANY(%(names)s)",
        people_key=pseudonyms.key_of(project.pk), given=[one for one in names if pseudonyms.is_pseudonym(one)],
        names=[one for one in names if not pseudonyms.is_pseudonym(one)],
    )  # fmt: skip


def known_right(project: Project) -> dict[int, tuple[int, int]]:
    """{rater: (right, known)} by first answers: a second one may come from whoever was told the answer."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT f.annotator_id, count(*) FILTER (WHERE f."right"), count(*)
            FROM annotate_feedback f LEFT JOIN annotate_feedback later ON later.supersedes_id = f.id
            WHERE f.project_id = %s AND f."right" IS NOT NULL AND f.supersedes_id IS NULL
                AND (f.withdrawn_at IS NULL OR later.id IS NOT NULL)
            GROUP BY f.annotator_id""",
            [project.pk],
        )
        return {rater: (right, known) for rater, right, known in cursor.fetchall()}


def withdrawn(project: Project) -> list[int]:
    """People who withdrew their consent to the use of their feedback in this project."""
    return list(ConsentWithdrawal.current.filter(project=project).values_list("user_id", flat=True))


def between(at: NDArray[np.int64], since: date | None, until: date | None) -> NDArray[np.bool_]:
    """Whether seconds since 1970 are on these days, both ends included, in UTC."""
    begin = midnight(since) if since else np.iinfo(np.int64).min
    end = midnight(until) + DAY if until else np.iinfo(np.int64).max
    return (at >= begin) & (at < end)


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def days(recipe: BuildDatasetSpec) -> str:
    if recipe.since and recipe.until:
        return f"of {recipe.since} to {recipe.until}"
    return f"since {recipe.since}" if recipe.since else f"until {recipe.until}"
