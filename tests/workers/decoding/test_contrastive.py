"""Contrastive input decoding on distributions worked out by hand, and on a tiny model."""

from pathlib import Path

import pytest
import torch

from tests.workers.tiny import make_tiny_model
from workers import modeling
from workers.decoding.contrastive import ContrastiveInput, contrastive_scores, write_against

P, Q = [0.5, 0.3, 0.15, 0.05], [0.5, 0.1, 0.39, 0.01]


def logs(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).log()


def test_scores_worked_out_by_hand() -> None:
    scores = contrastive_scores(logs(P), logs(Q), strength=1.0)
    assert scores.tolist() == pytest.approx([-0.693147, -0.105361, -2.852631, -1.386294], abs=1e-5)
    assert int(scores.argmax()) == 1


def test_logits_are_as_good_as_log_probabilities() -> None:
    moved = contrastive_scores(logs(P) + 7.0, logs(Q) - 3.0, strength=1.0)
    assert torch.allclose(moved, contrastive_scores(logs(P), logs(Q), strength=1.0), atol=1e-5)


def test_two_equal_prompts_give_the_greedy_choice_at_any_strength() -> None:
    for strength in (0.0, 1.0, 10.0):
        scores = contrastive_scores(logs(P), logs(P), strength=strength)
        assert int(scores.argmax()) == 0
        assert torch.allclose(scores[:4], logs(P), atol=1e-5)


def test_without_strength_the_other_prompt_does_not_count() -> None:
    assert int(contrastive_scores(logs(P), logs([0.97, 0.01, 0.01, 0.01]), strength=0.0).argmax()) == 0


def test_a_token_that_hardly_fits_never_wins_however_rare_it_is_elsewhere() -> None:
    own, other = [0.6, 0.36, 0.03, 0.01], [0.6, 0.3, 0.0999, 0.0001]
    scores = contrastive_scores(logs(own), logs(other), strength=5.0)
    assert scores[2:].tolist() == [-torch.inf, -torch.inf]
    assert int(scores.argmax()) == 1
    kept = contrastive_scores(logs(own), logs(other), strength=5.0, plausible=0.001)
    assert int(kept.argmax()) == 3


def test_what_the_other_prompt_rules_out_has_a_finite_score() -> None:
    other = torch.tensor([0.0, -torch.inf, -torch.inf])
    scores = contrastive_scores(logs([0.5, 0.4, 0.1]), other, strength=1.0)
    assert not scores.isnan().any()
    assert int(scores.argmax()) in (1, 2)


def test_shapes_and_strengths_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="the other"):
        contrastive_scores(logs(P), logs(Q[:3]), strength=1.0)
    with pytest.raises(ValueError, match="at least 0"):
        contrastive_scores(logs(P), logs(Q), strength=-1.0)


def test_both_halves_of_a_batch_get_the_same_scores() -> None:
    scores = ContrastiveInput(strength=1.0)(torch.zeros(4, 1), torch.stack([logs(P), logs(Q), logs(Q), logs(P)]))
    assert torch.equal(scores[:2], scores[2:])
    assert torch.allclose(scores[0], contrastive_scores(logs(P), logs(Q), strength=1.0))
    assert torch.allclose(scores[1], contrastive_scores(logs(Q), logs(P), strength=1.0))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    folder: Path = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    return modeling.load_policy(folder), modeling.load_tokenizer(folder)


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def by_hand(model: object, tokenizer: object, own: str, other: str, *, strength: float, steps: int) -> list[int]:
    """One token after the other with two whole forward passes, no cache and no padding."""
    rows = [modeling.prompt_ids(tokenizer, ask(text)) for text in (own, other)]
    found: list[int] = []
    for _ in range(steps):
        with torch.inference_mode():
            logits = [model(input_ids=torch.tensor([[*row, *found]])).logits[0, -1] for row in rows]  # type: ignore[operator]
        found.append(int(contrastive_scores(*logits, strength=strength).argmax()))
    return found


def nats(model: object, tokenizer: object, prompt: str, tokens: list[int]) -> float:
    """Log-probability of the tokens after the prompt, from the logits of one pass."""
    row = modeling.prompt_ids(tokenizer, ask(prompt))
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*row, *tokens]])).logits[0].log_softmax(-1)  # type: ignore[operator]
    return sum(float(logits[len(row) - 1 + place, token]) for place, token in enumerate(tokens))


def test_a_batch_writes_what_a_loop_by_hand_writes(tiny: tuple[object, object]) -> None:
    model, tokenizer = tiny
    pairs = [("Tell of Anna.", "Tell of a very long name."), ("He works.", "She works.")]
    found = write_against(model, tokenizer, [(ask(a), ask(b)) for a, b in pairs], strength=2.0, max_new_tokens=6)
    for (own, other), one in zip(pairs, found, strict=True):
        expected = by_hand(model, tokenizer, own, other, strength=2.0, steps=6)
        if tokenizer.eos_token_id in expected:  # type: ignore[attr-defined]
            expected = expected[: expected.index(tokenizer.eos_token_id)]  # type: ignore[attr-defined]
        assert one.tokens == len(expected)
        assert one.text == tokenizer.decode(expected, skip_special_tokens=True).rstrip("\ufffd")  # type: ignore[attr-defined]
        own_nats, other_nats = (nats(model, tokenizer, text, expected) for text in (own, other))
        assert one.gap == pytest.approx((own_nats - other_nats) / len(expected), abs=1e-4)


def test_a_prompt_against_itself_is_greedy_text_without_a_gap(tiny: tuple[object, object]) -> None:
    model, tokenizer = tiny
    (found,) = write_against(model, tokenizer, [(ask("Hello."), ask("Hello."))], strength=3.0, max_new_tokens=5)
    decoding = modeling.Decoding(temperature=0, max_new_tokens=5)
    (greedy,) = modeling.generate(model, tokenizer, [ask("Hello.")], settings=decoding, seed=0)
    assert (found.text, found.tokens) == (greedy.text, greedy.tokens)
    assert found.gap == pytest.approx(0, abs=1e-5)
