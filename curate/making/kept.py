"""Numbers of a project that a preview keeps from one look to the next: only the recipe changed, not the answers."""

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from accounts.models import Project
from curate.making import facts
from curate.making.plan import Facts
from curate.making.source import Answers

KEPT_FOR = 600
MOST_BYTES = 256 * 2**20
"""Of the arrays that one process keeps, of all projects."""
T = TypeVar("T")


class Kept(Facts):
    """Facts of this process, kept until answers, items, prompts or responses come or go; ten minutes at most."""

    known: OrderedDict[tuple[Any, ...], tuple[Any, float, Any, int]] = OrderedDict()
    lock = threading.Lock()

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.stamp = stamp_of(project)

    def keep(self, name: str, by: tuple[Any, ...], compute: Callable[[], T]) -> T:
        key, now = (connection.settings_dict["NAME"], self.project.pk, name, by), time.monotonic()
        with self.lock:
            found = self.known.get(key)
            if found and found[0] == self.stamp and now - found[1] < KEPT_FOR:
                self.known.move_to_end(key)
                value: T = found[2]
                return value
        fresh = compute()
        size = size_of(fresh)
        with self.lock:
            old = [one for one, (stamp, when, _, _) in self.known.items()
                   if now - when >= KEPT_FOR or (one[:2] == key[:2] and stamp != self.stamp)]  # fmt: skip
            for one in old:
                del self.known[one]
            self.known[key] = (self.stamp, now, fresh, size)
            self.known.move_to_end(key)
            total = sum(one[3] for one in self.known.values())
            while total > MOST_BYTES:
                _, gone = self.known.popitem(last=False)
                total -= gone[3]
        return fresh

    def answers(self, kinds: tuple[str, ...], *, compares: bool, two_prompts: bool) -> Answers:
        return self.keep("answers", (kinds, compares, two_prompts), lambda: super(Kept, self).answers(
            kinds, compares=compares, two_prompts=two_prompts))  # fmt: skip

    def responses(self, pks: NDArray[np.int64]) -> facts.Responses:
        return self.keep("responses", (), lambda: super(Kept, self).responses(pks))

    def shown(self, tasks: NDArray[np.int64]) -> facts.Shown:
        return self.keep("shown", (), lambda: super(Kept, self).shown(tasks))

    def prompts(self, pks: NDArray[np.int64]) -> facts.Prompts:
        return self.keep("prompts", (hash(pks.tobytes()),), lambda: super(Kept, self).prompts(pks))

    def groups(self, prompts: facts.Prompts, **how: Any) -> NDArray[np.int64]:
        together = how.get("together")
        by = (
            hash(prompts.pk.tobytes()),
            how["by"],
            how["threshold"],
            None if together is None else hash(together.tobytes()),
        )
        return self.keep("groups", by, lambda: super(Kept, self).groups(prompts, **how))


def size_of(value: Any) -> int:
    """Bytes of the arrays in it, also of those in the fields of a dataclass."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(size_of(getattr(value, one.name)) for one in fields(value))
    if isinstance(value, dict):
        return sum(size_of(one) for one in value.values())
    return sum(size_of(one) for one in value) if isinstance(value, (list, tuple)) else sys.getsizeof(value)


def stamp_of(project: Project) -> tuple[Any, ...]:
    """Changes with each answer that comes or is taken back, each new text, and each item that becomes a known one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (SELECT max(id) FROM annotate_feedback), (SELECT max(id) FROM annotate_prompt),
            (SELECT max(id) FROM annotate_response), (SELECT max(id) FROM annotate_taskresponse),
            (SELECT count(*) FROM annotate_task WHERE project_id = %(project)s AND purpose <> 'work'),
            (SELECT count(*) FROM annotate_feedback WHERE project_id = %(project)s AND withdrawn_at IS NULL)""",
            {"project": project.pk},
        )
        return tuple(cursor.fetchone())
