"""Preference pairs as tokens, and the order in which training sees them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.modeling import Messages, completion_ids, prompt_ids


class TokenRow(Protocol):
    """A row as tokens, of whatever shape."""

    @property
    def tokens(self) -> int:
        """Tokens that one forward pass over all of the row reads."""


@dataclass(frozen=True)
class PreferencePair:
    """Two responses to one prompt, as text. `finished`: the response ended its turn (was not cut).

    `margin` is how much more the chosen one was liked, in units of the reward; only reward objectives use it. `weight`
    of the pair in the loss: 0.5 for each order of a tie.
    """

    messages: Messages
    chosen: str
    rejected: str
    chosen_finished: bool = True
    rejected_finished: bool = True
    margin: float = 0.0
    tie: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class TokenPair:
    """The same as tokens. A completion holds the end-of-turn token if, and only if, the response finished.

    A reward model trains on it the other way round where `flip`, and takes its label to be wrong with the probability
    `soft`; what is measured goes by the label as it is.
    """

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    margin: float = 0.0
    tie: bool = False
    weight: float = 1.0
    flip: bool = False
    soft: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens that one forward pass over both sides reads."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


@dataclass(frozen=True)
class PairCounts:
    """What became of the pairs: read = used + same + empty + too_long."""

    read: int = 0
    used: int = 0
    same: int = 0  # chosen and rejected are the same tokens: nothing to learn
    empty: int = 0  # a side has no token at all
    too_long: int = 0  # prompt and longer side exceed max_tokens


def tokenize_pairs(
    tokenizer: Any, pairs: Iterable[PreferencePair], *, max_tokens: int
) -> tuple[list[TokenPair], PairCounts]:
    """Turn pairs into tokens, leaving out those that cannot be learned from, and count what was left out.

    Nothing is cut: half a response was never judged by anyone. `max_tokens` limits prompt and response
    together.
    """
    kept: list[TokenPair] = []
    counts = {"read": 0, "used": 0, "same": 0, "empty": 0, "too_long": 0}
    for pair in pairs:
        tokens = token_pair(tokenizer, pair)
        fate = fate_of(tokens, max_tokens)
        counts["read"] += 1
        counts[fate] += 1
        if fate == "used":
            kept.append(tokens)
    return kept, PairCounts(**counts)


def token_pair(tokenizer: Any, pair: PreferencePair) -> TokenPair:
    return TokenPair(
        prompt=tuple(prompt_ids(tokenizer, pair.messages)),
        chosen=tuple(completion_ids(tokenizer, pair.chosen, pair.chosen_finished)),
        rejected=tuple(completion_ids(tokenizer, pair.rejected, pair.rejected_finished)),
        margin=pair.margin,
        tie=pair.tie,
        weight=pair.weight,
    )


def fate_of(pair: TokenPair, max_tokens: int) -> str:
    """ "used", or why it is not: a field of PairCounts."""
    if not pair.chosen or not pair.rejected:
        return "empty"
    if pair.chosen == pair.rejected:
        return "same"
    if len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) > max_tokens:
        return "too_long"
    return "used"


def epoch_batches(rows: Sequence[TokenRow], *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of each batch of one epoch, in order: a pure function of its arguments, so a resumed run needs
    only its position.

    Rows of similar length share a batch, which saves padding. The sort is within runs of eight batches, and
    the batches are shuffled again, so that short rows do not all come first.
    """
    generator = random.Random(f"{seed}:{epoch}")
    order = list(range(len(rows)))
    generator.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), 8 * batch_size):
        run = sorted(order[start : start + 8 * batch_size], key=lambda index: rows[index].tokens)
        batches += [run[at : at + batch_size] for at in range(0, len(run), batch_size)]
    generator.shuffle(batches)
    return batches


def total_steps(rows: Sequence[TokenRow], *, batch_size: int, epochs: float) -> int:
    """Optimiser steps of a run; at least one where there is a row. The last batch of an epoch may be small."""
    return math.ceil(math.ceil(len(rows) / batch_size) * epochs)
