"""The reward trainer, step by step: against a loop as plain as it can be, and against losses that were written down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.workers.tiny import make_tiny_model
from workers.modeling import load_reward_model, load_tokenizer
from workers.pairs import PreferencePair, TokenPair, epoch_batches, tokenize_pairs
from workers.training import RewardPairs, TrainingSettings, learning_rate_at, train, train_pairs

SETTINGS = TrainingSettings(
    "bradley_terry", learning_rate=3e-3, epochs=2, batch_size=4, micro_batch=2, seed=7,
    options={"label_smoothing": 0.1, "centering": 0.05},
)  # fmt: skip
GOLDEN = [0.92408, 0.79838, 0.68207, 0.86768, 0.73913, 0.61129]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def pairs(folder: Path) -> list[TokenPair]:
    """With margins, and every fourth is a tie."""
    written = [
        PreferencePair(
            [{"role": "user", "content": f"Question {number}?"}], "Yes." + "!" * number, "Perhaps " * (1 + number % 3),
            margin=0.25 * (number % 3), tie=number % 4 == 3,
        )
        for number in range(10)
    ]  # fmt: skip
    return tokenize_pairs(load_tokenizer(folder), written, max_tokens=200)[0]


def fresh(folder: Path) -> Any:
    return load_reward_model(folder).requires_grad_(True)


def ours(folder: Path, pairs: list[TokenPair], model: Any) -> list[float]:
    seen: list[float] = []
    train_pairs(
        model, pairs, settings=SETTINGS, pad_id=0, on_step=lambda step, total, metrics: seen.append(metrics["loss"])
    )
    return seen


def plainly(pairs: list[TokenPair], model: Any) -> list[float]:
    """One text at a time, no padding, no micro-batches, the loss written out."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=SETTINGS.learning_rate, weight_decay=0.0)
    losses, total = [], 6
    for step in range(total):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, total=total, settings=SETTINGS)
        epoch, place = divmod(step, 3)
        batch = [pairs[at] for at in epoch_batches(pairs, batch_size=4, seed=7, epoch=epoch)[place]]
        optimizer.zero_grad()
        each = []
        for pair in batch:
            good, bad = (
                model.score(model.model(torch.tensor([[*pair.prompt, *side]])).last_hidden_state[0, -1])[0]
                for side in (pair.chosen, pair.rejected)
            )
            gap = good - bad
            if pair.tie:
                loss = -(F.logsigmoid(gap) + F.logsigmoid(-gap)) / 2
            else:
                asked = gap - pair.margin
                loss = -0.9 * F.logsigmoid(asked) - 0.1 * F.logsigmoid(-asked)
            each.append(loss + 0.05 * (good + bad) ** 2)
        loss = torch.stack(each).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS.max_grad_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_every_step_is_that_of_a_plain_loop(folder: Path, pairs: list[TokenPair]) -> None:
    assert ours(folder, pairs, fresh(folder)) == pytest.approx(plainly(pairs, fresh(folder)), abs=1e-5)


def test_the_losses_are_those_that_were_written_down(folder: Path, pairs: list[TokenPair]) -> None:
    assert ours(folder, pairs, fresh(folder)) == pytest.approx(GOLDEN, abs=1e-4)


def test_a_flipped_label_trains_as_its_opposite_and_is_measured_as_it_is(folder: Path, pairs: list[TokenPair]) -> None:
    won = [replace(pair, margin=0.0, tie=False) for pair in pairs]
    flipped = [replace(pair, flip=True, margin=0.7) for pair in won]
    opposite = [replace(pair, chosen=pair.rejected, rejected=pair.chosen) for pair in won]
    left, right = fresh(folder), fresh(folder)
    assert ours(folder, flipped, left) == pytest.approx(ours(folder, opposite, right), abs=1e-6)
    same = RewardPairs(left, flipped, flipped, settings=SETTINGS, pad_id=0)
    other = RewardPairs(left, won, won, settings=SETTINGS, pad_id=0)
    with torch.no_grad():
        measured = [one.losses("held_out", [0, 1, 2], None) for one in (same, other)]
    assert torch.equal(measured[0].weighted, measured[1].weighted)
    assert torch.equal(measured[0].measured["accuracy"], measured[1].measured["accuracy"])


def test_a_label_at_one_half_trains_as_a_tie(folder: Path, pairs: list[TokenPair]) -> None:
    won = [replace(pair, margin=0.0, tie=False) for pair in pairs]
    settings = TrainingSettings("bradley_terry", learning_rate=3e-3, batch_size=4, seed=7)
    found = []
    for rows in ([replace(pair, soft=0.5) for pair in won], [replace(pair, tie=True) for pair in won]):
        seen: list[float] = []
        learner = RewardPairs(fresh(folder), rows, (), settings=settings, pad_id=0)
        train(learner, on_step=lambda step, total, metrics, seen=seen: seen.append(metrics["loss"]))  # type: ignore[misc]
        found.append(seen)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_a_tie_has_no_right_order(folder: Path, pairs: list[TokenPair]) -> None:
    learner = RewardPairs(fresh(folder), pairs, pairs, settings=SETTINGS, pad_id=0)
    found = learner.losses("held_out", range(len(pairs)), None).measured["accuracy"]
    assert [bool(one) for one in found.isnan()] == [pair.tie for pair in pairs]
