"""Counts as arrays, and what they are worth."""

import hashlib
from collections.abc import Mapping

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from accounts.models import Project
from evaluate.battles import KIND_WORDS, Battles, Voice
from evaluate.boards.slices import Slice
from evaluate.models import TallyVoice
from registry.models import ModelVersion

COLUMNS = ("voice", "prompt", "first", "second", "outcome", "n")
# PostgreSQL's binary COPY: each row says how many values come, and each value how long it is. All are of fixed length.
RECORD = np.dtype(
    [("", ">i2")]
    + [field for name, kind in zip(COLUMNS, (">i8", ">i8", ">i8", ">i8", ">f8", ">i4"), strict=True)
       for field in (("", ">i4"), (name, kind))]
)  # fmt: skip
HEADER, TRAILER = 19, 2


def counts(project: Project, chosen: Slice) -> NDArray:
    """(kinds,) records of COLUMNS in an order that depends on what they say alone."""
    voices = list(TallyVoice.objects.filter(project=project).values_list("pk", flat=True))
    sql, given = (
        "SELECT voice_id, prompt, first, second, outcome, n FROM evaluate_tally WHERE voice_id = ANY(%s)",
        voices,
    )
    params: list[object] = [given]
    if chosen.query:
        inner, more = chosen.prompts(project).values("pk").query.sql_with_params()
        sql, params = f"{sql} AND prompt IN ({inner})", [given, *more]
    connection.ensure_connection()
    with connection.cursor() as cursor, cursor.cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as copy:
        data = b"".join(bytes(part) for part in copy)
    rows = np.frombuffer(data, RECORD, count=(len(data) - HEADER - TRAILER) // RECORD.itemsize, offset=HEADER)
    order = np.lexsort([rows[name] for name in ("outcome", "prompt", "second", "first", "voice")])
    return rows[order]


def counts_hash(rows: NDArray) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()


def battles(project: Project, rows: NDArray) -> list[Battles]:
    """The battles that were counted, a set a voice, people first."""
    voices = {pk: Voice(kind, name) for pk, kind, name in TallyVoice.objects.filter(project=project).values_list(
        "pk", "kind", "name"
    )}  # fmt: skip
    known = dict(ModelVersion.objects.filter(project=project).values_list("pk", "name"))
    order, found = list(KIND_WORDS), []
    for pk, voice in sorted(voices.items(), key=lambda item: (order.index(item[1].kind), item[1].name)):
        mine = rows[rows["voice"] == pk]
        if len(mine):
            found.append(expanded(voice, mine, known))
    return found


def expanded(voice: Voice, rows: NDArray, known: Mapping[int, str]) -> Battles:
    """One battle for each that was counted. (kinds,) -> (battles,)."""
    times = rows["n"].astype(np.int64)

    def all_of(column: str, kind: str) -> NDArray:
        return np.repeat(rows[column].astype(kind), times)

    nothing = np.zeros(int(times.sum()), dtype=np.int64)
    return Battles(
        voice, named(all_of("first", "i8"), known), named(all_of("second", "i8"), known), all_of("outcome", "f8"),
        all_of("prompt", "i8"), nothing, nothing,
    )  # fmt: skip


def named(ids: NDArray, known: Mapping[int, str]) -> NDArray:
    distinct, place = np.unique(ids, return_inverse=True)
    names = np.array([known.get(int(pk), "") for pk in distinct], dtype=object)
    return names[place.reshape(-1)]
