"""Ten steps of our training beside TRL's DPOTrainer: the same weights, rows, order and precision, the same losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.tiny import make_tiny_model
from workers.modeling import load_tokenizer

pytest.importorskip("trl", reason="the peer is not installed: pip install -e '.[bench]'")


@pytest.mark.parametrize("bos", ["<|im_start|>", None], ids=["bos", "no-bos"])
def test_ten_steps_have_trls_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bos: str | None) -> None:
    """Padded by the very token that ends a turn, as SmolLM2 has it, and with and without a token that begins a text."""
    from tests.benchmarks import bench_training as bench

    folder = make_tiny_model(tmp_path / "model")
    tokenizer = load_tokenizer(folder)
    tokenizer.bos_token = bos
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    monkeypatch.setattr(bench, "SETTINGS", replace(bench.SETTINGS, learning_rate=1e-2))
    pairs, tokens = bench.make_pairs(load_tokenizer(folder), 80)
    theirs = bench.train_theirs(folder, pairs, tokens)[1]
    assert len(theirs) == 10 and max(theirs) - min(theirs) > 1e-2  # they move, so that agreeing means something
    assert bench.train_ours(folder, tokens)[1] == pytest.approx(theirs, abs=1e-4)
    assert bench.train_ours(folder, tokens, shared_prefix=False)[1] == pytest.approx(theirs, abs=1e-4)
