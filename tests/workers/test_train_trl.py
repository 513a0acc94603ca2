"""Ten steps of fine-tuning and of KTO beside TRL's: the same weights, rows, order and precision, the same losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.tiny import make_tiny_model
from workers.modeling import add_lora, completion_ids, load_policy, load_tokenizer, prompt_ids, render_prompt
from workers.pairs import epoch_batches
from workers.training import TrainingSettings, train
from workers.training.texts import Texts, TokenText
from workers.training.unpaired import TokenAnswer, Unpaired

pytest.importorskip("trl", reason="the peer is not installed: pip install -e '.[bench]'")
SETTINGS = TrainingSettings(
    objective="own", learning_rate=1e-2, batch_size=8, micro_batch=8, warmup_share=0.0, options={"beta": 0.1}
)
WRITTEN = [
    (f"Question {number}?", "Yes, " * (1 + number % 5) + f"{number} of them.", number % 3 > 0) for number in range(80)
]


def rows_of(tokenizer: Any, kind: type[Any]) -> list[Any]:
    found = []
    for question, answer, good in WRITTEN:
        prompt = tuple(prompt_ids(tokenizer, [{"role": "user", "content": question}]))
        text = tuple(completion_ids(tokenizer, answer, True))
        found.append(TokenText(prompt, text) if kind is Texts else TokenAnswer(prompt, text, good))
    return found


def ours(folder: Path, kind: type[Any], rows: list[Any]) -> list[float]:
    settings = SETTINGS if kind is Unpaired else TrainingSettings(**{**vars(SETTINGS), "options": {}})
    learner = kind(add_lora(load_policy(folder)), rows, [], settings=settings, pad_id=0)
    found: list[float] = []
    train(learner, on_step=lambda step, total, metrics: found.append(metrics["loss"]))
    return found


def theirs(folder: Path, kind: type[Any], order: list[int]) -> list[float]:
    import datasets
    import trl

    datasets.disable_progress_bars()
    tokenizer = load_tokenizer(folder)
    rows = []
    for question, answer, good in (WRITTEN[index] for index in order):
        row = {"prompt": render_prompt(tokenizer, [{"role": "user", "content": question}]), "completion": answer}
        rows.append(row if kind is Texts else {**row, "label": good})
    how: dict[str, Any] = {
        "output_dir": str(folder / "trl"), "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "per_device_train_batch_size": 8, "max_length": None, "train_sampling_strategy": "sequential",
        "num_train_epochs": 1, "learning_rate": 1e-2, "lr_scheduler_type": "cosine", "warmup_steps": 0,
        "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 0, "logging_steps": 1, "save_strategy": "no",
        "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip
    if kind is Texts:
        trainer_of: Any = trl.SFTTrainer
        args: Any = trl.SFTConfig(**how, completion_only_loss=True)
    else:
        trainer_of, args = trl.KTOTrainer, trl.KTOConfig(**how, beta=0.1)
    lora = add_lora(load_policy(folder)).peft_config["default"]
    quiet = type("Quiet", (trainer_of,), {"_send_telemetry": lambda self: None})
    trainer = quiet(
        model=load_policy(folder), args=args, train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer, peft_config=lora,
    )  # fmt: skip
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("kind", [Texts, Unpaired], ids=["sft", "kto"])
def test_ten_steps_have_trls_losses(tmp_path: Path, kind: type[Any]) -> None:
    folder = make_tiny_model(tmp_path / "model")
    rows = rows_of(load_tokenizer(folder), kind)
    order = [index for batch in epoch_batches(rows, batch_size=8, seed=0, epoch=0) for index in batch]
    peer = theirs(folder, kind, order)
    assert len(peer) == 10 and max(peer) - min(peer) > 1e-3
    assert ours(folder, kind, rows) == pytest.approx(peer, abs=1e-4)
