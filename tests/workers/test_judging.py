"""Verdicts read off a model, and learned by it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers import judging
from workers.modeling import load_policy, load_tokenizer, prompt_ids
from workers.objectives.judge import verdict_loss
from workers.training import TrainingSettings, VerdictRow, Verdicts, train

SETTINGS = TrainingSettings(objective="verdict", learning_rate=3e-3, epochs=30, batch_size=8, micro_batch=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


def asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def row(
    tokenizer: Any, text: str, label: int, *, critique: str = "", weight: float = 1.0, end: bool = True
) -> VerdictRow:
    before, choices, _ = judging.split_at_verdict(tokenizer, critique, "AB")
    after = (tokenizer.eos_token_id,) if end else ()
    return VerdictRow(tuple(prompt_ids(tokenizer, asked(text))), before, choices, label, after, weight)


def learner(
    folder: Path, rows: list[VerdictRow], held_out: list[VerdictRow] | None = None, **options: float
) -> Verdicts:
    model = load_policy(folder)  # all of it is trained: a frozen random head cannot be sure of anything
    return Verdicts(model, rows, held_out or [], settings=replace(SETTINGS, options=options), pad_id=0)


def test_a_reading_is_the_models_own_probabilities_among_the_choices(folder: Path, tokenizer: Any) -> None:
    model = load_policy(folder)
    prompts = [asked("Which?"), asked("Which of the two answers is better?")]
    for messages, reading in zip(prompts, judging.read_choices(model, tokenizer, prompts, "ABC"), strict=True):
        logits = model(torch.tensor([prompt_ids(tokenizer, messages)])).logits[0, -1].detach()
        tokens = [tokenizer(letter, add_special_tokens=False).input_ids[0] for letter in "ABC"]
        assert reading.probabilities == pytest.approx(logits[tokens].softmax(0).tolist(), abs=1e-5)
        assert reading.mass == pytest.approx(float(logits.softmax(0)[tokens].sum()), abs=1e-6)
        assert reading.parsed and math.isclose(sum(reading.probabilities), 1)


def test_a_reading_does_not_depend_on_what_else_is_read(folder: Path, tokenizer: Any) -> None:
    model = load_policy(folder)
    alone = judging.read_choices(model, tokenizer, [asked("Which?")], "AB")[0]
    among = judging.read_choices(model, tokenizer, [asked("x" * 90), asked("Which?"), asked("y")], "AB", batch_size=3)[
        1
    ]
    assert among.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_a_verdict_of_several_tokens_is_refused(tokenizer: Any) -> None:
    with pytest.raises(judging.NoVerdictToken, match="ten, elf as one token each"):
        judging.split_at_verdict(tokenizer, "Score: ", ("ten", "elf"))
    with pytest.raises(judging.NoVerdictToken):
        judging.split_at_verdict(tokenizer, "", ("A", "A"))
    before, choices, after = judging.split_at_verdict(tokenizer, "Verdict: ", "AB", after="\n")
    assert tokenizer.decode([*before, choices[1], *after]) == "Verdict: B\n"


def test_both_orders_together_owe_nothing_to_a_place() -> None:
    always_a = (0.9, 0.1, 0.0)
    assert judging.both_orders(always_a, always_a) == pytest.approx((0.5, 0.5, 0.0))
    assert judging.both_orders((0.7, 0.2, 0.1), (0.3, 0.5, 0.2)) == pytest.approx((0.6, 0.25, 0.15))
    assert all(math.isnan(p) for p in judging.both_orders((math.nan,) * 3, always_a))


def test_a_reply_without_a_verdict_is_kept_and_not_parsed(folder: Path, tokenizer: Any) -> None:
    reading = judging.reason_then_read(
        load_policy(folder), tokenizer, [asked("Which?")], "AB", marker="Verdict:", max_new_tokens=5
    )[0]
    assert not reading.parsed and math.isnan(reading.probabilities[0]) and reading.mass == 0


def test_two_choices_and_nothing_else_written_is_the_yes_no_cross_entropy(folder: Path, tokenizer: Any) -> None:
    rows = [row(tokenizer, "Is it so?", 0, end=False), row(tokenizer, "And this, is it so?", 1, end=False)]
    losses = learner(folder, rows).losses("train", [0, 1], None).weighted
    model = load_policy(folder)
    for one, loss in zip(rows, losses, strict=True):
        yes, no = model(torch.tensor([one.prompt])).logits[0, -1][list(one.choices)].detach()
        expected = verdict_loss(yes[None], no[None], label=torch.tensor([1.0 - one.label]))
        assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_with_the_whole_vocabulary_it_is_the_likelihood_of_what_the_judge_writes(folder: Path, tokenizer: Any) -> None:
    one = row(tokenizer, "Which?", 1, critique="The first is short.\n\nVerdict: ")
    companion = row(tokenizer, "And which of these two, then?", 0)
    found = learner(folder, [one, companion], whole=1.0, prose=1.0).losses("train", [0, 1], None).weighted[0]
    written = [*one.before, one.choices[1], *one.after]
    logits = load_policy(folder)(torch.tensor([[*one.prompt, *written]])).logits[0]
    nll = -logits[len(one.prompt) - 1 : -1].log_softmax(-1)[torch.arange(len(written)), torch.tensor(written)].detach()
    verdict = len(one.before)
    prose = torch.cat([nll[:verdict], nll[verdict + 1 :]]).mean()
    assert found.item() == pytest.approx(float(nll[verdict] + prose), abs=1e-5)


def test_a_rows_weight_is_its_share_of_the_loss(folder: Path, tokenizer: Any) -> None:
    rows = [row(tokenizer, "Which?", 0, weight=0.5), row(tokenizer, "Which?", 0)]
    half, whole = learner(folder, rows).losses("train", [0, 1], None).weighted.tolist()
    assert half == pytest.approx(whole / 2)


@pytest.mark.parametrize("whole", [0.0, 1.0])
def test_a_judge_learns_what_is_right_and_says_how_sure_it_is(folder: Path, tokenizer: Any, whole: float) -> None:
    """The better answer has the exclamation mark. Held-out questions are others, in both orders as well."""

    def rows(start: int, count: int) -> list[VerdictRow]:
        texts = [(f"{number} no!", 1) for number in range(start, start + count)]
        texts += [(f"{number}! no", 0) for number in range(start, start + count)]
        return [row(tokenizer, text, label) for text, label in texts]

    judge = learner(folder, rows(10, 24), rows(60, 12), whole=whole)
    measured: list[dict[str, float]] = []
    result = train(judge, on_step=lambda step, total, metrics: measured.append(metrics))
    before, after = measured[0], result.evaluation
    assert after is not None and after.accuracy > max(0.9, before["held_out_accuracy"])
    # Only against the whole vocabulary does a judge learn that a letter is what is asked for.
    assert (after.metrics["mass"] > 0.9) == bool(whole) and before["held_out_mass"] < 0.5
    assert after.metrics["confidence"] > before["held_out_confidence"]
