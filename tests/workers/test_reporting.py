"""Curves that also go to a tracker: through our own loop and through TRL's."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from registry.models import ModelVersion
from tests.factories import make_model
from tests.workers.test_train_kinds import TRAINING, make_dataset, run, start
from tests.workers.tiny import make_tiny_model
from workers import reporting
from workers.errors import JobError
from workers.reporting import Reporter

pytestmark = pytest.mark.django_db(transaction=True)
TENSORBOARD = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard"
)


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def base(project: Project, artifacts: Path) -> ModelVersion:
    make_tiny_model(artifacts / "models" / "base")
    return make_model(project, "base")


@pytest.mark.parametrize("kind", ["train_dpo", "train_reward"])
def test_without_its_package_the_run_says_so_before_anything_is_loaded(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(reporting.importlib.util, "find_spec", lambda name: None if name == "wandb" else there(name))
    make_dataset(project, "preference", "pairs", artifacts)
    context, sent = start(project, researcher, kind, **TRAINING, report_to="wandb")
    with pytest.raises(JobError, match=r"report_to is wandb, .*pip install wandb, or set report_to to none"):
        run(context)
    assert not sent


def test_trackers_of_one_form_get_project_run_settings_and_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights & Biases and Trackio are called alike: a stand-in of that form hears what they would."""
    heard: list[Any] = []
    stand_in = types.ModuleType("trackio")
    stand_in.init = lambda **given: heard.append(("init", given))  # type: ignore[attr-defined]
    stand_in.log = lambda values, step: heard.append(("log", step, values))  # type: ignore[attr-defined]
    stand_in.finish = lambda: heard.append("finish")  # type: ignore[attr-defined]
    stand_in.__spec__ = importlib.util.spec_from_loader("trackio", loader=None)
    monkeypatch.setitem(sys.modules, "trackio", stand_in)
    reporter = Reporter("trackio", project="helpful", run="dpo-1", folder=Path("unused"), config={"beta": 0.1})
    reporter.add(1, {"loss": 0.5})
    reporter.close()
    assert heard == [
        ("init", {"project": "helpful", "name": "dpo-1", "config": {"beta": 0.1}}), ("log", 1, {"loss": 0.5}), "finish",
    ]  # fmt: skip


@TENSORBOARD
@pytest.mark.parametrize(("engine", "name"), [("plain", "loss"), ("trl", "train/loss")])
def test_tensorboard_reads_the_curve_that_the_page_shows(
    project: Project, researcher: User, base: ModelVersion, artifacts: Path, engine: str, name: str
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if engine == "trl":
        pytest.importorskip("trl", reason="the engine is not installed: pip install -c constraints.txt -e '.[trl]'")
    make_dataset(project, "preference", "pairs", artifacts)
    asked = {**TRAINING, "engine": engine, "report_to": "tensorboard", "sample_prompts": 0}
    context, sent = start(project, researcher, "train_dpo", **asked)
    run(context)
    shown = {one["step"]: one["values"]["loss"] for one in sent if one["type"] == "metrics" and "loss" in one["values"]}
    found = EventAccumulator(str(context.job.folder / "tensorboard")).Reload()
    read = {one.step: one.value for one in found.Scalars(name)}
    assert set(read) == set(range(1, 19)) and read == pytest.approx(shown, abs=1e-5)
