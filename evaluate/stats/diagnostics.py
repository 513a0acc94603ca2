"""What a preference dataset is like before anything is trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.decisions import share
from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import codes, win_rate


def prompt_diversity(prompts: Sequence[Sequence[object]], *, longest: int = 512) -> float | None:
    """sqrt(prompts) times distinct bigrams over all bigrams, inside each prompt (Song et al. 2024).

    prompts: tokens of each, cut at `longest`; the history of a chat belongs to its prompt. Keep the tokenizer's name
    with the figure: it is comparable for one tokenizer only. None where no prompt has two tokens.
    """
    bigrams = [pair for tokens in prompts for pair in pairwise(tokens[:longest])]
    return sqrt(len(prompts)) * len(set(bigrams)) / len(bigrams) if bigrams else None


@dataclass(frozen=True)
class Balance:
    """Shares that are one half in a dataset which gives nothing away by place or length. Ties are left out.

    `first_chosen`: the response shown first won; `longer_chosen`: the longer did, pairs of equal length left out.
    """

    first_chosen: Estimate
    longer_chosen: Estimate


def balance(outcomes: ArrayLike, first_lengths: ArrayLike, second_lengths: ArrayLike) -> Balance:
    """(pairs,) each: 1 where the response shown first was chosen, 0.5 a tie; lengths in any one unit."""
    won, gap = np.asarray(outcomes, dtype=float), np.subtract(first_lengths, second_lengths, dtype=float)
    decided = won != 0.5
    uneven = decided & (gap != 0)
    return Balance(win_rate(won[decided]), win_rate(np.where(gap > 0, won, 1 - won)[uneven]))


@dataclass(frozen=True)
class Share:
    """How many items gave one answer, and which part of its group they are."""

    answer: str
    share: Estimate


def answer_shares(answers: Sequence[str], groups: Sequence[str]) -> dict[str, tuple[Share, ...]]:
    """Shares of the answers in each group (type of question, task, model), most frequent first, Wilson's intervals.

    Look at it before training: where one answer is most of a group, a model learns the group and not the question.
    """
    given, of = np.asarray(answers, dtype=object), np.asarray(groups, dtype=object)
    if given.shape != of.shape:
        raise ValueError(f"{given.size} answers and {of.size} groups: give one group an answer.")
    found = {}
    for group in dict.fromkeys(of.tolist()):
        own = given[of == group]
        rows = [Share(answer, share(own == answer)) for answer in dict.fromkeys(own.tolist())]
        found[group] = tuple(sorted(rows, key=lambda row: (-(row.share.value or 0), row.answer)))
    return found


def strengths(preferences: ArrayLike) -> dict[float, int]:
    """How many pairs were preferred how strongly, weakest first. preferences: (pairs,), signed, 0 a tie."""
    levels, counts = np.unique(np.abs(np.asarray(preferences, dtype=float)), return_counts=True)
    return dict(zip(levels.tolist(), counts.tolist(), strict=True))


def flip_candidates(margins: ArrayLike, preferences: ArrayLike, *, least: float = 0.0) -> NDArray[np.int64]:
    """Pairs that a reward model ranks against their label, the most against first; they are for people to look at.

    margins: (pairs,), score of the chosen minus the rejected; preferences: (pairs,), signed, ties never are. least:
    how far against, in units of the margin, it has to be.
    """
    margin, given = np.asarray(margins, dtype=float), np.asarray(preferences, dtype=float)
    if margin.shape != given.shape:
        raise ValueError(f"{margin.size} margins and {given.size} preferences: give one of each a pair.")
    against = np.flatnonzero((margin < -abs(least)) & (given != 0))
    return against[np.argsort(margin[against], kind="stable")]


@dataclass(frozen=True)
class PromptUse:
    """Accuracy of a reward model with the prompts, and with empty ones. Where the two are close, the labels can be
    told from the responses alone, and the model may never look at what was asked."""

    accuracy: Estimate
    without_prompts: Estimate
    both_agree: Estimate


def prompt_use(margins: ArrayLike, margins_without: ArrayLike) -> PromptUse:
    """(pairs,) each: score of the chosen minus the rejected, with the prompts and without."""
    one, two = np.sign(np.asarray(margins, dtype=float)), np.sign(np.asarray(margins_without, dtype=float))
    if one.shape != two.shape:
        raise ValueError(f"{one.size} margins with prompts and {two.size} without: give two a pair.")
    return PromptUse(win_rate((one + 1) / 2), win_rate((two + 1) / 2), share(one == two))


def compatibility_adjusted_reward(
    rewards: ArrayLike, losses: ArrayLike, generators: Sequence[str], *, beta: float = 1.0
) -> dict[str, float]:
    """Mean reward / (1 + beta times the student's mean loss on them), best first (2411.07133): who should write.

    rewards, losses: (answers,), losses being the mean negative log-likelihood a token; generators: (answers,).
    """
    reward, loss = np.asarray(rewards, dtype=float), np.asarray(losses, dtype=float)
    if not reward.shape == loss.shape == (len(generators),):
        raise ValueError("Give a reward, a loss and a generator an answer.")
    index, names = codes(generators), list(dict.fromkeys(generators))
    size = np.bincount(index)
    mean_reward, mean_loss = (np.bincount(index, weights=part) / size for part in (reward, loss))
    values = mean_reward / (1 + beta * mean_loss)
    return {names[i]: float(values[i]) for i in np.argsort(-values, kind="stable")}


def uniformity(embeddings: ArrayLike) -> float | None:
    """log of the mean of exp(-2 squared distance) over pairs (Wang and Isola 2020); lower is more spread out.

    embeddings: (items, dimensions), scaled to length 1 here. None for fewer than two.
    """
    rows = unit(embeddings)
    if len(rows) < 2:
        return None
    above = np.triu_indices(len(rows), k=1)
    squared = 2 - 2 * (rows @ rows.T)[above]
    return float(np.log(np.exp(-2 * squared).mean()))


def alignment(embeddings: ArrayLike, others: ArrayLike) -> float | None:
    """Mean squared distance of items to what should be near them, both scaled to length 1; lower is closer."""
    one, two = unit(embeddings), unit(others)
    if one.shape != two.shape:
        raise ValueError(f"Embeddings have the shapes {one.shape} and {two.shape}: give one partner an item.")
    return float(((one - two) ** 2).sum(axis=1).mean()) if len(one) else None


def effective_rank(embeddings: ArrayLike) -> float | None:
    """exp of the entropy of the singular values' shares (Roy and Vetterli 2007): how many directions are in use."""
    rows = np.atleast_2d(np.asarray(embeddings, dtype=float))
    return rank_of(np.linalg.svd(rows, compute_uv=False)) if rows.size else None


def rank_of(singular: ArrayLike) -> float | None:
    values = np.asarray(singular, dtype=float)
    shares = values[values > 0] / values.sum() if values.sum() > 0 else values[:0]
    return float(np.exp(-(shares * np.log(shares)).sum())) if shares.size else None


def unit(embeddings: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(embeddings, dtype=float)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return scaled


def paired_contexts(first: ArrayLike, second: ArrayLike) -> tuple[Estimate, Estimate]:
    """Accuracy over preferences that a context turns around, single and of both (2407.14916).

    first: (items,), score of response a minus b under the context in which a is better; second: the same under the
    one in which b is. A model that does not read the context is right on exactly half, and on none of both.
    """
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != two.shape:
        raise ValueError(f"{one.size} and {two.size} margins: give two an item.")
    if not one.size:
        return UNDEFINED, UNDEFINED
    single = (np.concatenate([np.sign(one), -np.sign(two)]) + 1) / 2
    return win_rate(single), share((one > 0) & (two < 0))
