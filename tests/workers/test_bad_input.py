"""What cannot be trained ends in a sentence before or during the run: never in a success, and nothing half-written.

Each run is the real one: claimed, supervised, and in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
import torch
from django.conf import settings as django_settings
from django.db import connection
from safetensors.torch import load_file, save_file

from accounts.models import Project, User
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.references import check_references
from registry.specs import SPECS, SpecError, parse
from tests.factories import make_model
from tests.workers.test_train_kinds import make_dataset
from tests.workers.tiny import make_tiny_model
from workers.supervisor import Supervisor

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
TRAINING = {
    "dataset": "rows-v1", "base": "base", "lora_rank": 2, "batch_size": 4, "epochs": 2, "precision": "float32"
}  # fmt: skip
Status = Job.Status


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of this process and of the one that it starts."""
    monkeypatch.setenv("PALATE_HOME", str(tmp_path))
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    monkeypatch.setenv("DATABASE_URL", database.geturl())
    settings.ARTIFACTS = tmp_path / "artifacts"
    return tmp_path


@pytest.fixture
def base(project: Project, home: Path) -> ModelVersion:
    make_tiny_model(home / "artifacts" / "models" / "base")
    return make_model(project, "base")


@pytest.fixture
def dataset(project: Project, home: Path) -> Dataset:
    return make_dataset(project, "preference", "pairs", home / "artifacts")


def ask(project: Project, user: User, kind: str = "train_dpo", **params: Any) -> Job:
    return jobs.request_job(project=project, kind=kind, params={**TRAINING, **params}, user=user)


def asked_on_the_page(project: Project, **params: Any) -> None:
    """What the launch page asks before it queues a run."""
    check_references(project, parse(SPECS["train_dpo"].spec, {**TRAINING, **params}), to_come=True)


def ended(job: Job) -> Job:
    claimed = jobs.claim(SPECS[job.kind].queue, worker="test")
    assert claimed == job
    Supervisor(claimed).run()
    job.refresh_from_db()
    return job


def failed(job: Job) -> str:
    """Its sentence. A failed run leaves no model, no checkpoint that a resume would trust, and no half of one."""
    job = ended(job)
    assert (job.status, job.result, job.attempt) == (Status.FAILED, {}, 1), job.error
    assert not ModelVersion.objects.filter(job=job).exists()
    left = [path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*") if path.is_file()]
    assert not [name for name in left if "checkpoints" in name or "model" in name], left
    assert "Traceback" not in job.error and "\n" not in job.error
    return str(job.error)


def test_sound_input_succeeds(project: Project, researcher: User, base: ModelVersion, dataset: Dataset) -> None:
    """Else the failures below would show nothing."""
    job = ended(ask(project, researcher, checkpoint_every=2))
    assert job.status == Status.SUCCEEDED, job.error
    assert ModelVersion.objects.get(job=job).metrics["accuracy"]["n"] == 6


def test_an_unknown_model_is_refused_before_the_run(project: Project, researcher: User, dataset: Dataset) -> None:
    with pytest.raises(SpecError, match="There is no policy model nobody in "):
        asked_on_the_page(project, base="nobody")


def test_a_model_that_is_deleted_while_the_run_waits(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    job = ask(project, researcher)
    base.delete()
    assert "There is no policy model base in " in (said := failed(job))
    assert said.endswith("It may have been deleted since the job was asked for.")


@pytest.mark.parametrize("kind", ["train_dpo", "train_reward"])
def test_a_tokenizer_without_a_chat_template(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset, kind: str
) -> None:
    (base.folder / "chat_template.jinja").unlink(missing_ok=True)
    config = base.folder / "tokenizer_config.json"
    known = json.loads(config.read_text())
    known.pop("chat_template", None)
    config.write_text(json.dumps(known))
    said = failed(ask(project, researcher, kind))
    assert f"The tokenizer of {base.folder} has no chat template. Use an instruction-tuned model." in said


@pytest.mark.parametrize("kind", ["train_dpo", "train_reward"])
def test_an_empty_training_split(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset, kind: str
) -> None:
    emptied(dataset, "train")
    said = failed(ask(project, researcher, kind))
    assert said.startswith("No row of rows-v1 can be learned from: train: 0 rows read, 0 used.")


def test_an_empty_held_out_split_is_said_and_stops_nothing_by_it(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset
) -> None:
    emptied(dataset, "held_out")
    assert "early stopping has nothing to go by" in failed(ask(project, researcher, eval_every=1, patience=2))
    job = ended(ask(project, researcher))
    assert job.status == Status.SUCCEEDED
    assert ModelVersion.objects.get(job=job).metrics == {}, "what was not measured is not shown"
    (warning,) = job.log_lines.filter(level="warning").values_list("text", flat=True)
    assert warning == "There is no held-out row: nothing will say how good the model is."


def emptied(dataset: Dataset, split: str) -> None:
    path = dataset.folder / f"{split}.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_loss_that_is_no_number(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset, held_out: bool
) -> None:
    """Where held-out rows are measured it is seen before the first step, else in it."""
    weights = load_file(base.folder / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], torch.nan)
    save_file(weights, base.folder / "model.safetensors", metadata={"format": "pt"})
    if not held_out:
        emptied(dataset, "held_out")
    said = failed(ask(project, researcher, checkpoint_every=1))
    assert said.startswith("The held-out loss is nan after step 0; " if held_out else "The loss is nan at step 1; ")
    assert said.endswith("Nothing of it was published.")


def test_a_disk_that_is_full_at_a_checkpoint(
    project: Project, researcher: User, base: ModelVersion, dataset: Dataset, settings: Any
) -> None:
    settings.JOB_RUNNER = [sys.executable, "-m", "tests.workers.full_disk_runner"]
    job = ask(project, researcher, checkpoint_every=2)
    assert failed(job).startswith("The disk is full: a file could not be written. Free space where PALATE_HOME lies")
    assert list((job.folder / "checkpoints").iterdir()) == [], "what is half written takes the room of a resume"
    settings.JOB_RUNNER = [sys.executable, "-m", "workers.runner"]
    jobs.resume_job(job, researcher)
    assert ended(job).status == Status.SUCCEEDED


def test_a_dataset_of_another_project(project: Project, researcher: User, base: ModelVersion, dataset: Dataset) -> None:
    """Neither by asking nor by a row that was written past the asking."""
    other = Project.objects.create(name="Elsewhere", slug="elsewhere")
    Dataset.objects.update(project=other)
    with pytest.raises(SpecError, match="There is no dataset rows-v1 in "):
        asked_on_the_page(project)
    Dataset.objects.update(project=project)
    job = ask(project, researcher)
    Dataset.objects.update(project=other)
    assert failed(job).startswith("There is no dataset rows-v1 in ")
    assert not list(Path(django_settings.ARTIFACTS).rglob("adapter_model.safetensors"))
