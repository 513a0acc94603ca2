"""Learners of texts, single answers, joint pairs, groups and edits: what they reduce to, and that they learn."""

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
from workers.modeling import add_lora, load_policy
from workers.objectives.figa import token_weighted_loss
from workers.objectives.kto import kto_loss
from workers.pairs import TokenPair
from workers.training import TrainingSettings, train
from workers.training.divergence import Divergence
from workers.training.edits import Edits, TokenEdit
from workers.training.groups import Groups, TokenGroup
from workers.training.joint import JointPair, JointPairs
from workers.training.learner import Learner
from workers.training.pairs import PolicyPairs
from workers.training.texts import Texts, TokenText
from workers.training.unpaired import TokenAnswer, Unpaired

EOS = 2
SETTINGS = TrainingSettings(
    objective="own", learning_rate=1e-2, epochs=4, batch_size=4, micro_batch=2, eval_every=4, options={"beta": 0.1}
)


def ids(text: str) -> tuple[int, ...]:
    return tuple(3 + byte for byte in text.encode())


PROMPTS = [ids(f"Question {number}?") for number in range(12)]
GOOD = [(*ids("Yes." + "!" * (number % 3)), EOS) for number in range(12)]
BAD = [(*ids("Perhaps, perhaps" + " not" * (number % 2)), EOS) for number in range(12)]
ROWS: dict[type[Learner[Any]], list[Any]] = {
    Texts: [TokenText(prompt, good) for prompt, good in zip(PROMPTS, GOOD, strict=True)],
    Unpaired: [
        TokenAnswer(prompt, side, side is good)
        for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)
        for side in (good, bad)
    ],
    JointPairs: [
        JointPair(prompt, good, other, bad)
        for prompt, other, good, bad in zip(PROMPTS, PROMPTS[1:] + PROMPTS[:1], GOOD, BAD, strict=True)
    ],
    Groups: [
        TokenGroup(prompt, (good, bad, (*bad[:7], EOS)), (1.0, 0.2, 0.1), (True, False, False))
        for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)
    ],
    Edits: [
        TokenEdit(prompt, bad, (*[-0.5] * (len(bad) - 1), 0.0), good, (1.0,) * len(good))
        for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make(kind: type[Learner[Any]], folder: Path, *, rows: list[Any] | None = None, full: bool = False,
         dropout: float = 0.0, **settings: Any) -> Any:  # fmt: skip
    model = load_policy(folder)
    if not full:
        model = add_lora(model, rank=4, alpha=8, dropout=dropout, seed=5)
    rows = ROWS[kind] if rows is None else rows
    return kind(model, rows, rows[:6], settings=replace(SETTINGS, **settings), pad_id=0)


def losses(learner: Any, **how: Any) -> list[float]:
    found: list[float] = []
    train(learner, on_step=lambda step, total, metrics: found.append(metrics.get("loss", -1.0)), **how)
    return [one for one in found if one >= 0]


def weights(learner: Any) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in learner.model.named_parameters() if one.requires_grad}


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_it_gets_better_on_held_out_rows(folder: Path, kind: type[Learner[Any]], full: bool) -> None:
    learner = make(kind, folder, full=full, learning_rate=2e-3 if full else 1e-2)
    seen: list[dict[str, float]] = []
    result = train(learner, on_step=lambda step, total, metrics: seen.append(metrics))
    assert result.evaluation is not None
    assert result.evaluation.loss < seen[0]["held_out_loss"]
    if kind is not Texts:
        assert result.evaluation.accuracy >= seen[0]["held_out_accuracy"] and result.evaluation.accuracy > 0.9
    if kind in (Unpaired, JointPairs, Groups):
        assert seen[0]["held_out_kl"] == pytest.approx(0.0, abs=1e-5), "at the start it is its own reference"
        assert result.evaluation.metrics["kl"] > 1e-3


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_micro_batches_change_memory_and_not_the_result(folder: Path, kind: type[Learner[Any]]) -> None:
    whole, parts = (make(kind, folder, batch_size=7, micro_batch=size, epochs=2) for size in (7, 2))
    assert losses(whole) == pytest.approx(losses(parts), abs=1e-5)


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_a_resumed_run_ends_like_an_uninterrupted_one(folder: Path, tmp_path: Path, kind: type[Learner[Any]]) -> None:
    straight = make(kind, folder, dropout=0.3)
    expected = train(straight)

    def save(step: int, write: Callable[[Path], None]) -> None:
        write(tmp_path)

    asked = itertools.count()
    stopped = train(make(kind, folder, dropout=0.3), should_stop=lambda: next(asked) == 5, save_checkpoint=save)
    assert stopped.stopped
    resumed = make(kind, folder, dropout=0.3)
    # As text: of a row without a right order the numbers are NaN, which equals nothing.
    assert repr(train(resumed, resume_from=tmp_path)) == repr(expected)
    for name, one in weights(straight).items():
        assert torch.equal(one, weights(resumed)[name]), name


def test_texts_are_a_mean_over_tokens_and_rows_count_by_weight(folder: Path) -> None:
    rows = [replace(ROWS[Texts][0], weight=0.5), replace(ROWS[Texts][3], weights=(0.0, 1.0, 1.0, 2.0, 1.0)[:5])]
    learner = make(Texts, folder, rows=rows)
    found = learner.losses("train", [0, 1], None).weighted.sum() / sum(learner.weight(row) for row in rows)
    logits = [learner.model(torch.tensor([[*row.prompt, *row.completion]])).logits[0] for row in rows]
    total, count = 0.0, 0.0
    for row, one in zip(rows, logits, strict=True):
        for place, token in enumerate(row.completion):
            weight = row.token_weights[place]
            total -= weight * float(one[len(row.prompt) - 1 + place].detach().log_softmax(-1)[token])
            count += weight
    assert float(found) == pytest.approx(total / count, abs=1e-5)


def test_joint_pairs_with_one_prompt_are_dpo(folder: Path) -> None:
    same = [JointPair(prompt, good, prompt, bad) for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)]
    pairs = [TokenPair(prompt, good, bad) for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)]
    ours = losses(make(JointPairs, folder, rows=same))
    assert ours == pytest.approx(losses(make(PolicyPairs, folder, rows=pairs, objective="dpo")), abs=1e-5)
    assert max(ours) - min(ours) > 1e-2


def test_a_group_of_two_without_rewards_is_dpo(folder: Path) -> None:
    two = [
        TokenGroup(prompt, (bad, good), (0.0, 9.0), (False, True))
        for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)
    ]
    pairs = [TokenPair(prompt, good, bad) for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)]
    ours = losses(make(Groups, folder, rows=two, options={"beta": 0.1, "alpha": 0.0}))
    assert ours == pytest.approx(losses(make(PolicyPairs, folder, rows=pairs, objective="dpo")), abs=1e-5)


def test_edits_with_nothing_taken_out_are_supervised_fine_tuning(folder: Path) -> None:
    added = [
        TokenEdit(prompt, bad, (0.0,) * len(bad), good, (1.0,) * len(good))
        for prompt, good, bad in zip(PROMPTS, GOOD, BAD, strict=True)
    ]
    # One batch: the order of batches follows the length of all that a row holds.
    ours = losses(make(Edits, folder, rows=added, batch_size=12))
    assert ours == pytest.approx(losses(make(Texts, folder, batch_size=12)), abs=1e-5)


def test_removed_tokens_count_only_where_the_model_was_sure(folder: Path) -> None:
    learner = make(Edits, folder, options={"sure": 5.55})  # some tokens of a random model are below, some above
    batch = list(range(8))
    constants = learner.constants("train", batch)
    log_probs, all_weights = [], []
    for index in batch:
        row = learner.rows["train"][index]
        for text, weight in ((row.revised, row.revised_weights), (row.original, row.original_weights)):
            (found,) = learner._log_probs([(row.prompt, text)])
            keep = torch.tensor([w > 0 or -float(lp) <= 5.55 for w, lp in zip(weight, found, strict=True)])
            log_probs.append(found)
            all_weights.append(torch.tensor(weight) * keep)
    flat = torch.cat(all_weights)
    assert 0 < int((flat < 0).sum()) < sum(len(one) - 1 for one in BAD[:8])
    expected = token_weighted_loss(torch.cat(log_probs), flat)
    found = learner.losses("train", batch, constants).weighted.sum() / len(batch)
    assert float(found) == pytest.approx(float(expected), abs=1e-5)


def test_the_kl_of_a_batch_is_of_prompts_with_the_answers_of_others(folder: Path) -> None:
    learner = make(Unpaired, folder)
    train(learner)
    batch = [0, 1, 2, 3, 4, 5]
    matches = learner._matches("held_out", batch)
    rows = learner.rows["held_out"]
    assert all(rows[one].prompt != rows[other].prompt for one, other in matches)
    assert sorted(other for _, other in matches) == batch, "each answer is used once"
    learner.mismatched["held_out"] = dict(
        zip(matches, learner.measure_reference([learner._mismatch("held_out", one) for one in matches], None).tolist(),
            strict=True)
    )  # fmt: skip
    with torch.no_grad():
        now = learner.log_probs_of([learner._mismatch("held_out", one) for one in matches])
    reference = torch.tensor([learner.mismatched["held_out"][one] for one in matches])
    kl = max(0.0, float((now - reference).mean()))
    assert learner.constants("held_out", batch) == pytest.approx(kl, abs=1e-4)
    found = learner.losses("held_out", batch, 0.7).weighted
    expected = kto_loss(
        learner.log_probs(rows), learner.reference_of("held_out", batch),
        good=torch.tensor([row.good for row in rows]), kl=0.7, beta=0.1,
    )  # fmt: skip
    assert torch.allclose(found, expected, atol=1e-5)
    assert learner.constants("held_out", [0]) == 0.0


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_the_divergence_is_that_of_the_two_distributions(folder: Path, full: bool) -> None:
    model = load_policy(folder)
    if not full:
        model = add_lora(model, rank=4, alpha=8, seed=5)
    written = list(zip(PROMPTS[:4], BAD[:4], strict=True))
    measured = Divergence(model, written, pad_id=0, at_once=3)
    assert measured.measure() == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        for number, weight in enumerate(one for one in model.parameters() if one.requires_grad):
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.05)
    before, total, count = load_policy(folder), 0.0, 0
    with torch.no_grad():
        for prompt, completion in written:
            row = torch.tensor([[*prompt, *completion]])
            now, then = (one(row).logits[0, len(prompt) - 1 : -1].log_softmax(-1) for one in (model, before))
            total += float((now.exp() * (now - then)).sum())
            count += len(completion)
    assert total / count > 1e-3
    assert measured.measure() == pytest.approx(total / count, rel=1e-3)


GOLDEN: dict[type[Learner[Any]], list[float]] = {
    Texts: [5.464736, 5.471588, 5.412471, 5.341881, 5.330108],
    Unpaired: [0.5, 0.5, 0.490507, 0.500013, 0.441913],
    JointPairs: [0.693147, 0.667556, 0.613289, 0.553708, 0.506576],
    Groups: [0.618369, 0.600854, 0.55903, 0.516891, 0.483846],
    Edits: [5.48718, 5.46832, 5.387073, 5.332637, 5.298526],
}
"""The first five losses as they were measured once, in float32 on a processor."""


@pytest.mark.parametrize("kind", GOLDEN, ids=lambda kind: kind.__name__)
def test_the_losses_are_those_of_the_golden_run(folder: Path, kind: type[Learner[Any]]) -> None:
    assert losses(make(kind, folder))[:5] == pytest.approx(GOLDEN[kind], abs=1e-4)
