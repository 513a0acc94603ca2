"""Ordinal rewards: the losses by hand, the special case, and a model that learns levels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers.modeling import add_lora, completion_ids, load_reward_model, load_tokenizer, prompt_ids
from workers.objectives.ordinal import ORDINAL, coral_loss, cumulative_logit_loss, level_log_probs
from workers.training import TrainingSettings, train
from workers.training.dimensions import (
    UNRATED,
    RatedRow,
    Ratings,
    expected_levels,
    predicted_levels,
    starting_thresholds,
    thresholds_of,
)

SCORE, THRESHOLDS = torch.tensor([[0.3]]), torch.tensor([[-1.0, 0.1, 2.0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("name", ORDINAL)
@pytest.mark.parametrize("level", [0, 1])
def test_with_two_levels_it_is_logistic_regression(name: str, level: int) -> None:
    loss = ORDINAL[name](SCORE, torch.tensor([[0.1]]), torch.tensor([[level]]))
    assert loss.item() == pytest.approx(0.598139 if level else 0.798139, abs=1e-6)  # -log sigmoid(+-0.2)


def test_coral_by_hand() -> None:
    """Level 2 is above the first two thresholds and not above the third."""
    expected = -math.log(sigmoid(1.3)) - math.log(sigmoid(0.2)) - math.log(1 - sigmoid(-1.7))
    assert coral_loss(SCORE, THRESHOLDS, torch.tensor([[2]])).item() == pytest.approx(expected, abs=1e-6)


def test_cumulative_logits_by_hand_and_sum_to_one() -> None:
    loss = cumulative_logit_loss(SCORE, THRESHOLDS, torch.tensor([[2]])).item()
    assert loss == pytest.approx(-math.log(sigmoid(1.7) - sigmoid(-0.2)), abs=1e-6)
    assert level_log_probs(SCORE, THRESHOLDS).exp().sum().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("score", [-80.0, 80.0])
@pytest.mark.parametrize("name", ORDINAL)
def test_far_from_the_thresholds_loss_and_gradient_are_numbers(name: str, score: float) -> None:
    scores = torch.tensor([[score] * 4]).T.requires_grad_()
    loss = ORDINAL[name](scores, THRESHOLDS, torch.arange(4)[:, None])
    loss.sum().backward()
    assert loss.isfinite().all() and scores.grad is not None and scores.grad.isfinite().all()


def test_shapes_never_broadcast_and_levels_are_checked() -> None:
    good = torch.zeros(2, 3)
    for scores, thresholds, levels in (
        (torch.zeros(2), THRESHOLDS, torch.zeros(2, dtype=torch.long)),
        (good, THRESHOLDS, torch.zeros(2, 3, dtype=torch.long)),
        (good, THRESHOLDS.expand(3, 3), torch.zeros(2, 1, dtype=torch.long)),
        (good, THRESHOLDS.expand(3, 3), torch.full((2, 3), 4)),
    ):
        with pytest.raises(ValueError, match="are"):
            coral_loss(scores, thresholds, levels)


def test_predictions_are_the_median_and_the_mean_of_the_levels() -> None:
    assert predicted_levels(torch.tensor([[-2.0], [0.0], [0.3], [9.0]]), THRESHOLDS).tolist() == [[0], [1], [2], [3]]
    by_hand = sum(level * p for level, p in enumerate(level_log_probs(SCORE, THRESHOLDS)[0, 0].exp().tolist()))
    assert expected_levels(SCORE, THRESHOLDS).item() == pytest.approx(by_hand, abs=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[RatedRow]:
    """Later letters are better on the first dimension and worse on the second, which not every row has."""
    tokenizer = load_tokenizer(folder)
    found = []
    for number in range(20):
        level = number % 4
        prompt = prompt_ids(tokenizer, [{"role": "user", "content": f"Q{number // 4}"}])
        text = completion_ids(tokenizer, "abcd"[level] * 3, True)
        found.append(RatedRow(tuple(prompt), tuple(text), (level, UNRATED if number % 5 == 0 else 3 - level)))
    return found


def learner(folder: Path, rows: list[RatedRow], objective: str = "coral", **how: Any) -> Ratings:
    settings = TrainingSettings(objective, learning_rate=1e-2, batch_size=10, **{"epochs": 60, **how})
    model = add_lora(load_reward_model(folder, outputs=2), rank=4, seed=3)
    return Ratings(model, rows, rows, levels=4, settings=settings, pad_id=0)


def test_an_untrained_model_says_each_level_as_often_as_people(folder: Path, rows: list[RatedRow]) -> None:
    one = learner(folder, rows)
    shares = level_log_probs(torch.zeros(1, 2), thresholds_of(one.model)).exp()[0]
    assert shares[0].tolist() == pytest.approx([0.25] * 4, abs=1e-5)
    counts = [1 + sum(row.levels[1] == level for row in rows) for level in range(4)]
    assert shares[1].tolist() == pytest.approx([count / sum(counts) for count in counts], abs=1e-5)
    assert starting_thresholds(rows, levels=4).shape == (2, 3)


@pytest.mark.parametrize("objective", ORDINAL)
def test_levels_are_learned(folder: Path, rows: list[RatedRow], objective: str) -> None:
    one = learner(folder, rows, objective)
    result = train(one)
    assert result.evaluation is not None and result.evaluation.accuracy > 0.8
    unrated = [row.levels[1] == UNRATED for row in rows]
    assert [math.isnan(value) for value in result.evaluation.values["error_1"]] == unrated
    ascending = thresholds_of(one.model)
    assert (ascending.diff(dim=1) > 0).all()


def test_a_rating_that_is_not_there_teaches_nothing(folder: Path, rows: list[RatedRow]) -> None:
    one = learner(folder, [replace(rows[1], levels=(1, UNRATED))])
    one.losses("train", [0], None).weighted.sum().backward()
    gradient = one.model.get_parameter("ordinal_thresholds").grad
    assert gradient[0].any() and not gradient[1].any()


def test_what_cannot_be_learned_from_is_refused(folder: Path, rows: list[RatedRow]) -> None:
    with pytest.raises(ValueError, match="no rating"):
        learner(folder, [replace(rows[0], levels=(UNRATED, UNRATED))])
    with pytest.raises(ValueError, match="coral, cumulative"):
        learner(folder, rows, "guess")


def test_a_resumed_run_equals_an_uninterrupted_one(folder: Path, rows: list[RatedRow], tmp_path: Path) -> None:
    whole, parts, again = (learner(folder, rows, epochs=3) for _ in range(3))
    train(whole)
    asked = iter(range(99))
    train(
        parts, should_stop=lambda: next(asked) == 3,
        save_checkpoint=lambda step, write: write(tmp_path),
    )  # fmt: skip
    train(again, resume_from=tmp_path)
    left, right = whole.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)
