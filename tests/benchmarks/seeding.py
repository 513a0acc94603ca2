"""Projects as large as the figures of annotating name them, made in the database in about a minute.

Rows are made by `INSERT ... SELECT` from `generate_series`. A column that is not named here gets the field's default,
so that a new column with a default needs no change here; a required one without a default is named in the error.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, models, transaction
from django.db.models import NOT_PROVIDED, Max

from accounts.models import Membership, Project, User
from annotate.models import Assignment, Feedback, Prompt, Response, Task, TaskResponse

LANGUAGES = ("en", "de", "ja", "ar")
PAST_ANNOTATORS = 30
"""Who gave the answers that are there before anything is measured."""
PEOPLE = 200
"""Past annotators and as many new ones as the largest load needs."""
DAYS = 28
RESPONSES_A_PROMPT = 8
MOST_RESPONSES = 200_000
BODIES = 50
LETTERS = 600

SENTENCES = {
    "en": (
        "Soak the beans in plenty of cold water **overnight**, then rinse them.",
        "Add the salt only at the end, or the skins stay tough; `2 g` a litre is enough.",
        "If you forgot to soak them, bring them to the boil once and let them stand for an hour.",
        "They are done when one can be crushed between tongue and palate.",
    ),
    "de": (
        "Die Bohnen **über Nacht** in reichlich kaltem Wasser einweichen und danach abspülen.",
        "Das Salz kommt erst am Ende dazu, sonst bleiben die Schalen zäh; `2 g` je Liter genügen.",
        "Wer das Einweichen vergessen hat, kocht sie einmal auf und lässt sie eine Stunde stehen.",
    ),
    "ja": (
        "豆はたっぷりの冷たい水に**一晩**浸し、そのあとよく洗います。",
        "塩は最後に加えます。早く入れると皮が硬いままです。一リットルに`2 g`で足ります。",
        "浸し忘れたときは一度沸騰させ、火を止めて一時間そのまま置いてください。",
    ),
    "ar": (
        "انقع الفاصولياء في ماء بارد وفير **طوال الليل** ثم اشطفها جيدا.",
        "أضف الملح في النهاية فقط وإلا بقيت القشور قاسية، ويكفي `2 g` لكل لتر.",
        "إذا نسيت النقع فاغلها مرة واحدة واتركها ساعة كاملة.",
    ),
}


@dataclass(frozen=True)
class Seeded:
    """A project of the benchmark and who works in it; `people` starts with those that have answered before."""

    project: Project
    people: list[User]
    researcher: User
    tasks: int


def seed(*, slug: str, tasks: int, answers: int) -> Seeded:
    """A project with that many tasks and current answers; one of that name that is there already is taken as it is.

    Tasks want 1 to 3 raters and show 2 of a prompt's responses. The answers are those of the first tasks in the order
    of the queue: most are finished, the last fifth of the answers left their tasks open for others.
    """
    began = time.monotonic()
    people, researcher = make_people()
    known = Project.objects.filter(slug=slug).first()
    project = known or Project.objects.create(
        name=f"{tasks:,} tasks", slug=slug, description="Which answer helps more?", guidelines="Be **fair**."
    )
    Membership.objects.bulk_create(
        [Membership(user=user, project=project, role=Membership.Role.ANNOTATOR) for user in people]
        + [Membership(user=researcher, project=project, role=Membership.Role.RESEARCHER)],
        ignore_conflicts=True,
    )
    if not known:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            # As the embedded server's superuser: six million look-ups of foreign keys would be most of the time.
            cursor.execute("SELECT current_setting('is_superuser')")
            if cursor.fetchone() == ("on",):
                cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("SELECT setseed(0.42)")
            fill(project, tasks=tasks, answers=answers, people=people[:PAST_ANNOTATORS])
    say(f"{slug}: {tasks:,} tasks, {answers:,} answers in {time.monotonic() - began:.0f} s")
    return Seeded(project=project, people=people, researcher=researcher, tasks=tasks)


def settle() -> None:
    """What autovacuum and the checkpointer would do in the minutes after, and so in the middle of what is measured."""
    with connection.cursor() as cursor:
        for model in (Prompt, Response, Task, TaskResponse, Assignment, Feedback, User, Membership):
            cursor.execute(f"VACUUM (ANALYZE) {table(model)}")
        cursor.execute("CHECKPOINT")


def make_people() -> tuple[list[User], User]:
    """No passwords: they sign in by `sessions`."""
    names = [f"bench-{number:03}" for number in range(PEOPLE)]
    wanted = [
        User(username=name, password="!", languages=["en", *({LANGUAGES[number % 4]} - {"en"})])
        for number, name in enumerate(names)
    ]
    User.objects.bulk_create([*wanted, User(username="bench-researcher", password="!")], ignore_conflicts=True)
    return list(User.objects.filter(username__in=names).order_by("username")), User.objects.get(
        username="bench-researcher"
    )


def sessions(users: Sequence[User]) -> list[str]:
    """A signed-in session for each, its key being the cookie: 200 password hashes would take longer than the load."""
    keys = []
    for user in users:
        store = SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        store.create()
        keys.append(str(store.session_key))
    return keys


# --- Rows -------------------------------------------------------------------------------------------------------


def fill(project: Project, *, tasks: int, answers: int, people: Sequence[User]) -> None:
    prompts = max(min(MOST_RESPONSES, tasks) // RESPONSES_A_PROMPT, 1)
    lang = f"(%(langs)s::text[])[1 + n %% {len(LANGUAGES)}]"
    common = {
        "project_id": project.pk,
        "langs": list(LANGUAGES),
        **{f"texts_{code}": texts(code) for code in LANGUAGES},
    }
    body = "CASE " + " ".join(
        f"WHEN n %% {len(LANGUAGES)} = {place} THEN (%(texts_{code})s::text[])[1 + (n + k * 7) %% {BODIES}]"
        for place, code in enumerate(LANGUAGES)
    ) + " END"  # fmt: skip
    first_prompt = insert(
        Prompt, count=prompts, source="SELECT n, 0 AS k FROM generate_series(0, %(count)s - 1) AS n", values=common,
        project_id="%(project_id)s", key="'p-' || n", lang=lang,
        messages=f"jsonb_build_array(jsonb_build_object('role', 'user', 'content', n || '. ' || left({body}, 150)))",
    )  # fmt: skip
    first_response = insert(
        Response, count=prompts * RESPONSES_A_PROMPT, values=common | {"first_prompt": first_prompt},
        source=f"SELECT i / {RESPONSES_A_PROMPT} AS n, i %% {RESPONSES_A_PROMPT} AS k, i "
        "FROM generate_series(0, %(count)s - 1) AS i", row="i",
        prompt_id="%(first_prompt)s + n", text=f"k || '. ' || {body}", setting="'setting-' || k", tokens="150",
    )  # fmt: skip
    priority = "CASE WHEN n %% 50 = 7 THEN 1 ELSE 0 END"
    first_task = insert(
        Task, count=tasks, values=common | {"first_prompt": first_prompt, "prompts": prompts},
        source="SELECT n FROM generate_series(0, %(count)s - 1) AS n",
        project_id="%(project_id)s", kind="'pairwise'", prompt_id="%(first_prompt)s + n %% %(prompts)s",
        # Not n % 3, which would tie the overlap to the prompt.
        wanted="1 + (n / %(prompts)s + n) %% 3", priority=priority, place=f"random() - ({priority})",
        lang=lang.replace("n %%", "(n %% %(prompts)s) %%"),
    )  # fmt: skip
    # Each task of a prompt compares another two of its responses.
    nth, of = "(n / %(prompts)s)", RESPONSES_A_PROMPT
    shown = f"CASE place WHEN 0 THEN {nth} %% {of} ELSE ({nth} + 1 + ({nth} / {of}) %% {of - 1}) %% {of} END"
    insert(
        TaskResponse, count=tasks * 2, row="i",
        values={"first_task": first_task, "first_response": first_response, "prompts": prompts},
        source="SELECT i / 2 AS n, i %% 2 AS place, i FROM generate_series(0, %(count)s - 1) AS i",
        task_id="%(first_task)s + n", position="place",
        response_id=f"%(first_response)s + (n %% %(prompts)s) * {of} + {shown}",
    )  # fmt: skip
    answer(project, answers=answers, people=people)


def answer(project: Project, *, answers: int, people: Sequence[User]) -> None:
    """The first four fifths finish their tasks in the order of the queue, the last fifth is one answer a task."""
    given = f"""
        SELECT row_number() OVER (ORDER BY rank, nth) - 1 AS n, task_id, (rank * 7 + nth) %% %(people)s AS who
        FROM (
            SELECT id AS task_id, rank, generate_series(1, CASE WHEN total <= %(whole)s THEN wanted ELSE 1 END) AS nth
            FROM (
                SELECT id, wanted, row_number() OVER queue AS rank, sum(wanted) OVER queue AS total
                FROM (
                    SELECT id, wanted, place FROM {table(Task)} WHERE project_id = %(project_id)s
                    ORDER BY place, id LIMIT %(count)s
                ) AS soonest WINDOW queue AS (ORDER BY place, id)
            ) AS ranked
        ) AS each ORDER BY rank, nth LIMIT %(count)s"""
    values = {
        "project_id": project.pk, "people": len(people), "users": [user.pk for user in people],
        "whole": answers * 4 // 5, "answers": answers,
    }  # fmt: skip
    user = "(%(users)s::bigint[])[1 + who]"
    moment = f"now() - interval '{DAYS} days' * (1 - n::float / %(answers)s)"
    first_assignment = insert(
        Assignment, count=answers, values=values, source=given,
        task_id="task_id", annotator_id=user, status=f"'{Assignment.Status.SUBMITTED}'", order="'[0, 1]'",
        lease_until=moment, created_at=f"{moment} - interval '40 s'", finished_at=moment,
    )  # fmt: skip
    strength = "(n * 13 %% 7)::int - 3"
    insert(
        Feedback, count=answers, values=values | {"first_assignment": first_assignment}, source=given,
        assignment_id="%(first_assignment)s + n", project_id="%(project_id)s", task_id="task_id", annotator_id=user,
        kind="'pairwise'", origin=f"'{Feedback.Origin.HUMAN}'", order="'[0, 1]'", preference=strength,
        value=f"jsonb_build_object('strength', {strength})", active_ms="(5000 + n * 977 %% 60000)::int",
        idempotency_key="gen_random_uuid()", created_at=moment,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table(Task)} AS task SET claimed = n, answered = n FROM (SELECT task_id, count(*) AS n FROM "
            f"{table(Feedback)} WHERE project_id = %s GROUP BY task_id) AS done WHERE task.id = done.task_id",
            [project.pk],
        )


def insert(
    model: type[models.Model], *, count: int, source: str, values: dict[str, Any], row: str = "n", **columns: str
) -> int:
    """One row of `model` for each row of the query `source`; returns the id of row 0, the others follow it.

    `columns` are SQL expressions by the column's attribute name; all that is not named gets its default.
    """
    first = (model._base_manager.aggregate(last=Max("pk"))["last"] or 0) + 1
    values = {**values, "count": count, "first": first}
    if unknown := set(columns) - {one.attname for one in model._meta.concrete_fields}:
        raise ValueError(
            f"{model.__name__} has no {', '.join(sorted(unknown))} any more: say in {__name__} what it is."
        )
    expressions = {"id": f"%(first)s + {row}"}
    for field in model._meta.concrete_fields:
        if field.attname in columns:
            expressions[field.column] = columns[field.attname]
        elif field.column != "id" and (given := default(field)) is not None:
            values[f"default_{field.column}"] = given(field)
            expressions[field.column] = f"%(default_{field.column})s"
    names = ", ".join(connection.ops.quote_name(name) for name in expressions)
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table(model)} ({names}) SELECT {', '.join(expressions.values())} FROM ({source}) AS source",
            values,
        )
        cursor.execute(f"SELECT setval(pg_get_serial_sequence(%s, 'id'), {first} + %s)", [model._meta.db_table, count])
    say(f"  {count:,} {model._meta.verbose_name_plural}, {time.monotonic() - began:.1f} s")
    return first


def default(field: Any) -> Callable[[Any], Any] | None:
    """What makes the value of a column that nobody named; None where the database fills it, or null may stay."""
    if field.generated or field.db_default is not NOT_PROVIDED:
        return None
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return lambda one: one.get_db_prep_save(one.pre_save(one.model(), add=True), connection)
    if not field.has_default() and field.null:
        return None
    if not field.has_default() and not (field.blank and field.empty_strings_allowed):
        raise ValueError(f"{field.model.__name__}.{field.name} is required: say in {__name__} what it is.")
    return lambda one: one.get_db_prep_save(one.get_default(), connection)


def table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def texts(lang: str) -> list[str]:
    """Answers of about 600 characters in Markdown: a paragraph and a list, no two the same."""
    sentences, found = SENTENCES[lang], []
    for number in range(BODIES):
        turn = [sentences[(number + place) % len(sentences)] for place in range(LETTERS)]
        lines, length = [f"({number}) {turn[0]} {turn[1]}\n"], len(turn[0]) + len(turn[1])
        for sentence in turn[2:]:
            if length >= LETTERS:
                break
            lines.append(f"- {sentence}")
            length += len(sentence)
        found.append("\n".join(lines))
    return found


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
