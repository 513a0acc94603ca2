"""ampo: one prompt, the best of its scored samples, and a few of the others to push away.

AMPO (Gupta et al. 2025, 2502.18293): the positive is the sample with the highest reward. The negatives are

- bottom_k: those with the lowest rewards;
- coreset: the samples in k clusters of their embeddings, and the lowest reward of each cluster;
- opt_select: the set S of k samples that minimises sum_i w_i min_{j in S} |e_i - e_j| with w_i = exp(rbar - r_i), where
  rbar is the mean reward of all samples: the more a sample is below the mean, the nearer it must have a negative.

The loss is -log(sum_{S+} e^s / sum_{S+ and S-} e^s). Embeddings are those of the project's `embed` jobs. Of samples
with the same text one is kept. Sums over i go over the samples that are not the positive (ours).
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from curate.builders.base import Builder, Candidate, Item, Options, Tools
from curate.builders.clusters import Array, distances, k_means, k_medoids
from curate.builders.said import prompt_of, row_of
from curate.rows import GROUP, Row
from registry.specs.base import ref

Method = Literal["opt_select", "coreset", "bottom_k"]


class AmpoOptions(Options):
    model: str = ref("reward", "whose scores; empty takes the project's newest reward model", default="")
    method: Method = Field(
        "coreset",
        description="which negatives: bottom_k the lowest rewards, coreset the lowest reward of each cluster of "
        "similar responses, opt_select those that lie near all bad responses",
    )
    negatives: int = Field(7, ge=1, le=100, description="how many responses to push away, at most")


def weights_of(scores: Sequence[float]) -> Array:
    """w_i = exp(rbar - r_i), (n,)"""
    rewards = np.asarray(scores, dtype=np.float64)
    found: Array = np.exp(rewards.mean() - rewards)
    return found


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    options: AmpoOptions = tools.options
    samples = different(one for one in item.candidates if one.score is not None)
    if len(samples) < 2:
        tools.drop("scored")
        return
    sizes = {0 if one.embedding is None else len(one.embedding) for one in samples}
    if options.method != "bottom_k" and (0 in sizes or len(sizes) > 1):
        tools.drop("no_embedding")
        return
    scores = [float(one.score) for one in samples if one.score is not None]
    if min(scores) == max(scores):
        tools.drop("equal")
        return
    positive = int(np.argmax(scores))
    negative = negatives(samples, scores, positive, options, seed=tools.recipe.seed)
    columns = {
        "prompt": prompt_of(item, samples[0]), "responses": [one.text for one in samples], "scores": scores,
        "positive": [positive], "negative": negative, "weights": weights_of(scores).tolist(),
    }  # fmt: skip
    yield row_of(item, columns, candidates=samples, seed=tools.recipe.seed)


def different(candidates: Iterator[Candidate]) -> list[Candidate]:
    """Of the same text the first."""
    found: dict[str, Candidate] = {}
    for one in candidates:
        found.setdefault(one.text.strip(), one)
    return list(found.values())


def negatives(
    samples: Sequence[Candidate], scores: Sequence[float], positive: int, options: AmpoOptions, *, seed: int
) -> list[int]:
    """Places in `samples`, ascending."""
    rest = [one for one in range(len(samples)) if one != positive]
    lowest = sorted(rest, key=lambda one: (scores[one], one))
    if options.method == "bottom_k" or len(rest) <= options.negatives:
        return sorted(lowest[: options.negatives])
    points = np.array([samples[one].embedding for one in rest], dtype=np.float64)
    if options.method == "coreset":
        labels = k_means(points, clusters=options.negatives, seed=seed)
        first: dict[int, int] = {}
        for one in lowest:
            first.setdefault(int(labels[rest.index(one)]), one)
        return sorted(first.values())
    weights = weights_of(scores)[rest]
    return sorted(rest[one] for one in k_medoids(distances(points), weights, count=options.negatives))


BUILDER = Builder(
    slug="ampo",
    title="One over many",
    summary="The best of a prompt's scored samples and a few of the others, for losses over several responses (AMPO).",
    kinds=(),
    row=GROUP,
    rows=rows,
    reads="scores",
    aggregates=("majority",),
    options=AmpoOptions,
    reasons={
        "scored": "with two different scored responses or more",
        "no_embedding": "whose responses all have an embedding of one encoder",
        "equal": "with different rewards",
    },
    paper="Gupta et al. 2025, 2502.18293",
    embeddings=True,
)
