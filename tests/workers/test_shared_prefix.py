"""Shared prefixes give what two rows a pair give: values, gradients and whole runs; and what cannot falls back."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from tests.workers.tiny import make_tiny_model
from workers.engine.attention import Unsupported
from workers.engine.packing import shared_row
from workers.engine.prefix import PairEngine, shared_prefix_log_probs, why_not_shared
from workers.modeling import add_lora, completion_log_probs, load_policy
from workers.pairs import TokenPair
from workers.training import TrainingSettings, train_pairs

PAD = 2  # the end of a turn as well, as SmolLM2 has it
SETTINGS = TrainingSettings(objective="dpo", learning_rate=5e-3, batch_size=4, micro_batch=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make_pairs(count: int, *, seed: int = 0, longest: int = 12) -> list[TokenPair]:
    """Random tokens, each completion ended by PAD; every third pair begins alike on both sides."""
    source = random.Random(seed)

    def tokens(least: int) -> tuple[int, ...]:
        return tuple(source.choices(range(3, 250), k=source.randint(least, longest)))

    pairs = []
    for number in range(count):
        common = tokens(1) if number % 3 == 0 else ()
        pairs.append(TokenPair(tokens(1), (*common, *tokens(1), PAD), (*common, *tokens(0), PAD)))
    return pairs


def policy(folder: Path, **options: Any) -> Any:
    return add_lora(load_policy(folder), rank=4, alpha=8, seed=5, **options)


def gradients(model: Any) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def llama(**options: Any) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SMALL, num_key_value_heads=2, **options)).eval()


SMALL: dict[str, Any] = {
    "vocab_size": 259, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def test_a_row_holds_the_common_beginning_once_and_no_last_token() -> None:
    row = shared_row(TokenPair(prompt=(10, 11), chosen=(5, 6, 7, PAD), rejected=(5, 8, PAD)))
    assert row.ids == (10, 11, 5, 6, 7, 8)
    assert row.positions == (0, 1, 2, 3, 4, 3)
    assert (row.beginning, row.rejected_at) == (3, 5)
    assert row.chosen_before == (1, 2, 3, 4)  # of 5, 6, 7, end
    assert row.rejected_before == (1, 2, 5)  # of 5, 8, end


def test_a_completion_that_continues_the_other_has_its_own_end() -> None:
    row = shared_row(TokenPair(prompt=(10,), chosen=(5,), rejected=(5, 6)))
    assert row.ids == (10, 5) and row.positions == (0, 1)
    assert row.chosen_before == (0,) and row.rejected_before == (0, 1)


def test_the_rejected_side_does_not_see_the_chosen_one() -> None:
    """Nor any pair another: what stands before it in the pack changes nothing of what is computed for it."""
    model = llama()
    first, second = shared_prefix_log_probs(model, [TokenPair((10,), (5, 6, PAD), (7, 8, PAD))]).tolist()
    other = shared_prefix_log_probs(model, [TokenPair((10,), (9, 30, 31, PAD), (7, 8, PAD))]).tolist()
    assert other[1] == pytest.approx(second, abs=1e-5) and abs(other[0] - first) > 1e-3


@pytest.mark.parametrize(
    "make_model",
    [
        lambda: llama(),
        lambda: llama(attn_implementation="eager"),
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=259, n_embd=32, n_layer=2, n_head=4)).eval(),
        lambda: MistralForCausalLM(MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=64)).eval(),
    ],
    ids=["llama", "eager", "gpt2", "mistral"],
)
def test_values_and_gradients_are_those_of_plain_pairs(make_model: Callable[[], Any]) -> None:
    pairs, model = make_pairs(9), make_model()
    weights = torch.linspace(-1, 1, 2 * len(pairs))  # each value has a gradient of its own
    found = []
    for shared in (False, True):
        model.zero_grad()
        values = PairEngine(model, pad_id=PAD, shared=shared).log_probs(pairs)
        (values * weights).sum().backward()
        found.append((values.detach(), gradients(model)))
    (plain, plain_gradients), (shared, shared_gradients) = found
    assert torch.allclose(plain, shared, atol=1e-4), (plain - shared).abs().max()
    assert plain_gradients.keys() == shared_gradients.keys()
    for name, gradient in plain_gradients.items():
        assert torch.allclose(gradient, shared_gradients[name], atol=1e-4), name


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "plain"])
def test_companions_and_padding_change_nothing(shared: bool) -> None:
    """Packing on is packing off: a pair by itself has the values that it has among others."""
    model, pairs = llama(), make_pairs(6)
    together = PairEngine(model, pad_id=PAD, shared=shared).log_probs(pairs).view(2, -1)
    other_pad = PairEngine(model, pad_id=77, shared=shared).log_probs(pairs).view(2, -1)
    for index, pair in enumerate(pairs):
        alone = PairEngine(model, pad_id=PAD, shared=shared).log_probs([pair])
        assert torch.allclose(alone, together[:, index], atol=1e-5)
    assert torch.allclose(together, other_pad, atol=1e-5)


def test_left_padded_rows_of_the_whole_model_give_the_same() -> None:
    """Against transformers' own forward, padded on the left, all logits: nothing of ours but the sum."""
    model, pairs = llama(), make_pairs(4)
    rows = [(pair.prompt, pair.chosen) for pair in pairs] + [(pair.prompt, pair.rejected) for pair in pairs]
    longest = max(len(prompt) + len(completion) for prompt, completion in rows)
    expected = []
    for prompt, completion in rows:
        gap = longest - len(prompt) - len(completion)
        ids = torch.tensor([[PAD] * gap + [*prompt, *completion]])
        mask = (torch.arange(longest) >= gap).long().unsqueeze(0)
        positions = (torch.arange(longest) - gap).clamp(min=0).unsqueeze(0)
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[0].log_softmax(dim=-1)
        at = torch.arange(longest - len(completion), longest)
        expected.append(logits[at - 1, torch.tensor(completion)].sum())
    assert torch.allclose(shared_prefix_log_probs(model, pairs), torch.stack(expected), atol=1e-4)


def test_logits_are_scaled_and_capped_as_the_model_does() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.5, sliding_window=64)
    model = Gemma2ForCausalLM(config).eval()
    prompt, completion = (5, 6), (7, 8)
    logits = model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(dim=-1)
    expected = logits[[1, 2], [7, 8]].sum()
    assert completion_log_probs(model, [prompt], [completion], pad_id=0).item() == pytest.approx(
        expected.item(), abs=1e-5
    )


def test_no_prompt_is_refused() -> None:
    pair = TokenPair((), (5, PAD), (6, PAD))
    for shared in (False, True):
        with pytest.raises(ValueError, match="prompt has no token"):
            PairEngine(llama(), pad_id=PAD, shared=shared).log_probs([pair])


def losses_of(model: Any, pairs: list[TokenPair], settings: TrainingSettings, **options: Any) -> list[float]:
    losses: list[float] = []
    train_pairs(
        model, pairs, settings=settings, pad_id=PAD,
        on_step=lambda step, total, metrics: losses.append(metrics["loss"]), **options,
    )  # fmt: skip
    return losses


@pytest.mark.parametrize("objective", ["dpo", "ipo"])
def test_ten_steps_have_the_losses_of_plain_pairs(folder: Path, objective: str) -> None:
    pairs = make_pairs(40)
    settings = replace(SETTINGS, objective=objective, learning_rate=1e-3 if objective == "ipo" else 5e-3)
    shared = losses_of(policy(folder), pairs, settings)
    plain = losses_of(policy(folder), pairs, replace(settings, shared_prefix=False))
    assert len(shared) == len(plain) == 10
    assert shared == pytest.approx(plain, abs=1e-4)
    assert max(shared) - min(shared) > 1e-3  # they move, so that agreeing means something


def test_a_run_says_how_it_computes(folder: Path) -> None:
    notes: list[str] = []
    losses_of(policy(folder), make_pairs(4), SETTINGS, on_note=notes.append)
    assert notes == ["Each prompt is read once for both of its responses"]
    losses_of(policy(folder), make_pairs(4), replace(SETTINGS, shared_prefix=False), on_note=notes.append)
    assert len(notes) == 1


def test_a_model_that_is_not_supported_trains_on_plain_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sinks(*args: Any, **options: Any) -> Any:
        raise Unsupported("its attention needs s_aux")

    model, pairs = policy(folder), make_pairs(12)
    notes: list[str] = []
    plain = losses_of(policy(folder), pairs, replace(SETTINGS, shared_prefix=False))
    monkeypatch.setattr("workers.engine.attention._pieces", sinks)
    assert losses_of(model, pairs, SETTINGS, on_note=notes.append) == plain
    assert "read twice" in notes[0] and "needs s_aux" in notes[0]


def test_a_model_that_computes_something_else_is_found_by_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, model = make_pairs(6), llama()
    assert why_not_shared(model, pairs, pad_id=PAD) is None

    def all_seen(now: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, dropout: float) -> Tensor:
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(query, key, value, scale=scaling, is_causal=True, enable_gqa=True)

    monkeypatch.setattr("workers.engine.attention._pieces", all_seen)
    assert "something else" in (why_not_shared(model, pairs, pad_id=PAD) or "")


def test_memory_that_runs_out_is_no_reason_for_another_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("workers.engine.attention._pieces", full)
    with pytest.raises(torch.OutOfMemoryError):
        why_not_shared(llama(), make_pairs(4), pad_id=PAD)


def test_capped_scores_are_named() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    model = Gemma2ForCausalLM(Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=8, sliding_window=64)).eval()
    assert why_not_shared(model, make_pairs(4), pad_id=PAD) == "its attention needs softcap"


def test_a_window_shorter_than_a_row_is_plain() -> None:
    torch.manual_seed(0)
    model = MistralForCausalLM(MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=8)).eval()
    assert "slides over 8 tokens" in (why_not_shared(model, make_pairs(20), pad_id=PAD) or "")


def test_alibi_has_no_positions_to_repeat() -> None:
    from transformers import BloomConfig, BloomForCausalLM

    model = BloomForCausalLM(BloomConfig(vocab_size=259, hidden_size=32, n_layer=2, n_head=4)).eval()
    assert why_not_shared(model, make_pairs(4), pad_id=PAD) is not None


def test_asking_leaves_the_model_in_its_mode_and_chance_alone() -> None:
    model = llama().train()
    before = torch.get_rng_state()
    why_not_shared(model, make_pairs(4), pad_id=PAD)
    assert model.training and torch.equal(before, torch.get_rng_state())
