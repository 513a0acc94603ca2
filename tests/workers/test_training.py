"""The training loop on a tiny model: what it learns from, and that an interruption changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.workers.tiny import make_tiny_model
from workers.modeling import add_lora, completion_log_probs, load_policy, load_reward_model, load_tokenizer
from workers.pairs import PairCounts, PreferencePair, TokenPair, epoch_batches, tokenize_pairs, total_steps
from workers.training import TrainingSettings, learning_rate_at, train_pairs

SETTINGS = TrainingSettings(objective="dpo", learning_rate=1e-2, epochs=2, batch_size=4, micro_batch=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def pairs(tokenizer: Any) -> list[TokenPair]:
    written = [
        PreferencePair(
            messages=[{"role": "user", "content": f"Question {number}?"}],
            chosen="Yes." + "!" * (number % 3),
            rejected="Perhaps, perhaps" + " not" * (number % 4),
            rejected_finished=False,
        )
        for number in range(14)
    ]
    return tokenize_pairs(tokenizer, written, max_tokens=200)[0]


def policy(folder: Path, *, dropout: float = 0.0) -> Any:
    return add_lora(load_policy(folder), rank=4, alpha=8, dropout=dropout, seed=5)


def trained_weights(model: Any) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def run(model: Any, pairs: list[TokenPair], settings: TrainingSettings, **options: Any) -> Any:
    return train_pairs(model, pairs, settings=settings, pad_id=0, **options)


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_pairs_that_teach_nothing_are_counted_not_hidden(tokenizer: Any) -> None:
    ask = [{"role": "user", "content": "Well?"}]
    written = [
        PreferencePair(ask, "Yes.", "No."),
        PreferencePair(ask, "Yes.", "Yes."),
        PreferencePair(ask, "Yes.", "Yes.", rejected_finished=False),  # one ended there, one was cut
        PreferencePair(ask, "", "No.", chosen_finished=False),
        PreferencePair(ask, "Yes.", "No. " * 50),
    ]
    kept, counts = tokenize_pairs(tokenizer, written, max_tokens=100)
    assert counts == PairCounts(read=5, used=2, same=1, empty=1, too_long=1)
    assert len(kept) == 2


def test_each_epoch_sees_each_pair_once_in_another_order(pairs: list[TokenPair]) -> None:
    first = epoch_batches(pairs, batch_size=4, seed=1, epoch=0)
    assert sorted(index for batch in first for index in batch) == list(range(len(pairs)))
    assert first == epoch_batches(pairs, batch_size=4, seed=1, epoch=0)
    assert first != epoch_batches(pairs, batch_size=4, seed=1, epoch=1)
    assert first != epoch_batches(pairs, batch_size=4, seed=2, epoch=0)
    assert len(first) == 4 and total_steps(pairs, batch_size=4, epochs=1.5) == 6


def test_dpo_learns_the_pairs_and_starts_at_ln_2(folder: Path, pairs: list[TokenPair]) -> None:
    seen: list[tuple[int, int, dict[str, float]]] = []
    result = run(
        policy(folder),
        pairs,
        replace(SETTINGS, epochs=5),
        held_out=pairs[:6],
        on_step=lambda step, total, metrics: seen.append((step, total, metrics)),
    )
    assert seen[0][2]["held_out_loss"] == pytest.approx(0.6931472, abs=1e-5)
    assert seen[0][2]["held_out_accuracy"] == pytest.approx(0.5)
    assert [step for step, _, _ in seen] == list(range(21)) and result.steps == result.total == 20
    assert result.evaluation.accuracy == 1.0 and result.evaluation.loss < 0.3
    assert len(result.evaluation.margins) == 6


@pytest.mark.parametrize("objective", ["ipo", "bradley_terry"])
def test_other_objectives_learn_too(folder: Path, pairs: list[TokenPair], objective: str) -> None:
    model = add_lora(load_reward_model(folder), rank=4) if objective == "bradley_terry" else policy(folder)
    settings = replace(SETTINGS, objective=objective, epochs=5)
    assert run(model, pairs, settings, held_out=pairs[:6]).evaluation.accuracy == 1.0


def test_the_reference_is_the_model_without_its_adapter(folder: Path, pairs: list[TokenPair]) -> None:
    model = policy(folder)
    with torch.no_grad():
        for weight in trained_weights(model):
            dict(model.named_parameters())[weight].normal_(std=0.1)
    seen: list[float] = []
    run(model, pairs, SETTINGS, held_out=pairs, on_step=lambda s, t, m: seen.append(m.get("held_out_loss", 0)))
    assert seen[0] != pytest.approx(0.6931472, abs=1e-3)  # an adapter that already differs from its reference


def test_prompt_tokens_are_not_in_the_loss(folder: Path, pairs: list[TokenPair]) -> None:
    model = load_policy(folder)
    prompt, completion = list(pairs[0].prompt), list(pairs[0].chosen)
    embedded: list[Tensor] = []
    model.lm_head.register_forward_hook(lambda module, args, output: embedded.append(output))
    completion_log_probs(model, [prompt], [completion], pad_id=0)
    assert embedded[0].shape[0] == len(completion)  # the head saw the completion's positions and no other


def test_micro_batches_add_up_to_the_whole_batch(folder: Path, pairs: list[TokenPair]) -> None:
    whole, parts = policy(folder), policy(folder)
    settings = replace(SETTINGS, batch_size=7, epochs=1, learning_rate=1e-3)
    run(whole, pairs, replace(settings, micro_batch=7))
    run(parts, pairs, replace(settings, micro_batch=3))  # 3 + 3 + 1
    for name, weight in trained_weights(whole).items():
        assert torch.allclose(weight, trained_weights(parts)[name], atol=1e-5), name


def _saver(root: Path) -> Callable[[int, Callable[[Path], None]], None]:
    def save(step: int, write: Callable[[Path], None]) -> None:
        folder = root / str(step)
        folder.mkdir()
        write(folder)

    return save


@pytest.mark.parametrize("kind", ["policy", "reward"])
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    folder: Path, pairs: list[TokenPair], tmp_path: Path, kind: str
) -> None:
    def fresh() -> Any:
        if kind == "policy":
            return policy(folder, dropout=0.3)
        return add_lora(load_reward_model(folder), rank=4, dropout=0.3, seed=5)

    settings = replace(SETTINGS, epochs=3, objective="dpo" if kind == "policy" else "bradley_terry")
    straight = fresh()
    expected = run(straight, pairs, settings, held_out=pairs[:5])
    stopped, steps = fresh(), iter(range(100))
    result = run(
        stopped,
        pairs,
        settings,
        held_out=pairs[:5],
        should_stop=lambda: next(steps) == 7,
        save_checkpoint=_saver(tmp_path),
    )
    assert result.stopped and result.steps == 7
    resumed = fresh()
    torch.manual_seed(999)  # whatever the new process drew before
    final = run(resumed, pairs, settings, held_out=pairs[:5], resume_from=tmp_path / "7")
    assert same(trained_weights(straight), trained_weights(resumed))
    assert final == expected


def test_checkpoints_are_written_when_due_and_do_not_change_the_run(
    folder: Path, pairs: list[TokenPair], tmp_path: Path
) -> None:
    plain, saving = policy(folder), policy(folder)
    run(plain, pairs, SETTINGS)
    run(saving, pairs, replace(SETTINGS, checkpoint_every=3), save_checkpoint=_saver(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "6"]
    assert same(trained_weights(plain), trained_weights(saving))


def test_a_checkpoint_of_another_run_is_refused(folder: Path, pairs: list[TokenPair], tmp_path: Path) -> None:
    settings = replace(SETTINGS, checkpoint_every=3)
    run(policy(folder), pairs, settings, save_checkpoint=_saver(tmp_path))
    with pytest.raises(ValueError, match="another run"):
        run(policy(folder), pairs[1:], settings, resume_from=tmp_path / "3")
    with pytest.raises(ValueError, match="another run"):
        run(policy(folder), pairs, replace(settings, learning_rate=1e-4), resume_from=tmp_path / "3")


def test_what_cannot_be_trained_is_refused(folder: Path, pairs: list[TokenPair]) -> None:
    with pytest.raises(ValueError, match="no rows"):
        run(policy(folder), [], SETTINGS)
    with pytest.raises(ValueError, match="objective"):
        run(policy(folder), pairs, replace(SETTINGS, objective="guess"))
    frozen = load_policy(folder).requires_grad_(False)
    with pytest.raises(ValueError, match="gradient"):
        run(frozen, pairs, SETTINGS)


def test_training_leaves_the_callers_random_state_alone(folder: Path, pairs: list[TokenPair]) -> None:
    before = torch.get_rng_state()
    run(policy(folder, dropout=0.1), pairs, replace(SETTINGS, epochs=1))
    assert torch.equal(before, torch.get_rng_state())


def test_patience_ends_a_run_that_gets_no_better_and_keeps_its_best_weights(
    folder: Path, pairs: list[TokenPair], tmp_path: Path
) -> None:
    """The held-out pairs are the training pairs the wrong way round: every step makes them worse."""
    backwards = [replace(pair, chosen=pair.rejected, rejected=pair.chosen) for pair in pairs[:6]]
    settings = replace(SETTINGS, epochs=5, eval_every=1, patience=3)
    model = policy(folder)
    untrained = trained_weights(model)
    result = run(model, pairs, settings, held_out=backwards)
    assert result.steps < result.total and not result.stopped
    assert result.best_step is not None and result.steps == result.best_step + 3
    if result.best_step == 0:
        assert same(trained_weights(model), untrained)
    again = policy(folder)
    kept = tmp_path / "checkpoint"

    def save(step: int, write: Callable[[Path], None]) -> None:
        kept.mkdir()
        write(kept)

    asked = itertools.count()
    run(again, pairs, settings, held_out=backwards, should_stop=lambda: next(asked) == 2, save_checkpoint=save)
    resumed = run(policy(folder), pairs, settings, held_out=backwards, resume_from=kept)
    assert (resumed.steps, resumed.best_step) == (result.steps, result.best_step)
    assert resumed.evaluation.loss == result.evaluation.loss


def test_a_gradient_that_is_no_number_ends_the_run_before_it_spoils_the_weights(
    folder: Path, pairs: list[TokenPair]
) -> None:
    model = policy(folder)
    weight = next(weight for weight in model.parameters() if weight.requires_grad)
    weight.register_hook(lambda gradient: gradient * torch.nan)
    before = trained_weights(model)
    with pytest.raises(FloatingPointError, match="gradient is nan at step 1"):
        run(model, pairs, SETTINGS)
    assert same(trained_weights(model), before)


def test_the_learning_rate_warms_up_and_falls() -> None:
    settings = TrainingSettings(learning_rate=1.0, warmup_share=0.2)
    rates = [learning_rate_at(step, total=20, settings=settings) for step in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[4:]))
    assert 0 < rates[-1] < 0.02
