"""Prompts of a freeze in temporary tables: numbered by key, with their groups and sides. Texts are on disk alone.

In memory are for each prompt its group (8 bytes, and as many while groups are joined), how long its set of word pairs
is and where (12), and three marks (3).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from curate.making.columns import Column, copy, read_windows, server_cursor
from curate.making.facts import digest, facts_of, order_of
from curate.making.near import Forest
from curate.making.near_disk import Sets
from curate.making.scratch import Sorted
from curate.making.split import split_of
from registry.specs import BuildDatasetSpec

TABLES = {
    "freeze_wanted": ("prompt",),
    "freeze_together": ("own", "other"),
    "freeze_prompt": ("pk", "rank", '"order"'),
    "freeze_side": ("rank", "cluster", '"group"', "held_out"),
}
FETCHED = 500
"""Prompts with their texts in memory at once."""
WINDOW = 50_000
NAME = np.dtype([("name", "S16"), ("rank", "i8")])


@contextmanager
def tables() -> Iterator[None]:
    """Of this session alone; gone at the end, and with the transaction."""
    with connection.cursor() as cursor:
        for name, columns in TABLES.items():
            wide = ", ".join(f"{one} bigint" for one in columns)
            cursor.execute(f"CREATE TEMPORARY TABLE {name} ({wide}) ON COMMIT DROP")
    yield
    with connection.cursor() as cursor:  # not after an error, which takes them away with all else
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join((*TABLES, 'freeze_answer'))}")


def in_order(of: str, prompt: str, by: str) -> str:
    """The query for rows that have a prompt, in the order of rows of a dataset, with what is known of the prompt."""
    return f"""SELECT found.*, p.rank, p."order", s.cluster, s."group", s.held_out::int::boolean FROM {of} AS found
        JOIN freeze_prompt p ON p.pk = found.{prompt} JOIN freeze_side s ON s.rank = p.rank
        ORDER BY s.cluster, p.rank, {by}"""


def fill(recipe: BuildDatasetSpec, folder: Path) -> None:
    """From `freeze_wanted` and `freeze_together` the other two tables."""
    analyze("freeze_wanted")
    found = Found(folder)
    for rows in prompts():
        found.add([facts_of(pk, key, "", messages, origin, image) for pk, key, messages, origin, image in rows])
    analyze("freeze_prompt")
    found.join(recipe)


class Found:
    """What is known of prompts in the order of their keys."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self.contents, self.chats = (Sorted(folder, NAME, key="name") for _ in range(2))
        self.words = Sets(folder)

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows as curate.making.facts.facts_of makes them."""
        if not rows:
            return
        pk, _, _, _, content, words, chat = zip(*rows, strict=True)
        ranks = self.count + np.arange(len(rows))
        self.count += len(rows)
        copy("freeze_prompt", np.array(pk), ranks, order_of(content))
        self.contents.add(named(content, ranks))
        self.chats.add(
            named([digest(one) if one else b"" for one in chat], ranks)[np.array([bool(one) for one in chat])]
        )
        self.words.add(words)

    def join(self, recipe: BuildDatasetSpec) -> None:
        """Fill `freeze_side`: see curate.making.split.groups for what is joined."""
        forest = Forest(self.count)
        only = np.ones(self.count, dtype=bool)
        for again, before in equal(self.contents):
            forest.join(again, before)
            only[again] = False  # it says the same
        for again, before in equal(self.chats):
            forest.join(again, before)
        together = """SELECT a.rank, b.rank FROM freeze_together t JOIN freeze_prompt a ON a.pk = t.own
            JOIN freeze_prompt b ON b.pk = t.other"""
        for rows in read_windows(together, [Column("own"), Column("other")]):
            forest.join(rows["own"], rows["other"])
        if recipe.split_by == "cluster":
            self.words.join(forest, recipe.near_duplicate, only=only)
        group = cluster = forest.roots()
        if recipe.split_by == "prompt" and recipe.deduplicate == "near":
            group = group.copy()
            self.words.join(forest, recipe.near_duplicate, only=only)
            cluster = forest.roots()
        held = self.sides(group, recipe)
        for first in range(0, self.count, WINDOW):
            here = np.arange(first, min(first + WINDOW, self.count))
            # The root of a group is its lowest rank.
            copy("freeze_side", here, cluster[here], group[here], held[here])
        analyze("freeze_side")

    def sides(self, group: NDArray[np.int64], recipe: BuildDatasetSpec) -> NDArray[np.bool_]:
        """Whether each prompt is held out: by the smallest digest of its group, as curate.making.split.sides."""
        known, held = (np.zeros(self.count, dtype=bool) for _ in range(2))
        for records in self.contents:
            root, first = np.unique(group[records["rank"]], return_index=True)
            new = ~known[root]
            for one, name in zip(root[new].tolist(), records["name"][first[new]].tolist(), strict=True):
                side = split_of(name.ljust(16, b"\0").hex(), seed=recipe.seed, held_out_share=recipe.held_out_share)
                held[one] = side == "held_out"
            known[root] = True
        return held[group]


def prompts() -> Iterator[list[tuple[Any, ...]]]:
    """(id, key, messages, origin, image) of the prompts of `freeze_wanted`, in the order of keys."""
    with server_cursor() as cursor:
        cursor.execute(
            """SELECT p.id, p.key, p.messages, p.origin, coalesce(i.sha256, '') FROM annotate_prompt p
            LEFT JOIN annotate_image i ON i.id = p.image_id WHERE p.id IN (SELECT prompt FROM freeze_wanted)
            ORDER BY p.key COLLATE "C", p.id"""
        )
        while rows := cursor.fetchmany(FETCHED):
            yield rows


def equal(names: Sorted) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each rank whose name came before, and a rank that has it too."""
    for records in names:
        same = records["name"][1:] == records["name"][:-1]
        yield records["rank"][1:][same], records["rank"][:-1][same]


def named(names: Sequence[bytes], ranks: NDArray[np.int64]) -> NDArray[Any]:
    found = np.empty(ranks.size, dtype=NAME)
    found["name"], found["rank"] = names, ranks
    return found


def analyze(name: str) -> None:
    """What is in a temporary table, nobody finds out by himself."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {name}")
