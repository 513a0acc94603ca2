"""Which rows are held out: whole prompts at a time, near-duplicates of a prompt and all turns of a chat together.

The side hangs on what a group's prompts say and on the seed alone. It is the same on every machine, and a prompt that
comes later moves others only where it joins their group.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curate.making.facts import Prompts
from curate.making.near import Forest, components

SPLITS = ("train", "held_out")


def groups(
    prompts: Prompts, *, by: Literal["cluster", "prompt"], threshold: float, together: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The group of each prompt, as the place of one of its members. (prompts,)

    The same prompt, and the turns of one chat, are one group always; near-duplicates with by="cluster". `together`
    (2, pairs) are places of prompts whose responses were compared with each other.
    """
    forest = Forest(prompts.pk.size)
    join_equal(forest, prompts.content)
    join_equal(forest, prompts.chat)
    if together is not None and together.size:
        forest.join(together[0], together[1])
    if by == "cluster":
        # One of each content is enough: the others say the same.
        first = {content: i for i, content in reversed(list(enumerate(prompts.content)))}
        distinct = np.array(sorted(first.values()), dtype=np.int64)
        near = components([prompts.words[i] for i in distinct.tolist()], threshold)
        linked = np.flatnonzero(near != np.arange(near.size))
        forest.join(distinct[linked], distinct[near[linked]])
    return forest.roots()


def join_equal(forest: Forest, names: Iterable[Any]) -> None:
    """One group for each name; an empty name is nobody's."""
    first: dict[Any, int] = {}
    pairs = [(i, first.setdefault(name, i)) for i, name in enumerate(names) if name]
    other = [(i, j) for i, j in pairs if i != j]
    if other:
        one, two = np.array(other, dtype=np.int64).T
        forest.join(one, two)


def names_of(prompts: Prompts, group: NDArray[np.int64]) -> list[str]:
    """The name of each prompt's group, from what it says: the smallest digest of its members. (prompts,)"""
    smallest: dict[int, bytes] = {}
    for root, content in zip(group.tolist(), prompts.content, strict=True):
        if root not in smallest or content < smallest[root]:
            smallest[root] = content
    return [smallest[root].hex() for root in group.tolist()]


def sides(prompts: Prompts, group: NDArray[np.int64], *, seed: int, held_out_share: float) -> NDArray[np.bool_]:
    """Whether each prompt is held out. (prompts,)"""
    known: dict[str, bool] = {}
    found = []
    for name in names_of(prompts, group):
        if name not in known:
            known[name] = split_of(name, seed=seed, held_out_share=held_out_share) == "held_out"
        found.append(known[name])
    return np.array(found, dtype=bool)


def split_of(name: str, *, seed: int, held_out_share: float) -> str:
    """train or held_out, by a hash: about that share of names is held out."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return "held_out" if int.from_bytes(digest[:8]) / 2**64 < held_out_share else "train"
