"""Policies and reward models on pairs: how much a pair counts, and several losses at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.workers.tiny import make_tiny_model
from workers.modeling import add_lora, load_policy, load_reward_model, load_tokenizer
from workers.pairs import PreferencePair, TokenPair, tokenize_pairs
from workers.training import TrainingSettings, train_pairs
from workers.training.learner import Learner
from workers.training.shortcuts import pair_learner

SETTINGS = TrainingSettings(learning_rate=1e-2, epochs=2, batch_size=4, micro_batch=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def pairs(folder: Path) -> list[TokenPair]:
    written = [
        PreferencePair([{"role": "user", "content": f"Question {number}?"}], "Yes." + "!" * (number % 3), "Perhaps not")
        for number in range(12)
    ]
    return tokenize_pairs(load_tokenizer(folder), written, max_tokens=200)[0]


def learner(folder: Path, pairs: list[TokenPair], settings: TrainingSettings) -> Learner[TokenPair]:
    reward = settings.objective == "bradley_terry" and not settings.mixture
    model = add_lora((load_reward_model if reward else load_policy)(folder), rank=4, alpha=8, seed=5)
    found = pair_learner(model, pairs, pairs[:2], settings=settings, pad_id=0)
    found.prepare(lambda note: None)
    found.begin(lambda note: None)
    return found


def gradients(one: Learner[TokenPair]) -> list[Tensor]:
    one.model.zero_grad()
    one.losses("train", [0, 1], None).weighted.sum().backward()
    return [weight.grad for weight in one.model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("objective", ["dpo", "simpo", "bradley_terry"])
def test_a_pair_of_half_the_weight_pulls_half_as_hard(folder: Path, pairs: list[TokenPair], objective: str) -> None:
    settings = replace(SETTINGS, objective=objective)
    whole = gradients(learner(folder, pairs, settings))
    half = gradients(learner(folder, [replace(pair, weight=0.5) for pair in pairs], settings))
    assert any(gradient.abs().max() > 1e-4 for gradient in whole)
    for one, other in zip(whole, half, strict=True):
        assert torch.allclose(one / 2, other, atol=1e-8)


def test_a_batchs_loss_is_the_mean_by_weight(folder: Path, pairs: list[TokenPair]) -> None:
    """Pairs of weight 0.25 beside a heavy one: as if it alone were there four times."""

    def losses(rows: list[TokenPair], batch_size: int) -> list[float]:
        found: list[float] = []
        model = add_lora(load_policy(folder), rank=4, seed=5)
        train_pairs(
            model, rows, settings=replace(SETTINGS, objective="ipo", batch_size=batch_size, epochs=1), pad_id=0,
            on_step=lambda step, total, metrics: found.append(metrics["loss"]),
        )  # fmt: skip
        return found

    weighted = losses([replace(pairs[0], weight=0.25), replace(pairs[1], weight=1.0)], 2)
    repeated = losses([pairs[0], *[pairs[1]] * 4], 5)
    assert weighted == pytest.approx(repeated, abs=1e-5)


def test_both_orders_of_a_tie_ask_for_equal_rewards(folder: Path, pairs: list[TokenPair]) -> None:
    tie = replace(pairs[0], tie=True, weight=0.5)
    back = replace(tie, chosen=tie.rejected, rejected=tie.chosen)
    one = learner(folder, [tie, back], replace(SETTINGS, objective="dpo"))
    # At the start both rewards are 0, which is what the tie asks for: the two orders cancel.
    assert max(float(gradient.abs().max()) for gradient in gradients(one)) < 1e-6
    measured = one.losses("train", [0, 1], None).measured
    assert measured["accuracy"].isnan().all(), "a tie has no right order"


def test_a_mixture_is_the_weighted_sum_of_its_losses(folder: Path, pairs: list[TokenPair]) -> None:
    mixed = replace(SETTINGS, mixture={"dpo": 0.7, "ipo": 0.2, "orpo": 0.1}, options={"beta": 0.3})
    found = learner(folder, pairs, mixed).losses("train", [0, 1, 2], None).weighted
    expected = torch.zeros(3)
    for name, weight in mixed.mixture.items():
        alone = learner(folder, pairs, replace(mixed, objective=name, mixture={}))
        expected = expected + weight * alone.losses("train", [0, 1, 2], None).weighted
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_mixture_smooths_the_labels_of_those_that_take_it(folder: Path, pairs: list[TokenPair]) -> None:
    settings = replace(SETTINGS, mixture={"dpo": 1.0, "ipo": 1.0}, options={"beta": 0.3, "label_smoothing": 0.2})
    result = train_pairs(add_lora(load_policy(folder), rank=4), pairs, settings=settings, pad_id=0)
    assert result.steps == result.total


@pytest.mark.parametrize(
    ("mixture", "words"),
    [({"dpo": 1.0, "guess": 1.0}, "guess"), ({"bradley_terry": 1.0}, "bradley_terry"), ({"dpo": 0.0}, "above 0")],
)
def test_a_mixture_that_cannot_be_is_refused(
    folder: Path, pairs: list[TokenPair], mixture: dict[str, float], words: str
) -> None:
    model: Any = add_lora(load_policy(folder), rank=4)
    with pytest.raises(ValueError, match=words):
        train_pairs(model, pairs, settings=replace(SETTINGS, mixture=mixture), pad_id=0)
