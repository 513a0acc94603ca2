"""Buckets: every pair once, never too many at once, and the least cost of all cuts."""

from __future__ import annotations

import itertools
import random

import pytest

from workers.engine.buckets import CALL_COST, buckets


def cost(passes: list[list[int]], lengths: list[int]) -> int:
    return sum(len(one) * max(lengths[index] for index in one) + CALL_COST for one in passes)


def test_every_pair_goes_through_once_and_no_pass_is_too_large() -> None:
    source = random.Random(0)
    lengths = [source.randint(1, 900) for _ in range(50)]
    passes = buckets(range(50), lengths, 4)
    assert sorted(itertools.chain(*passes)) == list(range(50))
    assert max(len(one) for one in passes) <= 4


def test_no_other_cut_of_the_ordered_pairs_costs_less() -> None:
    source = random.Random(1)
    for _ in range(20):
        lengths = [source.randint(1, 300) for _ in range(8)]
        order = sorted(range(8), key=lengths.__getitem__)
        cuts = []
        for places in itertools.chain.from_iterable(itertools.combinations(range(1, 8), n) for n in range(8)):
            ends = [0, *places, 8]
            cut = [order[a:b] for a, b in itertools.pairwise(ends)]
            if max(map(len, cut)) <= 4:
                cuts.append(cost(cut, lengths))
        assert cost(buckets(range(8), lengths, 4), lengths) == min(cuts)


def test_like_lengths_stay_together_and_a_long_one_goes_alone() -> None:
    assert buckets([0, 1, 2, 3], [10, 10, 2000, 10], 4) == [[0, 1, 3], [2]]
    assert buckets([3, 1, 2], [9, 10, 10, 10], 8) == [[3, 1, 2]]
    assert buckets([], [], 4) == []


def test_none_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="At least one"):
        buckets([0], [1], 0)
