"""What is known of prompts, responses and items as numbers, so that counting rows needs no text in memory."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from accounts.models import Project
from annotate.models import Prompt, Verdict
from curate.making import near
from curate.making.aggregate import Verdicts
from curate.making.columns import Column, read
from curate.making.source import NO_SIDE

BLANK = r" \t\n\r\f\v"
"""White space at the ends of a text makes no other text, here (SQL) and in `curate.making.dedupe` alike."""
CHUNK = 5_000


@dataclass(frozen=True)
class Responses:
    """Responses by id. All (responses,)."""

    pk: NDArray[np.int64]
    model: NDArray[np.int64]
    """0 for a person, or for nobody known."""
    digest: NDArray[np.int64]
    """Equal for equal texts."""
    chars: NDArray[np.int64]
    """0 for a text of nothing but white space."""
    size: NDArray[np.int64]
    """Bytes."""
    prompt: NDArray[np.int64]

    def at(self, pks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of responses that are there."""
        return np.searchsorted(self.pk, pks)


def responses_of(project: Project, *, only: NDArray[np.int64] | None = None) -> Responses:
    """All of the project, or those of these ids."""
    which = "" if only is None else "AND r.id = ANY(%(only)s)"
    sql = f"""SELECT r.id, coalesce(r.model_id, 0), hashtextextended(btrim(r.text, E'{BLANK}'), 0),
        char_length(btrim(r.text, E'{BLANK}')), octet_length(r.text), r.prompt_id
        FROM annotate_response r JOIN annotate_prompt p ON p.id = r.prompt_id
        WHERE p.project_id = %(project)s {which}"""
    names = ("pk", "model", "digest", "chars", "size", "prompt")
    found = read(sql, [Column(name) for name in names], project=project.pk, only=listed(only))
    order = np.argsort(found["pk"])
    return Responses(**{name: values[order] for name, values in found.items()})


@dataclass(frozen=True)
class Shown:
    """The two responses of items that show two, by item. All (items,)."""

    task: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


def shown_of(project: Project, *, only: NDArray[np.int64] | None = None) -> Shown:
    """Of all items of the project, or of those of these ids."""
    of_project = """SELECT tr.task_id, tr.position, tr.response_id FROM annotate_taskresponse tr
        JOIN annotate_task t ON t.id = tr.task_id WHERE t.project_id = %(project)s"""
    of_some = "SELECT task_id, position, response_id FROM annotate_taskresponse WHERE task_id = ANY(%(only)s)"
    rows = read(
        of_project if only is None else of_some, [Column("task"), Column("position"), Column("response")],
        project=project.pk, only=listed(only),
    )  # fmt: skip
    order = np.lexsort((rows["position"], rows["task"]))
    task, response = rows["task"][order], rows["response"][order]
    tasks, begin, size = np.unique(task, return_index=True, return_counts=True)
    begin = begin[size == 2]
    return Shown(tasks[size == 2], response[begin], response[begin + 1] if begin.size else begin)


@dataclass(frozen=True)
class Places:
    """Some prompts, by id. All (prompts,)."""

    pk: NDArray[np.int64]
    rank: NDArray[np.int64]
    """Place in the order of keys, the same on any machine."""
    order: NDArray[np.int64]
    """By what is written, see `order_of`: the same whatever keys are."""

    def at(self, pks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.pk, pks)


@dataclass(frozen=True)
class Prompts(Places):
    """What of them is the same, and what is near it. All (prompts,)."""

    lang: NDArray[np.int64]
    """Place in `langs`."""
    langs: tuple[str, ...]
    exact: tuple[bytes, ...]
    """Digest of what is written and shown: equal for equal prompts."""
    content: tuple[bytes, ...]
    """The same without case, punctuation, space and the system's turns."""
    words: tuple[NDArray[np.int64], ...]
    """Pairs of neighbouring words, see curate.making.near; those with a picture meet only those with the same one."""
    chat: tuple[str, ...]
    """What is before the slash of a chat's keys; empty for other prompts."""


def prompts_of(pks: Sequence[int] | NDArray[np.int64]) -> Prompts:
    """The prompts of these ids that are there."""
    wanted = np.unique(np.asarray(pks, dtype=np.int64))
    rows: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for first in range(0, wanted.size, CHUNK):
            cursor.execute(
                "SELECT p.id, p.key, p.lang, p.messages, p.origin, coalesce(i.sha256, '') FROM annotate_prompt p "
                "LEFT JOIN annotate_image i ON i.id = p.image_id WHERE p.id = ANY(%s) ORDER BY p.id",
                [wanted[first : first + CHUNK].tolist()],
            )
            rows += [facts_of(*row) for row in cursor.fetchall()]
    pk, key, lang, exact, content, words, chat = zip(*rows, strict=True) if rows else ((),) * 7
    langs = tuple(sorted(set(lang)))
    place = {one: i for i, one in enumerate(langs)}
    rank = np.empty(len(key), dtype=np.int64)
    rank[np.fromiter(sorted(range(len(key)), key=key.__getitem__), dtype=np.int64, count=len(key))] = np.arange(
        len(key)
    )
    return Prompts(
        np.array(pk, dtype=np.int64), rank, order_of(content), np.array([place[one] for one in lang], dtype=np.int64),
        langs, exact, content, words, chat,
    )  # fmt: skip


def order_of(content: Sequence[bytes]) -> NDArray[np.int64]:
    """The first seven bytes of each digest as a number."""
    return np.array([int.from_bytes(one[:7], "big") for one in content], dtype=np.int64)


def facts_of(pk: int, key: str, lang: str, raw: Any, origin: str, image: str) -> tuple[Any, ...]:
    messages = json.loads(raw) if isinstance(raw, str) else raw
    exact = digest(json.dumps([[one["role"], one["content"].strip()] for one in messages]) + image)
    said = [one for one in messages if one["role"] != "system"] or messages
    # A long instruction of the system, the same for all, would make all of them near-duplicates.
    words = near.words("\n".join(one["content"] for one in said))
    plain = " ".join(words) if words else said[-1]["content"].strip()
    pairs = near.shingles(words)
    if image:
        pairs = {hash((image, one)) for one in pairs}
    chat = key.partition("/")[0] if origin == Prompt.Origin.CHAT else ""
    return pk, key, lang, exact, digest(plain + "\0" + image), near.packed(pairs), chat


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def verdicts_of(project: Project, *, only: NDArray[np.int64] | None = None) -> Verdicts:
    """Current ones that pick one of two responses, call them alike, or both bad; on these tasks, or on all."""
    which = "" if only is None else "AND task_id = ANY(%(only)s)"
    table = Verdict._meta.db_table
    rows = read(
        f"""SELECT task_id, coalesce(preference, {NO_SIDE}), preference IS NULL FROM {table}
        WHERE project_id = %(project)s AND withdrawn_at IS NULL
        AND (preference IS NOT NULL OR value->'both_bad' = 'true'::jsonb) {which}""",
        [Column("task"), Column("preference"), Column("both_bad", "bool")], project=project.pk, only=listed(only),
    )  # fmt: skip
    order = np.argsort(rows["task"])
    return Verdicts(**{name: values[order] for name, values in rows.items()})


def listed(only: NDArray[np.int64] | None) -> list[int]:
    """For a query, which takes no array of numpy."""
    return [] if only is None else only.tolist()
