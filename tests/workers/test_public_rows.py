"""Public preference files train as they are: imported, built into a dataset, and learned from for a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from exchange.imports.detect import detect, guessed_mapping
from exchange.imports.write import write
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model
from tests.workers.tiny import make_tiny_model
from workers.context import JobContext
from workers.jobs import build_dataset, train_dpo, train_kto, train_reward

DATA = Path("/work/shared/data")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.exists(), reason=f"the public files are not on this machine ({DATA})"),
]
RUN: dict[str, Any] = {
    "build_dataset": build_dataset.run, "train_dpo": train_dpo.run, "train_reward": train_reward.run,
    "train_kto": train_kto.run,
}  # fmt: skip
FILES = {
    "hh": ("hh/harmless-base_test.jsonl.gz", "pairs", ("train_dpo", "train_reward")),
    "llama-factory": ("llamafactory/dpo_en_demo.json", "pairs", ("train_dpo", "train_reward")),
    "llama-factory-kto": ("llamafactory/kto_en_demo.json", "unpaired", ("train_kto",)),
}


def run(project: Project, user: User, kind: str, **params: Any) -> tuple[Job, list[dict[str, Any]]]:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    sent: list[dict[str, Any]] = []
    RUN[kind](JobContext(job, send=sent.append), parse(SPECS[kind].spec, job.params))
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED
    return job, sent


@pytest.mark.parametrize("name", FILES)
def test_the_rows_of_others_train_without_conversion(
    project: Project, researcher: User, tmp_path: Path, settings: Any, name: str
) -> None:
    file, rows, kinds = FILES[name]
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    base = make_model(project, "base")
    format, _ = detect(DATA / file)[0]
    written = write(DATA / file, format, guessed_mapping(DATA / file, format), project, None)
    assert written.written == written.lines > 0
    run(
        project, researcher, "build_dataset", name="public", rows=rows, origins=["imported"], held_out_share=0.02,
        split_by="prompt",
    )  # fmt: skip
    dataset = Dataset.objects.get()
    kept = sum(dataset.rows.values())
    assert kept >= 0.9 * written.counts.votes, "rows that the file has are in the dataset"
    for kind in kinds:
        job, sent = run(
            project, researcher, kind, dataset="public-v1", base="base", lora_rank=2, batch_size=8, micro_batch=4,
            epochs=0.001 if name == "hh" else 0.05, max_tokens=1000, allow_left_out=True, precision="float32",
            sample_prompts=0,
        )  # fmt: skip
        model = ModelVersion.objects.get(job=job)
        assert (model.parent, model.dataset) == (base, dataset)
        losses = [one["values"]["loss"] for one in sent if one["type"] == "metrics" and "loss" in one["values"]]
        assert len(losses) == job.result["steps"] >= 1
        # Nothing that was left out is left unsaid.
        (told,) = [one["text"] for one in sent if one["type"] == "log" and one["text"].startswith("train: ")]
        assert told.startswith(f"train: {dataset.rows['train']:,} rows read, ")
