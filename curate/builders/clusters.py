"""A few representatives of many points: k-means, and weighted k-medoids by exchange. Pure functions on arrays."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ITERATIONS = 100


def distances(points: Array) -> Array:
    """Euclidean, (n, n)."""
    squares = (points**2).sum(axis=1)
    found: Array = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * points @ points.T, 0))
    np.fill_diagonal(found, 0)
    return found


def k_means(points: Array, *, clusters: int, seed: int) -> NDArray[np.int64]:
    """The cluster of each point, (n,), by Lloyd's algorithm from k-means++ (Arthur and Vassilvitskii 2007).

    A cluster that loses all its points stays empty, so fewer than `clusters` may come back.
    """
    draw = np.random.default_rng(seed)
    centres = points[[draw.integers(len(points))]]
    while len(centres) < min(clusters, len(points)):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1)
        if nearest.sum() <= 0:  # no more points than centres that differ
            break
        centres = np.vstack([centres, points[draw.choice(len(points), p=nearest / nearest.sum())]])
    labels = np.full(len(points), -1)
    for _ in range(ITERATIONS):
        found = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        if (found == labels).all():
            break
        labels = found
        for one in set(labels.tolist()):
            centres[one] = points[labels == one].mean(axis=0)
    return labels.astype(np.int64)


def cost_of(apart: Array, weights: Array, chosen: list[int]) -> float:
    """sum_i w_i min_{j in chosen} |e_i - e_j|"""
    return float((weights * apart[:, chosen].min(axis=1)).sum())


def k_medoids(apart: Array, weights: Array, *, count: int) -> list[int]:
    """`count` points S with a small sum_i w_i min_{j in S} d_ij, sorted.

    Greedy and then swaps of one until none helps, from every first point. For two medoids this is the optimum, since
    the best partner of each point is tried; for more it is a local one.
    """
    best: list[int] = []
    for first in range(len(apart)):
        chosen = [first]
        while len(chosen) < min(count, len(apart)):
            chosen.append(int(costs_with(apart, weights, chosen).argmin()))
        chosen = swapped(apart, weights, chosen)
        if not best or cost_of(apart, weights, chosen) < cost_of(apart, weights, best) - 1e-12:
            best = chosen
    return best


def costs_with(apart: Array, weights: Array, chosen: list[int]) -> Array:
    """(n,): the cost of `chosen` and one more point; infinite for those that are chosen already."""
    near = apart[:, chosen].min(axis=1, initial=np.inf)
    costs: Array = weights @ np.minimum(near[:, None], apart)
    costs[chosen] = np.inf
    return costs


def swapped(apart: Array, weights: Array, chosen: list[int]) -> list[int]:
    """Exchange a chosen point for the best other one as long as that lowers the cost."""
    chosen = sorted(chosen)
    cost, better = cost_of(apart, weights, chosen), True
    while better:
        better = False
        for place in range(len(chosen)):
            others = [*chosen[:place], *chosen[place + 1 :]]
            costs = costs_with(apart, weights, others)
            best = int(costs.argmin())
            if costs[best] < cost - 1e-12:
                chosen, cost, better = [*chosen[:place], best, *chosen[place + 1 :]], float(costs[best]), True
    return sorted(chosen)
