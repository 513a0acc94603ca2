"""Taking an import back: what it made and nobody has built on goes, in one transaction, by statements over sets.

What was judged here since, frozen into a dataset or referred to in any other way stays, with all that it needs: a task
keeps its answers, an answer its prompt. What refers to what is read from the models, so a new table that points to
answers holds them from its first day. Votes that go are kept as they were in `WithdrawnVote`; raters stay.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import Project, User, record_audit
from annotate.models import Assignment, Feedback, Prompt, Protocol, Response, Task
from exchange.models import Import
from registry.models import Job, ModelVersion

COUNTED = ("prompts", "responses", "tasks", "votes", "models")
NAMED = 5
"""Examples that are named of what stays."""
OWN: dict[type[Model], set[str]] = {
    Feedback: set(),
    Assignment: {"annotate_feedback"},
    Task: {"annotate_taskresponse", "annotate_assignment", "annotate_feedback"},
    Response: {"annotate_taskresponse", "annotate_responseembedding"},
    Prompt: {"annotate_response", "annotate_task"},
}
"""Tables that refer to each, and that an import fills or that go with it. Whatever else refers to it holds it."""
WORDS = {
    "annotate_datasetfeedback": "votes in a dataset",
    "annotate_sentback": "votes that a reviewer sent back",
    "annotate_verdict": "items with a verdict",
    "annotate_task": "items of a chat",
    "annotate_responsescore": "answers with a score of a reward model",
    "evaluate_judgement": "answers that a model judged",
}
FOUND = """
CREATE TEMP TABLE took_task ON COMMIT DROP AS
    SELECT id, prompt_id FROM annotate_task
    WHERE id BETWEEN %(task_low)s AND %(task_high)s AND created_at = %(at)s AND project_id = %(project)s
    ORDER BY id {lock};
CREATE TEMP TABLE took_assignment ON COMMIT DROP AS
    SELECT a.id, a.task_id FROM annotate_assignment a JOIN annotate_task t ON t.id = a.task_id
    WHERE a.id BETWEEN %(assignment_low)s AND %(assignment_high)s AND a.created_at = %(at)s
    AND t.project_id = %(project)s {lock_assignment};
CREATE TEMP TABLE took_prompt ON COMMIT DROP AS
    SELECT id FROM annotate_prompt
    WHERE id BETWEEN %(prompt_low)s AND %(prompt_high)s AND created_at = %(at)s AND project_id = %(project)s {lock};
CREATE TEMP TABLE took_response ON COMMIT DROP AS
    SELECT r.id, r.prompt_id FROM annotate_response r JOIN annotate_prompt p ON p.id = r.prompt_id
    WHERE r.id BETWEEN %(response_low)s AND %(response_high)s AND r.created_at = %(at)s
    AND p.project_id = %(project)s {lock_response};
CREATE TEMP TABLE took_feedback ON COMMIT DROP AS
    SELECT f.id, f.assignment_id FROM annotate_feedback f JOIN took_assignment a ON a.id = f.assignment_id
    WHERE f.id BETWEEN %(feedback_low)s AND %(feedback_high)s;
"""
TABLES = ("task", "assignment", "prompt", "response", "feedback")
WITHDRAW = """
INSERT INTO exchange_withdrawnvote (made_id, annotator_id, prompt_key, said, withdrawn_at)
    SELECT %(import)s, f.annotator_id, p.key, to_jsonb(f), %(now)s FROM annotate_feedback f
    JOIN took_feedback USING (id) JOIN annotate_task t ON t.id = f.task_id JOIN annotate_prompt p ON p.id = t.prompt_id
"""
RECOUNT = """
UPDATE annotate_task t SET wanted = wanted - n, claimed = claimed - n, answered = answered - n
    FROM (SELECT task_id, count(*) AS n FROM took_assignment a
          WHERE NOT EXISTS (SELECT 1 FROM took_task k WHERE k.id = a.task_id) GROUP BY task_id) AS less
    WHERE t.id = less.task_id
"""
STEPS = (
    ("Keeping the votes aside", WITHDRAW),
    ("Counting raters of items that stay", RECOUNT),
    ("Removing votes", "DELETE FROM annotate_feedback x USING took_feedback k WHERE k.id = x.id"),
    ("Removing votes", "DELETE FROM annotate_assignment x USING took_assignment k WHERE k.id = x.id"),
    ("Removing items", "DELETE FROM annotate_taskresponse x USING took_task k WHERE k.id = x.task_id"),
    ("Removing items", "DELETE FROM annotate_task x USING took_task k WHERE k.id = x.id"),
    ("Removing answers", "DELETE FROM annotate_responseembedding x USING took_response k WHERE k.id = x.response_id"),
    ("Removing answers", "DELETE FROM annotate_response x USING took_response k WHERE k.id = x.id"),
    ("Removing prompts", "DELETE FROM annotate_prompt x USING took_prompt k WHERE k.id = x.id"),
)
"""What is done, in words and in SQL: those that refer before those that are referred to."""
STAGES = len(STEPS) + 3
Tell = Callable[[str], None]
Progress = Callable[[int, int, str], None]
"""(stages done, stages in all, what it is at); may raise, and then nothing has changed."""


class Holds(ValueError):
    """The import stays as it is; the message names what holds it."""


@dataclass
class TakenBack:
    """What goes, or went, and what stays."""

    prompts: int = 0
    responses: int = 0
    tasks: int = 0
    votes: int = 0
    models: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    """Why, in words -> how many things of the import are held by that."""
    kept_prompts: int = 0
    kept_keys: list[str] = field(default_factory=list)
    """Keys of the first NAMED prompts that stay."""
    datasets: list[str] = field(default_factory=list)
    """The first NAMED datasets that hold votes."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def after(self, made: Import) -> "TakenBack":
        """With what went the time before."""
        gone = {name: getattr(self, name) + made.taken_back.get(name, 0) for name in COUNTED}
        return replace(self, **gone)

    @property
    def nothing(self) -> bool:
        return not (self.prompts or self.responses or self.tasks or self.votes)

    @property
    def reasons(self) -> list[str]:
        """What stays and why, a line each."""
        found = [f"{count:,} {words}" for words, count in self.kept.items()]
        if self.datasets:
            found.append(f"held by {', '.join(self.datasets)}")
        return found


# --- The two acts -----------------------------------------------------------------------------------------------


def look(made: Import) -> TakenBack:
    """What `take_back` would do. Nothing changes, nobody waits. Raises Holds."""
    with transaction.atomic():
        check_free(made)
        found = chosen(made, lock=False, tell=unheard)
        drop()
    check_something(made, found)
    return found


def take_back(
    made: Import, user: User | None, *, job: Job | None = None, progress: Progress | None = None
) -> TakenBack:
    """Raises Holds with a sentence; then nothing has changed. `job` is the one that does it, where one does."""
    done = itertools.count(0)

    def tell(words: str) -> None:
        if progress:
            progress(next(done), STAGES, words)

    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=made.project_id)
        made = Import.objects.select_for_update().get(pk=made.pk)
        check_free(made, but=job)
        found = chosen(made, lock=True, tell=tell)
        check_something(made, found)
        now = timezone.now()
        with trusted():
            for words, statement in STEPS:
                tell(words)
                run(statement, {"import": made.pk, "now": now})
        tell("Removing models without weights")
        found.models = drop_models(made)
        Protocol.objects.filter(project=made.project, name__startswith="imported-", tasks=None).delete()
        drop()
        Import.objects.filter(pk=made.pk).update(
            taken_back_at=now, taken_back_by=user,
            taken_back={**found.after(made).as_json(), "job": job.pk if job else None},
        )  # fmt: skip
        record_audit(
            actor=user, action="import.taken_back", project=made.project, target=made.filename[:200],
            number=made.pk, **found.as_json(),
        )  # fmt: skip
        # A job that begins now could read what is about to go: none can be made until this is done.
        Project.objects.select_for_update().get(pk=made.project_id)
        check_free(made, but=job)
    return found


def unheard(words: str) -> None:
    """For who does not wait to be told."""


def check_something(made: Import, found: TakenBack) -> None:
    """Raises Holds where nothing can go. What stayed the first time can go later, when nothing holds it any more."""
    if not found.nothing:
        return
    if found.reasons:
        raise Holds(f"Nothing of {made.filename} can be taken back: {'; '.join(found.reasons)}.")
    if made.taken_back_at:
        raise Holds(f"{made.filename} was taken back already, on {made.taken_back_at:%Y-%m-%d at %H:%M}.")
    raise Holds(f"{made.filename} brought nothing new, so there is nothing to take back.")


def check_free(made: Import, *, but: Job | None = None) -> None:
    """Raises Holds where a job may be reading it; `but` is the one that takes it back."""
    busy = Job.objects.filter(project=made.project).exclude(status__in=Job.FINISHED).order_by("pk")
    busy = busy.exclude(pk=but.pk) if but else busy
    if names := [one.name for one in busy[: NAMED + 1]]:
        listed = ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")
        raise Holds(
            f"{listed} may be reading what came in. Wait until it is done or stop it, then take the import back."
        )


# --- What goes --------------------------------------------------------------------------------------------------


def chosen(made: Import, *, lock: bool, tell: Tell) -> TakenBack:
    """Fill the took_ tables with what nobody has built on. With `lock` whoever would build on it now has to wait."""
    params: dict[str, Any] = {"at": made.at, "project": made.project_id}
    for table in TABLES:
        low, high = made.spans.get(table, (0, 0))
        params |= {f"{table}_low": low, f"{table}_high": high}
    rows = {"lock": "", "lock_assignment": "", "lock_response": ""}
    if lock:
        rows = {"lock": "FOR UPDATE", "lock_assignment": "FOR UPDATE OF a", "lock_response": "FOR UPDATE OF r"}
    tell("Finding its rows")
    for statement in filter(str.strip, FOUND.format(**rows).split(";")):
        run(statement, params)
    for table in TABLES:
        run(f"CREATE INDEX ON took_{table} (id)")
        run(f"ANALYZE took_{table}")
    tell("Looking for what somebody has built on")
    found = TakenBack(datasets=datasets())
    keep_what_is_held(found)
    found.prompts, found.responses, found.tasks = (size(f"took_{name}") for name in ("prompt", "response", "task"))
    found.votes = size("took_assignment")
    name_what_stays(found, params)
    return found


def keep_what_is_held(found: TakenBack) -> None:
    """From votes up to prompts: each step keeps what the step before needs."""
    for table, column, words in holders(Feedback):
        hold(found, "assignment", words, f"JOIN took_feedback f ON f.assignment_id = k.id JOIN {table} x "
             f"ON x.{column} = f.id")  # fmt: skip
    for table, column, words in holders(Assignment):
        hold(found, "assignment", words, f"JOIN {table} x ON x.{column} = k.id")
    verdict = "JOIN annotate_verdict x ON x.task_id = k.task_id"
    hold(found, "assignment", "votes under a verdict", verdict)
    run("DELETE FROM took_feedback f WHERE NOT EXISTS (SELECT 1 FROM took_assignment k WHERE k.id = f.assignment_id)")

    for table, column, words in holders(Task):
        hold(found, "task", words, f"JOIN {table} x ON x.{column} = k.id")
    hold(found, "task", "items that were made known answers",
         "JOIN annotate_task x ON x.id = k.id AND (x.purpose <> 'work' OR x.gold IS NOT NULL)")  # fmt: skip
    others = "JOIN annotate_assignment x ON x.task_id = k.id WHERE NOT EXISTS "
    hold(found, "task", "items that somebody judged here or is judging, or whose votes stay",
         others + "(SELECT 1 FROM took_assignment a WHERE a.id = x.id)")  # fmt: skip

    for table, column, words in holders(Response):
        hold(found, "response", words, f"JOIN {table} x ON x.{column} = k.id")
    hold(found, "response", "answers of items that stay",
         "JOIN annotate_taskresponse x ON x.response_id = k.id WHERE NOT EXISTS "
         "(SELECT 1 FROM took_task t WHERE t.id = x.task_id)")  # fmt: skip

    for table, column, words in holders(Prompt):
        hold(found, "prompt", words, f"JOIN {table} x ON x.{column} = k.id")
    hold(found, "prompt", "prompts with items that stay",
         "JOIN annotate_task x ON x.prompt_id = k.id WHERE NOT EXISTS "
         "(SELECT 1 FROM took_task t WHERE t.id = x.id)")  # fmt: skip
    hold(found, "prompt", "prompts with other answers",
         "JOIN annotate_response x ON x.prompt_id = k.id WHERE NOT EXISTS "
         "(SELECT 1 FROM took_response r WHERE r.id = x.id)")  # fmt: skip


def hold(found: TakenBack, table: str, words: str, joined: str) -> None:
    kept = run(f"DELETE FROM took_{table} d USING (SELECT DISTINCT k.id FROM took_{table} k {joined}) AS held "
               "WHERE held.id = d.id")  # fmt: skip
    if kept:
        found.kept[words] = found.kept.get(words, 0) + kept


def holders(model: type[Model]) -> Iterator[tuple[str, str, str]]:
    """(table, column, what holds in words) of all that refers to a model and is no part of an import."""
    for relation in model._meta.related_objects:
        other = relation.related_model._meta
        if not relation.many_to_many and other.db_table not in OWN[model]:
            words = WORDS.get(other.db_table, f"rows with {other.verbose_name_plural}")
            yield other.db_table, str(relation.field.column), words


def datasets() -> list[str]:
    return [
        f"{name}-v{version}"
        for name, version in rows(
            "SELECT DISTINCT d.name, d.version FROM registry_dataset d JOIN annotate_datasetfeedback x "
            f"ON x.dataset_id = d.id JOIN took_feedback k ON k.id = x.feedback_id ORDER BY 1, 2 LIMIT {NAMED}"
        )
    ]


def name_what_stays(found: TakenBack, params: dict[str, Any]) -> None:
    stays = (
        "FROM annotate_prompt p WHERE id BETWEEN %(prompt_low)s AND %(prompt_high)s AND created_at = %(at)s "
        "AND project_id = %(project)s AND NOT EXISTS (SELECT 1 FROM took_prompt k WHERE k.id = p.id)"
    )
    found.kept_prompts = rows(f"SELECT count(*) {stays}", params)[0][0]
    found.kept_keys = [key for (key,) in rows(f"SELECT key {stays} ORDER BY id LIMIT {NAMED}", params)]


def drop_models(made: Import) -> int:
    """Models without weights that it made and that nothing refers to any more."""
    found = ModelVersion.objects.filter(pk__in=made.model_ids, format=ModelVersion.Format.OUTPUTS)
    for relation in ModelVersion._meta.related_objects:
        if not relation.many_to_many:
            used = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": made.model_ids})
            found = found.exclude(pk__in=used.values(relation.field.attname))
    return found.delete()[0]


# --- The database -----------------------------------------------------------------------------------------------


@contextmanager
def trusted() -> Iterator[None]:
    """As an import does: that nothing refers to the rows was settled for all, and need not be looked up for each."""
    may = rows("SELECT has_parameter_privilege(current_user, 'session_replication_role', 'SET')")[0][0]
    if may:
        run("SET LOCAL session_replication_role = replica")
    yield
    if may:
        run("SET LOCAL session_replication_role = origin")


def run(sql: str, params: Any = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def rows(sql: str, params: Any = None) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def size(table: str) -> int:
    return int(rows(f"SELECT count(*) FROM {table}")[0][0])


def drop() -> None:
    """Also within a transaction around ours, which would keep them."""
    run(f"DROP TABLE {', '.join(f'took_{name}' for name in TABLES)}")
