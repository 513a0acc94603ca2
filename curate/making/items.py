"""Items with their texts, in the order of a plan. Reads a window of items at a time: memory does not grow with them."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, overload

import numpy as np
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from numpy.typing import NDArray

from annotate.models import Rubric
from curate.builders.base import Candidate, Decision, Item, Said, Tools
from curate.making.plan import Asked, Plan
from curate.making.source import ORIGINS
from curate.making.tokens import Tokens, tokens_of

WINDOW = 250


def items(
    parts: Iterable[Plan], which: NDArray[np.int64] | None = None
) -> "Generator[tuple[Window, list[Item]], None, None]":
    """The items of the parts of a plan, a list a window; of its only part those at these places."""
    windows = windows_of(parts, which)

    def read() -> "tuple[Window, list[Item]] | None":
        window = next(windows, None)
        return None if window is None else (window, window.items())

    # The database looks for the next window while rows are made of this one.
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.inc_thread_sharing()
    try:
        with ThreadPoolExecutor(1, initializer=share, initargs=(wrapper,)) as thread:
            found = thread.submit(read).result()
            while found:
                coming = thread.submit(read)
                yield found
                found = coming.result()
    finally:  # also when the reader stops early: the thread has ended by now
        windows.close()
        wrapper.dec_thread_sharing()


def windows_of(parts: Iterable[Plan], which: NDArray[np.int64] | None) -> "Generator[Window, None, None]":
    names = model_names()
    for part in parts:
        places = np.arange(len(part)) if which is None else which
        for first in range(0, places.size, WINDOW):
            yield Window(part, places[first : first + WINDOW], names)


def share(wrapper: BaseDatabaseWrapper) -> None:
    """Let this thread ask by another's connection, in its transaction: psycopg lets one statement run at a time."""
    connections[DEFAULT_DB_ALIAS] = wrapper


def tools_of(plan: Asked, drop: Callable[[str], None]) -> Tools:
    """The tokenizer is loaded when a builder first asks for it."""
    found: list[Tokens] = []

    def tokens() -> Tokens:
        if not found:
            found.append(tokens_of(plan.project, plan.recipe.tokenizer))
        return found[0]

    tools = Tools(plan.recipe, plan.options, drop, lambda text: tokens().ids(text), rubrics=rubrics_of(plan))
    if plan.builder.row.slug == "edit":
        tools.tokenizer_name, tools.eos = tokens().name, tokens().eos
    return tools


def rubrics_of(plan: Asked) -> dict[tuple[str, int], dict[str, Any]]:
    if "rubric" not in plan.builder.kinds and "critique" not in plan.builder.kinds:
        return {}
    return {
        (one.name, one.version): {"title": one.title, "dimensions": one.dimensions}
        for one in Rubric.objects.filter(project=plan.project)
    }


def model_names() -> dict[int, str]:
    with connection.cursor() as cursor:
        # By project and not by the responses, which may be many; imported ones may be models of others.
        cursor.execute("SELECT id, name FROM registry_modelversion")
        return dict(cursor.fetchall())


class Later(Sequence[Any]):
    """A sequence that is read from the database when somebody looks at it: most builders never do."""

    __slots__ = ("load",)

    def __init__(self, load: Callable[[], Sequence[Any]]) -> None:
        self.load = load

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        return self.load()[at]

    def __len__(self) -> int:
        return len(self.load())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.load())


class Window:
    """Some items and what belongs to them, each table asked at most once."""

    def __init__(self, plan: Plan, places: NDArray[np.int64], names: dict[int, str]) -> None:
        self.plan, self.places, self.names = plan, places, names
        self.tasks = plan.task[places]
        self.said: dict[int, list[Said]] | None = None
        self.protocol: dict[int, list[Any]] | None = None

    def items(self) -> list[Item]:
        plan = self.plan
        prompts = self.prompts()
        scored = plan.builder.reads == "scores"
        tasks = {} if scored else self.of_tasks()
        shown = self.candidates(prompts)
        found = []
        pks = plan.prompts.pk[plan.prompt[self.places]].tolist()
        for pk, task, decisions in zip(pks, self.tasks.tolist(), self.decisions(), strict=True):
            key, lang, messages, tags = prompts[pk]
            criterion, two_prompts, stepped = tasks.get(task, ("", False, False))
            found.append(
                Item(
                    0 if scored else task, key, lang, messages, shown.get(task, []),
                    Later(lambda task=task: self.answers().get(task, [])), criterion, two_prompts, tags,  # type: ignore[misc]
                    decisions, Later(lambda task=task: self.steps().get(task, [])) if stepped else (),  # type: ignore[misc]
                )
            )  # fmt: skip
        return found

    def of_tasks(self) -> dict[int, tuple[str, bool, bool]]:
        rows = ask("SELECT id, criterion, two_prompts, protocol_id IS NOT NULL FROM annotate_task WHERE id = ANY(%s)",
                   self.tasks.tolist())  # fmt: skip
        return {pk: (criterion, two, stepped) for pk, criterion, two, stepped in rows}

    def prompts(self) -> dict[int, tuple[str, str, list[Any], list[str]]]:
        pks = np.unique(self.plan.prompts.pk[self.plan.prompt[self.places]]).tolist()
        rows = ask("SELECT id, key, lang, messages, tags FROM annotate_prompt WHERE id = ANY(%s)", pks)
        return {pk: (key, lang, parsed(messages), parsed(tags)) for pk, key, lang, messages, tags in rows}

    def candidates(self, prompts: dict[int, Any]) -> dict[int, list[Candidate]]:
        """By task, in canonical order; by prompt where the builder reads scores."""
        columns = "r.id, r.text, r.finish_reason, r.model_id, r.seed, r.job_id, r.prompt_id"
        if self.plan.builder.reads == "scores":
            assert self.plan.scorer is not None
            rounds = (
                ""
                if not self.plan.recipe.rounds
                else "AND r.job_id IN (SELECT id FROM registry_job WHERE name = ANY(%s))"
            )
            rows = ask(
                f"SELECT r.prompt_id, {columns}, s.score FROM annotate_responsescore s JOIN annotate_response r ON "
                f"r.id = s.response_id WHERE r.prompt_id = ANY(%s) AND s.model_id = %s {rounds} "
                "ORDER BY r.prompt_id, r.setting, r.sample, r.id",
                self.tasks.tolist(), self.plan.scorer.pk, *([self.plan.recipe.rounds] if rounds else []),
            )  # fmt: skip
        else:
            rows = ask(
                f"SELECT tr.task_id, {columns}, NULL FROM annotate_taskresponse tr JOIN annotate_response r ON "
                "r.id = tr.response_id WHERE tr.task_id = ANY(%s) ORDER BY tr.task_id, tr.position",
                self.tasks.tolist(),
            )
        scores = self.scores([row[1] for row in rows])
        vectors = self.embeddings([row[1] for row in rows]) if self.plan.builder.embeddings else {}
        own = self.own_prompts({row[7] for row in rows} - prompts.keys()) if self.plan.builder.two_prompts else {}
        rounds_wanted, names = self.plan.builder.rounds, self.names
        found: dict[int, list[Candidate]] = {}
        for task, pk, text, ended, model, seed, job, prompt, score in rows:
            found.setdefault(task, []).append(
                Candidate(
                    pk, text, names.get(model, ""), ended == "stop",
                    (own.get(prompt) or prompts[prompt][2]) if self.plan.builder.two_prompts else None,
                    scores.get(pk, score), seed, vectors.get(pk), (job or 0) if rounds_wanted else 0,
                )
            )  # fmt: skip
        return found

    def own_prompts(self, pks: set[int]) -> dict[int, list[Any]]:
        rows = ask("SELECT id, messages FROM annotate_prompt WHERE id = ANY(%s)", sorted(pks)) if pks else []
        return {pk: parsed(messages) for pk, messages in rows}

    def scores(self, responses: list[int]) -> dict[int, float]:
        if self.plan.scorer is None or self.plan.builder.reads == "scores":
            return {}
        sql = "SELECT response_id, score FROM annotate_responsescore WHERE response_id = ANY(%s) AND model_id = %s"
        return dict(ask(sql, responses, self.plan.scorer.pk))

    def embeddings(self, responses: list[int]) -> dict[int, list[float]]:
        rows = ask(
            "SELECT response_id, vector::text FROM annotate_responseembedding WHERE response_id = ANY(%s)", responses
        )
        return {pk: json.loads(vector) for pk, vector in rows}

    def decisions(self) -> list[list[Decision]]:
        """Of each item, in the window's order."""
        decided, votes = self.plan.decided, self.plan.votes
        if decided is None or votes is None:
            return [[] for _ in range(self.tasks.size)]
        first = np.searchsorted(decided.task, self.tasks)
        many = np.searchsorted(decided.task, self.tasks, side="right") - first
        made = decided.decisions(np.repeat(first, many) + ranges(many), votes)
        ends = np.cumsum(many).tolist()
        return [made[end - size : end] for end, size in zip(ends, many.tolist(), strict=True)]

    def raters(self) -> dict[int, int]:
        """Of each answer that is taken, who gave it."""
        taken = self.plan.answers
        here = np.isin(taken.task, self.tasks)
        return dict(zip(taken.pk[here].tolist(), taken.rater[here].tolist(), strict=True))

    def answers(self) -> dict[int, list[Said]]:
        if self.said is None:
            taken = self.plan.answers
            wanted = taken.pk[np.isin(taken.task, self.tasks)]
            rows = ask(
                'SELECT id, task_id, annotator_id, kind, step, value, preference, "order", origin, comment '
                "FROM annotate_feedback WHERE id = ANY(%s) ORDER BY task_id, step, created_at, id",
                wanted.tolist(),
            )
            self.said = {}
            for pk, task, rater, kind, step, value, preference, order, origin, comment in rows:
                self.said.setdefault(task, []).append(
                    Said(pk, rater, kind, step, parsed(value), preference, parsed(order), origin == ORIGINS[1], comment)
                )
        return self.said

    def steps(self) -> dict[int, list[Any]]:
        if self.protocol is None:
            rows = ask("SELECT t.id, p.steps FROM annotate_task t JOIN annotate_protocol p ON p.id = t.protocol_id "
                       "WHERE t.id = ANY(%s)", self.tasks.tolist())  # fmt: skip
            self.protocol = {task: parsed(steps) for task, steps in rows}
        return self.protocol


def ranges(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, .., up to each size, one after the other: 2, 3 -> 0, 1, 0, 1, 2."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return cursor.fetchall()


def parsed(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored
