"""Text to tokens and back, sampling and scoring, on a tiny random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers.modeling import (
    Conversation,
    Decoding,
    add_lora,
    completion_ids,
    completion_log_probs,
    convert_packaged_model,
    generate,
    last_token_scores,
    load_policy,
    load_reward_model,
    load_tokenizer,
    prompt_ids,
    render_prompt,
    reward_scores,
    save_adapter,
    save_merged,
)

ASK = [{"role": "user", "content": "Why is the sea salty?"}]
LONG_ASK = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "למה יש גלים בים?"},
    {"role": "assistant", "content": "בגלל הרוח."},
    {"role": "user", "content": "为什么天空是蓝色的？"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.fixture
def model(folder: Path) -> Any:
    return load_policy(folder)


def test_a_converted_model_is_kept(folder: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert convert_packaged_model(folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_padding_can_be_told_from_the_end_of_a_turn(tokenizer: Any) -> None:
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_prompt_ends_where_the_assistant_begins(tokenizer: Any) -> None:
    assert render_prompt(tokenizer, ASK).endswith("<|im_start|>assistant\n")
    with pytest.raises(ValueError, match="user"):
        render_prompt(tokenizer, [*ASK, {"role": "assistant", "content": "Minerals."}])


def test_a_finished_response_has_exactly_one_end_of_turn(tokenizer: Any) -> None:
    eos = tokenizer.eos_token_id
    for text in ("Minerals.", "Minerals.<|im_end|>", "Minerals.<|im_end|><|im_end|>", ""):
        ids = completion_ids(tokenizer, text, True)
        assert ids.count(eos) == 1 and ids[-1] == eos


def test_a_cut_response_has_no_end_of_turn(tokenizer: Any) -> None:
    assert tokenizer.eos_token_id not in completion_ids(tokenizer, "Because the rivers car", False)


@pytest.mark.parametrize("text", ["Plain.", " two  spaces ", "שלום, עולם", "今日は。", "नमस्ते", "a\n- b\n"])
def test_text_survives_the_tokens(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(completion_ids(tokenizer, text, True), skip_special_tokens=True) == text


def test_sampling_is_the_same_for_the_same_seed(model: Any, tokenizer: Any) -> None:
    settings = Decoding(temperature=1.0, top_p=1.0, max_new_tokens=8)
    prompts = [ASK, LONG_ASK, ASK]
    first = generate(model, tokenizer, prompts, settings=settings, seed=1, batch_size=2)
    assert first == generate(model, tokenizer, prompts, settings=settings, seed=1, batch_size=2)
    assert first != generate(model, tokenizer, prompts, settings=settings, seed=2, batch_size=2)
    assert first[0] != first[2], "the same prompt twice is two draws"


def test_sampling_leaves_the_random_state_alone(model: Any, tokenizer: Any) -> None:
    before = torch.get_rng_state()
    generate(model, tokenizer, [ASK], settings=Decoding(max_new_tokens=2), seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_greedy_answers_do_not_depend_on_the_batch(model: Any, tokenizer: Any) -> None:
    settings = Decoding(temperature=0, max_new_tokens=8)
    together = generate(model, tokenizer, [ASK, LONG_ASK], settings=settings, seed=0, batch_size=2)
    alone = [generate(model, tokenizer, [one], settings=settings, seed=0)[0] for one in (ASK, LONG_ASK)]
    assert together == alone


def test_a_sample_says_how_it_ended(model: Any, tokenizer: Any) -> None:
    [cut] = generate(model, tokenizer, [ASK], settings=Decoding(temperature=0, max_new_tokens=5), seed=0)
    assert (cut.finish_reason, cut.tokens) == ("length", 5)
    _always_say(model, tokenizer.eos_token_id)
    [ended] = generate(model, tokenizer, [ASK], settings=Decoding(temperature=0, max_new_tokens=5), seed=0)
    assert (ended.finish_reason, ended.tokens, ended.text) == ("stop", 0, "")


def _always_say(model: Any, token: int) -> None:
    output = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size)
    torch.nn.init.zeros_(output.weight)
    torch.nn.init.zeros_(output.bias)
    output.bias.data[token] = 10.0
    model.lm_head = output


def test_progress_is_told_and_the_order_of_prompts_kept(model: Any, tokenizer: Any) -> None:
    seen: list[tuple[int, int]] = []
    settings = Decoding(temperature=0, max_new_tokens=3)
    samples = generate(
        model,
        tokenizer,
        [ASK, LONG_ASK, ASK],
        settings=settings,
        seed=0,
        batch_size=2,
        on_batch=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 3), (3, 3)]
    assert samples[0] == samples[2]


def test_log_probs_are_those_of_the_full_model(model: Any, tokenizer: Any) -> None:
    prompt, completion = prompt_ids(tokenizer, ASK), completion_ids(tokenizer, "Salt.", True)
    with torch.no_grad():
        ours = completion_log_probs(model, [prompt], [completion], pad_id=tokenizer.pad_token_id)
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    expected = sum(logits[len(prompt) - 1 + k, token].item() for k, token in enumerate(completion))
    assert ours.item() == pytest.approx(expected, abs=1e-4)


def test_a_response_scores_the_same_alone_and_in_a_padded_batch(model: Any, folder: Path, tokenizer: Any) -> None:
    prompts = [prompt_ids(tokenizer, ASK), prompt_ids(tokenizer, LONG_ASK)]
    completions = [completion_ids(tokenizer, "Yes.", True), completion_ids(tokenizer, "Light " * 9, False)]
    rows = [p + c for p, c in zip(prompts, completions, strict=True)]
    reward = load_reward_model(folder)
    torch.nn.init.normal_(reward.score.weight, generator=torch.Generator().manual_seed(3))
    pad_id = tokenizer.pad_token_id
    with torch.no_grad():
        together = completion_log_probs(model, prompts, completions, pad_id=pad_id)
        scores = last_token_scores(reward, rows, pad_id=pad_id)
        for index in range(2):
            alone = completion_log_probs(model, [prompts[index]], [completions[index]], pad_id=pad_id)
            assert alone.item() == pytest.approx(together[index].item(), abs=1e-4)
            score = last_token_scores(reward, [rows[index]], pad_id=pad_id)
            assert score.item() == pytest.approx(scores[index].item(), abs=1e-5)


def test_a_new_reward_model_scores_zero(folder: Path, tokenizer: Any) -> None:
    scores = reward_scores(load_reward_model(folder), tokenizer, [Conversation(ASK, "Yes."), Conversation(ASK, "")])
    assert scores == [0.0, 0.0]


def test_a_reward_model_comes_back_as_it_was_saved(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    model = add_lora(load_reward_model(folder), rank=2, seed=1)
    with torch.no_grad():
        for index, weight in enumerate(w for w in model.parameters() if w.requires_grad):
            weight.normal_(std=0.2, generator=torch.Generator().manual_seed(index))
    model.eval()
    items = [Conversation(ASK, "Yes."), Conversation(LONG_ASK, "No, never.", finished=False)]
    expected = reward_scores(model, tokenizer, items)
    assert expected[0] != expected[1]
    save_adapter(model, tmp_path / "adapter")
    assert reward_scores(load_reward_model(folder, tmp_path / "adapter"), tokenizer, items) == expected
    save_merged(model, tokenizer, tmp_path / "merged")
    merged = load_reward_model(tmp_path / "merged")
    assert reward_scores(merged, tokenizer, items) == pytest.approx(expected, abs=1e-5)


def test_a_policy_adapter_comes_back_as_it_was_saved(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    model = add_lora(load_policy(folder), rank=2)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.2)
    save_adapter(model, tmp_path)
    settings = Decoding(temperature=0, max_new_tokens=6)
    tuned = generate(model.eval(), tokenizer, [ASK], settings=settings, seed=0)
    assert generate(load_policy(folder, tmp_path), tokenizer, [ASK], settings=settings, seed=0) == tuned


def test_lora_on_the_last_layers_leaves_the_others_alone(folder: Path) -> None:
    model = add_lora(load_policy(folder), rank=2, last_layers=1)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all(".layers.2." in name for name in trained)
    with pytest.raises(ValueError, match="last_layers"):
        add_lora(load_policy(folder), last_layers=4)
