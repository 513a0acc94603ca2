"""Data diagnostics against their worked values."""

import numpy as np
import pytest
import torch

from evaluate.stats.diagnostics import (
    alignment,
    answer_shares,
    balance,
    compatibility_adjusted_reward,
    effective_rank,
    flip_candidates,
    paired_contexts,
    prompt_diversity,
    prompt_use,
    rank_of,
    strengths,
    uniformity,
)  # fmt: skip


def test_prompt_diversity():
    assert prompt_diversity(["abc", "abd", "xy"]) == pytest.approx(1.385641, abs=1e-6)
    assert prompt_diversity(["abcd"], longest=2) == 1
    assert prompt_diversity(["a", ""]) is None


def test_balance_leaves_ties_and_equal_lengths_out():
    found = balance([1, 1, 0, 0.5, 1], [10, 5, 9, 1, 4], [5, 10, 3, 9, 4])
    assert (found.first_chosen.value, found.first_chosen.n) == (0.75, 4)
    assert (found.longer_chosen.value, found.longer_chosen.n) == (pytest.approx(1 / 3), 3)


def test_answer_shares_are_of_each_group():
    found = answer_shares(["yes", "yes", "no", "blue"], ["binary", "binary", "binary", "colour"])
    assert [(row.answer, row.share.value, row.share.n) for row in found["binary"]] == [
        ("yes", pytest.approx(2 / 3), 3), ("no", pytest.approx(1 / 3), 3),
    ]  # fmt: skip
    assert found["colour"][0].share.value == 1


def test_strengths_and_flip_candidates():
    assert strengths([2, -2, 1, 0, -3]) == {0: 1, 1: 1, 2: 2, 3: 1}
    assert flip_candidates([0.5, -1, -3, -0.1, -9], [1, 1, -1, 1, 0]).tolist() == [2, 1, 3]
    assert flip_candidates([0.5, -1, -3, -0.1, -9], [1, 1, -1, 1, 0], least=0.5).tolist() == [2, 1]


def test_a_model_that_never_reads_the_prompt():
    found = prompt_use([1, 2, -1, 0], [1, 1, -2, 0])
    assert found.accuracy.value == found.without_prompts.value == 0.625
    assert found.both_agree.value == 1


def test_a_model_that_does_not_read_the_context_is_right_on_half():
    margins = np.random.default_rng(0).normal(size=50)
    single, both = paired_contexts(margins, margins)
    assert (single.value, both.value) == (0.5, 0)
    single, both = paired_contexts([1, 1], [-1, 1])
    assert (single.value, both.value) == (0.75, 0.5)


def test_a_generator_that_the_student_finds_hard_comes_second():
    found = compatibility_adjusted_reward([0.8, 0.9], [0.6, 1.2], ["small", "big"])
    assert list(found) == ["small", "big"]
    assert found == pytest.approx({"small": 0.5, "big": 0.409091}, abs=1e-6)


def test_uniformity_and_alignment_are_those_of_torch():
    one = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64))
    other = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0], [0.0, 1.0], [-1.0, 1.0]], dtype=torch.float64))
    assert uniformity(one.numpy()) == pytest.approx(float(torch.pdist(one).pow(2).mul(-2).exp().mean().log()))
    assert uniformity(3 * one.numpy()) == pytest.approx(uniformity(one.numpy()))
    assert alignment(one.numpy(), other.numpy()) == pytest.approx(float((one - other).norm(dim=1).pow(2).mean()))
    assert uniformity(np.ones((1, 2))) is None


def test_effective_rank():
    """Singular values 3, 1, 0: exp of the entropy of 3/4 and 1/4."""
    assert rank_of([3, 1, 0]) == pytest.approx(1.754765, abs=1e-6)
    assert effective_rank(np.diag([3.0, 1.0, 0.0])) == pytest.approx(rank_of([3, 1, 0]))
    assert effective_rank(np.eye(4)) == pytest.approx(4)
