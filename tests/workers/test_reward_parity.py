"""A reward model is trained on the same tokens that it is later asked to score: prompt, answer, end of turn."""

from pathlib import Path

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers.modeling import Conversation, add_lora, load_reward_model, load_tokenizer, reward_scores
from workers.pairs import PreferencePair, tokenize_pairs
from workers.training import TrainingSettings, train_pairs


def test_margins_of_training_are_differences_of_scores(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    tokenizer = load_tokenizer(folder)
    model = load_reward_model(folder)
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(0))
    model = add_lora(model, rank=2)
    messages = [{"role": "user", "content": "How do I cook beans?"}]
    pair = PreferencePair(
        messages=messages, chosen="Soak them.", rejected="Beans are a long story", rejected_finished=False
    )
    tokens, _ = tokenize_pairs(tokenizer, [pair], max_tokens=200)
    settings = TrainingSettings("bradley_terry", learning_rate=1e-12)
    result = train_pairs(model, tokens, held_out=tokens, settings=settings, pad_id=tokenizer.pad_token_id)
    chosen, rejected = reward_scores(
        model, tokenizer, [Conversation(messages, "Soak them."), Conversation(messages, pair.rejected, finished=False)]
    )
    assert result.evaluation is not None
    assert abs(chosen - rejected) > 1e-3
    assert result.evaluation.margins[0] == pytest.approx(chosen - rejected, abs=1e-4)
