"""Which pairs go through the model together: those of like length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence

CALL_COST = 48
"""What one more pass costs, in tokens of padding: below it, splitting a bucket saves less than it costs."""


def buckets(indices: Sequence[int], lengths: Sequence[int], most: int) -> list[list[int]]:
    """Split `indices` into passes of at most `most` with the least padding and the fewest passes that pay.

    `lengths[i]` is the length of pair i in tokens. Exact: of all ways to cut the pairs, ordered by length, the one
    whose passes cost least, a pass costing rows x longest + CALL_COST. Equal lengths keep their order.
    """
    if most < 1:
        raise ValueError(f"At least one pair goes through at once, not {most}.")
    order = sorted(indices, key=lambda index: lengths[index])
    best: list[tuple[int, int]] = [(0, 0)]  # (cost of the first n pairs, where their last bucket begins)
    for end in range(1, len(order) + 1):
        longest, starts = lengths[order[end - 1]], range(max(0, end - most), end)
        best.append(min((best[start][0] + (end - start) * longest + CALL_COST, start) for start in starts))
    cut: list[list[int]] = []
    end = len(order)
    while end:
        start = best[end][1]
        cut.append(order[start:end])
        end = start
    return cut[::-1]
