"""`datasets` reads the files, and TRL's trainers take a step on them unchanged: on a tiny random model."""

import math
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotate.models import Feedback
from registry.specs import ExportSpec
from tests.exchange.exports.conftest import Freeze
from tests.exchange.exports.making import made

datasets = pytest.importorskip("datasets", reason="needs the extra bench: make bench installs it")
trl = pytest.importorskip("trl", reason="needs the extra bench: make bench installs it")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.workers.tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


def loaded(project: Project, folder: Path, **settings: Any) -> Any:
    spec = ExportSpec(**settings)
    path = folder / f"export{spec.suffix}"
    path.write_bytes(made(project, **settings))
    reader = "parquet" if spec.file == "parquet" else "json"
    return datasets.load_dataset(reader, data_files=str(path), split="train", cache_dir=str(folder / "cache"))


def step(trainer_class: Any, config_class: Any, tiny: Path, rows: Any, folder: Path, **more: Any) -> float:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    if trainer_class is trl.RewardTrainer:
        model = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1)
    else:
        model = AutoModelForCausalLM.from_pretrained(tiny)
    config = config_class(
        output_dir=str(folder / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        bf16=False, fp16=False, save_strategy="no", gradient_checkpointing=False, logging_steps=1, **more,
    )  # fmt: skip
    trainer = trainer_class(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    return float(trainer.train().training_loss)


TRAINERS = [
    ("preference", "DPO", ["trl", "trl_standard"]), ("preference", "Reward", ["trl", "trl_standard"]),
    ("unpaired", "KTO", ["trl", "trl_standard", "kto"]), ("preference", "KTO", ["kto"]),
    ("sft", "SFT", ["trl", "trl_standard"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "format_name"), [(k, n, f) for k, n, names in TRAINERS for f in names])
@pytest.mark.parametrize("file", ["jsonl", "parquet"])
def test_a_trainer_takes_a_step(
    project: Project, freeze: Freeze, votes: list[Feedback], tiny: Path, tmp_path: Path, kind: str, name: str,
    format_name: str, file: str,
) -> None:  # fmt: skip
    freeze(kind, votes=votes)
    rows = loaded(project, tmp_path, dataset="prefs-v1", format=format_name, file=file)
    loss = step(getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config"), tiny, rows, tmp_path)
    assert math.isfinite(loss)


@pytest.mark.parametrize("file", ["jsonl", "parquet"])
@pytest.mark.parametrize("what", ["events", "answers", "items"])
def test_datasets_reads_raw_answers(
    project: Project, votes: list[Feedback], tmp_path: Path, what: str, file: str
) -> None:
    rows = loaded(project, tmp_path, what=what, file=file, compress="gzip" if file == "jsonl" else "zstd")
    assert len(rows) == (2 if what == "items" else 4)
