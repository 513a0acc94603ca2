"""AMPO: the best sample and a few to push away. Values of METHODS2.md, method 18."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.builders.ampo import BUILDER, weights_of
from curate.builders.clusters import cost_of, distances, k_means, k_medoids, swapped
from tests.curate.builders.items import build, candidates, item


def samples(scores, points):
    found = candidates(*(f"text {at}" for at in range(len(scores))), scores=scores)
    return item(candidates=[replace(one, embedding=point) for one, point in zip(found, points, strict=True)])


TWO_GROUPS = samples([5, 1, 2, 3, 4], [[1, 0], [0, 1], [0.1, 0.9], [-1, 0], [-0.9, 0.1]])


def test_published_weights() -> None:
    assert weights_of([0.9, 0.4, 0.2]) == pytest.approx([0.670320, 1.105171, 1.349859], abs=1e-6)
    assert build(BUILDER, samples([0.9, 0.4, 0.2], [[1, 0]] * 3)).column("weights")[0] == pytest.approx(
        [0.670320, 1.105171, 1.349859], abs=1e-6
    )


@pytest.mark.parametrize(("method", "negative"), [("bottom_k", [1, 2]), ("coreset", [1, 3]), ("opt_select", [1, 3])])
def test_the_three_choices_of_negatives(method: str, negative: list[int]) -> None:
    built = build(BUILDER, TWO_GROUPS, options={"method": method, "negatives": 2})
    assert built.column("positive") == [[0]] and built.column("negative") == [negative]
    assert built.column("scores") == [[5, 1, 2, 3, 4]] and built.column("responses")[0][3] == "text 3"
    assert built.rows[0].models == tuple(f"model-{at}" for at in range(5))


def test_where_there_are_few_all_others_are_negatives() -> None:
    for method in ("bottom_k", "coreset", "opt_select"):
        assert build(BUILDER, TWO_GROUPS, options={"method": method}).column("negative") == [[1, 2, 3, 4]]


def test_lowest_rewards_need_no_embedding_and_the_others_do() -> None:
    bare = item(candidates=candidates("w", "x", "y", scores=[1, 2, 3]))
    assert build(BUILDER, bare, options={"method": "bottom_k", "negatives": 1}).column("negative") == [[0]]
    assert build(BUILDER, bare, options={"method": "coreset"}).dropped == {"no_embedding": 1}
    mixed = samples([1, 2, 3], [[1.0, 0], [0, 1.0], [1.0, 0, 0]])
    assert build(BUILDER, mixed, options={"method": "opt_select"}).dropped == {"no_embedding": 1}


def test_samples_of_the_same_text_count_once() -> None:
    built = build(BUILDER, item(candidates=candidates("w", "w", "x", scores=[1, 2, 0])), options={"method": "bottom_k"})
    assert built.column("responses") == [["w", "x"]] and built.column("scores") == [[1, 0]]


@pytest.mark.parametrize(("scores", "reason"), [([1, 1], "equal"), ([1], "scored")])
def test_equal_rewards_have_no_best_and_one_sample_has_no_other(scores: list[float], reason: str) -> None:
    one = item(candidates=candidates(*"wx"[: len(scores)], scores=scores))
    assert build(BUILDER, one, options={"method": "bottom_k"}).dropped == {reason: 1}


@given(st.integers(0, 10_000))
def test_brute_force_agrees_at_six_points_and_two_medoids(seed: int) -> None:
    draw = np.random.default_rng(seed)
    apart, weights = distances(draw.normal(size=(6, 3))), draw.uniform(0.1, 3, size=6)
    best = min(cost_of(apart, weights, list(two)) for two in combinations(range(6), 2))
    assert cost_of(apart, weights, k_medoids(apart, weights, count=2)) == pytest.approx(best, abs=1e-12)


def test_a_bad_choice_is_exchanged_for_the_best() -> None:
    points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1]])
    assert swapped(distances(points), np.ones(5), [0, 2]) in ([1, 3], [1, 4])


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_no_exchange_of_one_medoid_is_better(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    apart, weights = distances(draw.normal(size=(9, 2))), draw.uniform(0.1, 3, size=9)
    chosen = k_medoids(apart, weights, count=count)
    assert len(set(chosen)) == count
    for out in chosen:
        for other in set(range(9)) - set(chosen):
            assert cost_of(apart, weights, [one for one in chosen if one != out] + [other]) >= (
                cost_of(apart, weights, chosen) - 1e-9
            )


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 12))
def test_every_point_is_in_the_cluster_of_its_nearest_centre(seed: int, clusters: int, n: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 3))
    labels = k_means(points, clusters=clusters, seed=seed)
    assert len(set(labels.tolist())) <= min(clusters, n)
    centres = {one: points[labels == one].mean(axis=0) for one in set(labels.tolist())}
    for point, label in zip(points, labels.tolist(), strict=True):
        own = np.linalg.norm(point - centres[label])
        assert all(own <= np.linalg.norm(point - other) + 1e-9 for other in centres.values())


def test_clusters_that_are_plain_to_see_are_found_whatever_the_seed() -> None:
    points = np.array([[0, 0], [0, 0.1], [9, 9], [9, 9.1]])
    for seed in range(20):
        a, b, c, d = k_means(points, clusters=2, seed=seed)
        assert a == b != c == d


def test_equal_points_are_one_cluster() -> None:
    assert set(k_means(np.ones((4, 2)), clusters=3, seed=0).tolist()) == {0}


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8, unique=True), st.integers(1, 7), st.integers(0, 99))
def test_the_positive_is_never_a_negative(scores: list[float], negatives: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(len(scores), 3)).tolist()
    for method in ("bottom_k", "coreset", "opt_select"):
        options = {"method": method, "negatives": negatives}
        row = build(BUILDER, samples(scores, points), options=options).rows[0].columns
        assert scores[row["positive"][0]] == max(scores)
        assert 1 <= len(row["negative"]) <= negatives and row["positive"][0] not in row["negative"]
