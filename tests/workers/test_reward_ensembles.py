"""Ensembles of reward models: trained as one run, read as their mean, and what they say of every pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers import heads
from workers.modeling import (
    Conversation,
    add_lora,
    load_reward_model,
    load_tokenizer,
    reward_scores,
    save_adapter,
    save_merged,
)
from workers.pairs import PreferencePair, TokenPair, tokenize_pairs
from workers.training import RewardPairs, TrainingResult, TrainingSettings
from workers.training.ensembles import train_members

ASK = [{"role": "user", "content": "Why?"}]
ITEMS = [Conversation(ASK, "Because."), Conversation(ASK, "Well, it is a long story.")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def pairs(folder: Path) -> list[TokenPair]:
    written = [
        PreferencePair([{"role": "user", "content": f"Q {number}?"}], "Yes." + "!" * (number % 3), "Perhaps not")
        for number in range(8)
    ]
    return tokenize_pairs(load_tokenizer(folder), written, max_tokens=100)[0]


def run(folder: Path, pairs: list[TokenPair], into: Path, **how: Any) -> TrainingResult:
    def learner_of(number: int) -> RewardPairs:
        model = add_lora(load_reward_model(folder), rank=2, dropout=0.2, seed=number)
        settings = TrainingSettings(
            "bradley_terry", learning_rate=1e-2, epochs=2, batch_size=4, checkpoint_every=1, seed=number
        )
        return RewardPairs(model, pairs, pairs[:3], settings=settings, pad_id=0)

    return train_members(learner_of, 3, folder=into, save=save_adapter, **how)


def weights_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


def test_members_differ_and_steps_count_on(folder: Path, pairs: list[TokenPair], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = run(folder, pairs, tmp_path / "m", on_step=lambda step, total, metrics: seen.append((step, total)))
    assert (result.steps, result.total) == (12, 12)
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12]
    assert {total for _, total in seen} == {12}
    kept = weights_in(tmp_path / "m")
    assert len(kept) == 3 == len(set(kept.values()))


@pytest.mark.parametrize("stop_at", range(13))
def test_a_resumed_ensemble_equals_an_uninterrupted_one(
    folder: Path, pairs: list[TokenPair], tmp_path: Path, stop_at: int
) -> None:
    run(folder, pairs, tmp_path / "whole")
    newest: list[Path] = []

    def save(step: int, write: Callable[[Path], None]) -> None:
        kept = tmp_path / f"checkpoint-{len(newest)}"
        kept.mkdir()
        write(kept)
        newest.append(kept)

    asked = itertools.count()
    stopped = run(folder, pairs, tmp_path / "parts", should_stop=lambda: next(asked) == stop_at, save_checkpoint=save)
    assert stopped.stopped == (stop_at < 12)
    if stopped.stopped:
        assert stopped.steps == stop_at
        result = run(folder, pairs, tmp_path / "parts", resume_from=newest[-1])
        assert result.steps == 12
    assert weights_in(tmp_path / "parts") == weights_in(tmp_path / "whole")


def test_the_reward_of_an_ensemble_is_the_mean_of_its_members(
    folder: Path, pairs: list[TokenPair], tmp_path: Path
) -> None:
    run(folder, pairs, tmp_path / "members")
    tokenizer = load_tokenizer(folder)
    alone = [
        reward_scores(load_reward_model(folder, tmp_path / "members" / heads.member_name(number)), tokenizer, ITEMS)
        for number in range(3)
    ]
    ensemble = load_reward_model(folder, tmp_path / "members")
    together = reward_scores(ensemble, tokenizer, ITEMS)
    assert together == pytest.approx([sum(of_one) / 3 for of_one in zip(*alone, strict=True)], abs=1e-6)
    assert len({round(scores[0] - scores[1], 5) for scores in alone}) == 3
    save_adapter(ensemble, tmp_path / "again")
    assert reward_scores(load_reward_model(folder, tmp_path / "again"), tokenizer, ITEMS) == pytest.approx(together)
    with pytest.raises(ValueError, match="ensemble cannot be merged"):
        save_merged(ensemble, tokenizer, tmp_path / "merged")


def test_scores_by_member_keep_the_order_of_their_rows() -> None:
    rows = [[1] * 5, [2], [3] * 9, [4] * 2]
    found = heads.by_member(
        torch.nn.Linear(1, 1), rows, lambda some: torch.tensor([float(row[0]) for row in some]), batch_size=3
    )
    assert found.tolist() == [[1, 2, 3, 4]]
    assert heads.by_member(torch.nn.Linear(1, 1), [], lambda some: torch.zeros(0), batch_size=3).shape == (1, 0)
