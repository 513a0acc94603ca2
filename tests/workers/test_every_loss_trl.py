"""Every loss on pairs, inside our engine (prompts shared, two micro-batches), beside TRL's trainers: ten steps alike.

The same weights, rows, order and precision on both sides. CPO's likelihood term is a mean over a row's tokens here and
over the batch's in TRL, so the chosen answers are equally long for it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks import bench_training as bench
from tests.workers.tiny import make_tiny_model
from workers.modeling import load_policy, load_tokenizer, render_prompt
from workers.objectives import OBJECTIVES
from workers.pairs import PreferencePair, TokenPair, epoch_batches, tokenize_pairs
from workers.training import TrainingSettings, train_pairs

pytest.importorskip("trl", reason="the peer is not installed: pip install -e '.[bench]'")

STEPS, BATCH, BETA, SMOOTHING, RATE = 10, 4, 0.2, 0.1, 3e-3
LOSSES = [name for name, one in OBJECTIVES.items() if one.trains == "policy"]
SMOOTHED = {"robust", "exo_pair", "aot", "aot_unpaired", "cpo", "simpo"}
"""With label smoothing; TRL's dpo has none."""
EXPERIMENTAL = {"cpo", "simpo", "orpo"}
MIXTURE = {"dpo": 0.7, "bco_pair": 0.2, "aot": 0.1, "sft": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def the_pairs(tokenizer: Any) -> tuple[list[PreferencePair], list[TokenPair]]:
    """In the order in which ours takes them."""
    source = random.Random(3)
    pairs = [
        PreferencePair(bench.user(bench.text(source, 3, 9)), bench.text(source, 12, 12), bench.text(source, 4, 20))
        for _ in range(STEPS * BATCH)
    ]
    tokens, counts = tokenize_pairs(tokenizer, pairs, max_tokens=256)
    assert counts.used == len(pairs)
    order = [index for batch in epoch_batches(tokens, batch_size=BATCH, seed=0, epoch=0) for index in batch]
    return [pairs[index] for index in order], tokens


def ours(folder: Path, tokens: list[TokenPair], how: dict[str, Any], options: dict[str, float]) -> list[float]:
    tokenizer = load_tokenizer(folder)
    settings = TrainingSettings(
        learning_rate=RATE, batch_size=BATCH, micro_batch=2, warmup_share=0.0, options=options, **how
    )
    losses: list[float] = []
    train_pairs(
        load_policy(folder, dtype=torch.float32), tokens, settings=settings, pad_id=tokenizer.pad_token_id,
        on_step=lambda step, total, metrics: losses.append(metrics["loss"]),
    )  # fmt: skip
    return losses


def theirs(folder: Path, pairs: list[PreferencePair], out: Path, name: str, options: dict[str, Any]) -> list[float]:
    import datasets
    import transformers

    datasets.disable_progress_bars()
    tokenizer = load_tokenizer(folder)
    rows = [
        {"prompt": render_prompt(tokenizer, one.messages), "chosen": one.chosen, "rejected": one.rejected}
        for one in pairs
    ]
    config, trainer_of = peer(name)
    known = {
        "output_dir": str(out), "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1, "max_length": 256,
        "num_train_epochs": 1, "learning_rate": RATE, "lr_scheduler_type": "cosine", "warmup_steps": 0,
        "weight_decay": 0.0, "max_grad_norm": 1.0, "logging_steps": 1, "save_strategy": "no", "report_to": "none",
        "disable_tqdm": True, "dataloader_pin_memory": False, "train_sampling_strategy": "sequential",
    }  # fmt: skip
    trainer = trainer_of(
        model=load_policy(folder, dtype=torch.float32), args=config(**known, **options),
        train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer,
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def peer(name: str) -> tuple[Any, Any]:
    """Settings and trainer of TRL, which sends no telemetry here."""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    if name in ("cpo", "simpo"):
        from trl.experimental.cpo import CPOConfig as Config
        from trl.experimental.cpo import CPOTrainer as Trainer
    elif name == "orpo":
        return orpo_peer()
    else:
        from trl import DPOConfig as Config  # type: ignore[assignment]
        from trl import DPOTrainer as Trainer  # type: ignore[assignment]
    return Config, silent(Trainer)


def silent(trainer: Any) -> Any:
    return type(f"Silent{trainer.__name__}", (trainer,), {"_send_telemetry": lambda self: None})


def orpo_peer() -> tuple[Any, Any]:
    """TRL's likelihood term is over prompt and answer; ours, as CPO's of both, over the answer: its mean is put in."""
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    class OverAnswers(ORPOTrainer):
        def concatenated_forward(self, *args: Any, **kwargs: Any) -> Any:
            found: list[Any] = list(super().concatenated_forward(*args, **kwargs))
            found[4] = -found[0].mean()
            return tuple(found)

    return ORPOConfig, silent(OverAnswers)


def options_of(name: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Ours and theirs."""
    mine: dict[str, float] = {"beta": BETA}
    smoothed = {"label_smoothing": SMOOTHING} if name in SMOOTHED else {}
    if name == "orpo":
        return mine, {"beta": BETA}
    if name == "simpo":
        options = {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 0.5}
        return {**mine, **smoothed, "gamma": 0.5}, {"beta": BETA, **smoothed, **options}
    if name == "cpo":
        return {**mine, **smoothed}, {"beta": BETA, **smoothed, "loss_type": "sigmoid", "cpo_alpha": 1.0}
    theirs = {"beta": BETA, **smoothed, "loss_type": ["sigmoid" if name == "dpo" else name]}
    return {**mine, **smoothed}, {**theirs, "precompute_ref_log_probs": True}


@pytest.mark.parametrize("name", LOSSES)
def test_ten_steps_have_trls_losses(folder: Path, tmp_path: Path, name: str) -> None:
    pairs, tokens = the_pairs(load_tokenizer(folder))
    mine, options = options_of(name)
    peers = theirs(folder, pairs, tmp_path, name, options)
    assert len(peers) == STEPS and max(peers) - min(peers) > 1e-3  # they move, so that agreeing means something
    assert ours(folder, tokens, {"objective": name}, mine) == pytest.approx(peers, abs=1e-4)


def test_a_mixture_has_trls_losses(folder: Path, tmp_path: Path) -> None:
    """Among them one by order of the batch and one by its tokens: cut into micro-batches they are as if whole."""
    pairs, tokens = the_pairs(load_tokenizer(folder))
    options = {
        "beta": BETA, "loss_type": ["sigmoid" if name == "dpo" else name for name in MIXTURE],
        "loss_weights": list(MIXTURE.values()), "precompute_ref_log_probs": True,
    }  # fmt: skip
    peers = theirs(folder, pairs, tmp_path, "dpo", options)
    assert len(peers) == STEPS and max(peers) - min(peers) > 1e-2
    found = ours(folder, tokens, {"objective": "mixture", "mixture": MIXTURE}, {"beta": BETA})
    assert found == pytest.approx(peers, abs=1e-4)
