"""Reward heads on decoders and encoders: what a score depends on, and what it must not depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from registry.specs import TrainRewardSpec
from tests.workers.tiny import make_tiny_model
from workers import encoding, heads, sources
from workers.modeling import (
    Conversation,
    add_lora,
    last_token_scores,
    load_reward_model,
    load_tokenizer,
    pad,
    prompt_ids,
    reward_scores,
    save_adapter,
    save_merged,
)
from workers.pairs import PreferencePair, tokenize_pairs
from workers.training import TrainingSettings, train_pairs

ASK = [{"role": "user", "content": "Why is the sea salty?"}]
ITEMS = [
    Conversation(ASK, "Rivers carry salt."),
    Conversation(ASK, "It is " + "very " * 20 + "salty."),
    Conversation([{"role": "system", "content": "Be brief."}, *ASK], "Minerals", finished=False),
]
SHAPE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}


def make_encoder(folder: Path, model: Any) -> Path:
    """An encoder's folder: a tokenizer with one token a character, and random weights."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {token: number for number, token in enumerate([*special, *map(chr, range(33, 127))])}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]", max_input_chars_per_word=1))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def bert() -> Any:
    return BertModel(BertConfig(vocab_size=100, max_position_embeddings=160, **SHAPE))


def roberta() -> Any:
    return RobertaModel(RobertaConfig(vocab_size=100, max_position_embeddings=162, pad_token_id=0, **SHAPE))


def distilbert() -> Any:
    return DistilBertModel(DistilBertConfig(vocab_size=100, dim=32, hidden_dim=64, n_heads=4, n_layers=2))


def modernbert() -> Any:
    return ModernBertModel(ModernBertConfig(vocab_size=100, pad_token_id=0, **SHAPE))


ENCODERS = {one.__name__: one for one in (bert, roberta, distilbert, modernbert)}


@pytest.fixture(params=["llama", *ENCODERS])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "llama":
        return make_tiny_model(tmp_path / "model")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_encoder(tmp_path / "model", ENCODERS[request.param]())


def stirred(model: Any, *, seed: int = 0) -> Any:
    """A model that tells texts apart: fresh ones are all but constant."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) / 4)
    return model


def tokens_of(tokenizer: Any) -> list[list[int]]:
    return [
        [*prompt_ids(tokenizer, item.messages), *tokenizer(item.response, add_special_tokens=False).input_ids]
        for item in ITEMS
    ]


def test_a_new_head_scores_zero_and_is_the_same_each_time(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    model = load_reward_model(folder)
    torch.manual_seed(77)
    again = load_reward_model(folder)
    assert reward_scores(model, tokenizer, ITEMS) == [0.0] * 3
    left, right = model.state_dict(), again.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_reward_is_independent_of_batch_size_and_companions(folder: Path) -> None:
    tokenizer, model = load_tokenizer(folder), stirred(load_reward_model(folder))
    alone = [reward_scores(model, tokenizer, [item])[0] for item in ITEMS]
    assert max(alone) - min(alone) > 5e-3
    for size in (1, 2, 16):
        assert reward_scores(model, tokenizer, ITEMS, batch_size=size) == pytest.approx(alone, abs=1e-4)
    assert reward_scores(model, tokenizer, ITEMS[::-1]) == pytest.approx(alone[::-1], abs=1e-4)


@pytest.mark.parametrize("left", [True, False])
def test_left_and_right_padding_give_the_same_score(tmp_path: Path, left: bool) -> None:
    """Ours against the model's own forward, which finds the last token itself."""
    folder = make_tiny_model(tmp_path / "model")
    tokenizer, model = load_tokenizer(folder), stirred(load_reward_model(folder))
    rows = tokens_of(tokenizer)
    model.config.pad_token_id = tokenizer.pad_token_id
    ids, mask = pad(rows, value=tokenizer.pad_token_id, left=left)
    with torch.no_grad():
        theirs = model(input_ids=ids, attention_mask=mask).logits[:, 0]
        ours = last_token_scores(model, rows, pad_id=tokenizer.pad_token_id)
    assert ours.tolist() == pytest.approx(theirs.tolist(), abs=1e-4)


def test_padding_that_equals_the_end_of_a_turn_gives_equal_rewards(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    tokenizer, model = load_tokenizer(folder), stirred(load_reward_model(folder))
    rows = [[*row, tokenizer.eos_token_id] for row in tokens_of(tokenizer)]
    with torch.no_grad():
        apart = last_token_scores(model, rows, pad_id=tokenizer.pad_token_id)
        alike = last_token_scores(model, rows, pad_id=tokenizer.eos_token_id)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert torch.equal(apart, alike)


def test_an_encoder_reads_a_conversation_and_a_response_as_two_segments(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_encoder(tmp_path / "model", bert()))
    written = tokenizer.convert_ids_to_tokens(prompt_ids(tokenizer, ASK))
    assert written[0] == "[CLS]" and written[-1] == "[SEP]" and written.count("[SEP]") == 1
    assert tokenizer.eos_token == "[SEP]" != tokenizer.pad_token


def pairs_of(tokenizer: Any) -> list[Any]:
    written = [
        PreferencePair(
            [{"role": "user", "content": f"q {number}"}], "yes" + "!" * (number % 3), "perhaps " * (1 + number % 3)
        )
        for number in range(10)
    ]
    return tokenize_pairs(tokenizer, written, max_tokens=120)[0]


def trained(folder: Path, *, adapter: bool = True, **how: Any) -> tuple[Any, Any]:
    tokenizer = load_tokenizer(folder)
    model = load_reward_model(folder)
    model = add_lora(model, rank=4, seed=1) if adapter else model.requires_grad_(True)
    pairs = pairs_of(tokenizer)
    settings = TrainingSettings("bradley_terry", learning_rate=1e-2, epochs=8, batch_size=5, **how)
    return model, train_pairs(model, pairs, held_out=pairs, settings=settings, pad_id=tokenizer.pad_token_id)


def test_each_architecture_learns_and_comes_back_as_it_was_saved(folder: Path, tmp_path: Path) -> None:
    model, result = trained(folder)
    assert result.evaluation.accuracy > 0.9 and result.evaluation.loss < 0.6
    tokenizer = load_tokenizer(folder)
    expected = reward_scores(model, tokenizer, ITEMS)
    save_adapter(model, tmp_path / "adapter")
    assert reward_scores(load_reward_model(folder, tmp_path / "adapter"), tokenizer, ITEMS) == pytest.approx(
        expected, abs=1e-5
    )
    save_merged(model, tokenizer, tmp_path / "merged")
    merged, again = load_reward_model(tmp_path / "merged"), load_tokenizer(tmp_path / "merged")
    assert reward_scores(merged, again, ITEMS) == pytest.approx(expected, abs=1e-4)


def test_all_weights_of_an_encoder_can_be_trained(tmp_path: Path) -> None:
    _, result = trained(make_encoder(tmp_path / "model", bert()), adapter=False)
    assert result.evaluation.accuracy > 0.9


@pytest.mark.parametrize(("make", "limit"), [(bert, 160), (roberta, 161), (distilbert, 512)])
def test_an_encoder_says_how_much_it_can_read(tmp_path: Path, make: Callable[[], Any], limit: int) -> None:
    model = load_reward_model(make_encoder(tmp_path / "model", make()))
    assert heads.longest(model) == limit
    fits = torch.ones(1, limit, dtype=torch.long)
    with torch.no_grad():
        assert heads.read(model, fits, fits).shape == (1, 1)
        with pytest.raises((IndexError, RuntimeError)):
            heads.read(model, torch.ones(1, limit + 1, dtype=torch.long), torch.ones(1, limit + 1, dtype=torch.long))


def test_a_decoder_has_no_such_limit(tmp_path: Path) -> None:
    assert heads.longest(load_reward_model(make_tiny_model(tmp_path / "model"))) is None


def test_a_head_of_several_outputs(folder: Path) -> None:
    model = load_reward_model(folder, outputs=3)
    ids = torch.ones(2, 5, dtype=torch.long)
    with torch.no_grad():
        found: Tensor = heads.read(model, ids, ids)
    assert found.shape == (2, 3) and not found.any()


def test_a_trained_head_is_kept(tmp_path: Path) -> None:
    """Only what is missing from the files is made anew."""
    saved = BertForSequenceClassification(BertConfig(vocab_size=100, id2label={0: "reward"}, **SHAPE))
    make_encoder(tmp_path / "model", saved)
    assert torch.equal(load_reward_model(tmp_path / "model").classifier.weight, saved.classifier.weight)


def test_the_packaged_sentence_encoder_becomes_a_reward_model() -> None:
    folder = encoding.packaged_encoder()
    model, result = trained(folder)
    assert heads.is_encoder(model.get_base_model()) and heads.longest(model.get_base_model()) == 512
    assert result.evaluation.accuracy == 1.0


def test_full_training_of_the_last_layers_frees_these_and_the_head(folder: Path) -> None:
    spec = TrainRewardSpec(dataset="d", base="b", method="full", last_layers=1)
    model = sources.trainable(load_reward_model(folder), spec)
    free = {name for name, weight in model.named_parameters() if weight.requires_grad}
    last = f".{model.config.num_hidden_layers - 1}."
    assert all(name.split(".")[0] in heads.parts_of(model) or last in name for name in free)
    assert any(last in name for name in free) and any(name.split(".")[0] in heads.parts_of(model) for name in free)
