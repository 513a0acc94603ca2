"""Pairs packed into one sequence without padding, the beginning that both sides of a pair share held once.

A pair becomes three spans: what both sides begin with (the prompt, and the tokens that the completions share at their
start), the rest of the chosen completion, the rest of the rejected one. Both rests count their positions on from the
beginning, so each side is read as if it stood alone. With a prompt twice as long as a completion that is 4 tokens
instead of 6. The last token of a completion predicts nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.pairs import TokenPair


@dataclass(frozen=True)
class SharedRow:
    """One pair as one sequence: `ids` = beginning + chosen rest + rejected rest, without the tokens at the ends.

    The two `before` are the positions whose hidden states predict the tokens of each completion.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    beginning: int  # tokens that both sides read
    rejected_at: int  # where the rejected rest begins
    chosen_before: tuple[int, ...]
    rejected_before: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, int, int]:
        """Tokens of the beginning, of the chosen rest and of the rejected rest."""
        return self.beginning, self.rejected_at - self.beginning, len(self.ids) - self.rejected_at


def shared_row(pair: TokenPair) -> SharedRow:
    """Raises ValueError for an empty prompt: nothing would predict the first token of a completion."""
    if not pair.prompt:
        raise ValueError("A prompt has no token, so nothing predicts the first token of its completions.")
    same = 0
    for left, right in zip(pair.chosen, pair.rejected, strict=False):
        if left != right:
            break
        same += 1
    prompt, chosen, rejected = pair.prompt, pair.chosen[same:], pair.rejected[same:]
    beginning = len(prompt) + same
    read = (chosen[:-1], rejected[:-1])
    rejected_at = beginning + len(read[0])
    positions = (*range(beginning), *range(beginning, rejected_at), *range(beginning, beginning + len(read[1])))
    common = tuple(range(len(prompt) - 1, beginning - 1))
    return SharedRow(
        ids=(*prompt, *pair.chosen[:same], *read[0], *read[1]),
        positions=positions,
        beginning=beginning,
        rejected_at=rejected_at,
        chosen_before=(*common, *_before(beginning, beginning, len(chosen))),
        rejected_before=(*common, *_before(beginning, rejected_at, len(rejected))),
    )


def _before(beginning: int, start: int, count: int) -> tuple[int, ...]:
    # The first token of a rest follows the beginning, each later one its predecessor in the rest.
    return (beginning - 1, *range(start, start + count - 1)) if count else ()


@dataclass(frozen=True)
class Packed:
    """Pairs in one sequence of `tokens` tokens, and where each completion's tokens are predicted."""

    ids: Tensor  # (1, tokens)
    positions: Tensor  # (1, tokens)
    spans: tuple[tuple[int, int, int], ...]  # of each pair; see SharedRow.spans
    before: Tensor  # (predicted,): places whose hidden states predict a token of a completion
    targets: Tensor  # (predicted,): that token
    side: Tensor  # (predicted,): the completion it belongs to: all chosen, then all rejected

    @property
    def pairs(self) -> int:
        return len(self.spans)

    def segments(self) -> Tensor:
        """The span that each token belongs to, counted through: 3 a pair. Shape (tokens,)."""
        lengths = torch.tensor([length for spans in self.spans for length in spans])
        return torch.arange(len(lengths)).repeat_interleave(lengths).to(self.ids.device)


def pack(pairs: Sequence[TokenPair], device: torch.device) -> Packed:
    rows = [shared_row(pair) for pair in pairs]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row.ids))
    sides = [(start, pair.chosen, row.chosen_before) for start, pair, row in zip(starts, pairs, rows, strict=False)]
    sides += [
        (start, pair.rejected, row.rejected_before) for start, pair, row in zip(starts, pairs, rows, strict=False)
    ]

    def tensor(values: list[int]) -> Tensor:
        return torch.tensor(values, device=device)

    return Packed(
        ids=tensor([token for row in rows for token in row.ids]).unsqueeze(0),
        positions=tensor([place for row in rows for place in row.positions]).unsqueeze(0),
        spans=tuple(row.spans for row in rows),
        before=tensor([start + place for start, _, places in sides for place in places]),
        targets=tensor([token for _, tokens, _ in sides for token in tokens]),
        side=tensor([side for side, (_, tokens, _) in enumerate(sides) for _ in tokens]),
    )


def passes(indices: Sequence[int], lengths: Sequence[int], *, most: int, tokens: int | None = None) -> list[list[int]]:
    """Cut `indices`, in their order, into passes of at most `most` pairs and, unless a pair alone has more, `tokens`.

    `lengths[i]` is the number of tokens that pair i is packed into. Nothing is padded, so the order is free; the passes
    are made about equally large, since one small pass uses a machine no better than a small rest of a large one.
    """
    if most < 1:
        raise ValueError(f"At least one pair goes through at once, not {most}.")
    if not indices:
        return []
    total = sum(lengths[index] for index in indices)
    count = max(-(-len(indices) // most), -(-total // tokens) if tokens else 1)
    cut: list[list[int]] = [[]]
    held = done = 0
    for index in indices:
        length = lengths[index]
        full = len(cut[-1]) == most or (tokens is not None and held + length > tokens)
        # The share of all tokens that the passes so far should hold, reached to within half of this pair.
        even = len(cut) < count and done + length / 2 > total * len(cut) / count
        if cut[-1] and (full or even):
            cut.append([])
            held = 0
        cut[-1].append(index)
        held, done = held + length, done + length
    return cut
