"""A checkpoint is whole or not there."""

from pathlib import Path

import pytest

from registry.models import Job
from workers import checkpoints
from workers.context import JobContext
from workers.errors import Stopped


@pytest.fixture
def context(tmp_path: Path, settings: object) -> JobContext:
    settings.ARTIFACTS = tmp_path  # type: ignore[attr-defined]
    context = JobContext(Job(pk=7, attempt=2))
    context.events = []  # type: ignore[attr-defined]
    context._send = context.events.append  # type: ignore[attr-defined]
    return context


def save(context: JobContext, step: int, text: str = "state") -> Path:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text(text)
        (folder / "step").write_text(str(step))

    return context.save_checkpoint(step, write)


def names(context: JobContext) -> list[str]:
    return sorted(path.name for path in (context.job.folder / "checkpoints").iterdir())


def test_the_newest_two_are_kept(context: JobContext, tmp_path: Path) -> None:
    assert context.latest_checkpoint() is None
    for step in (8, 9, 10):
        save(context, step)
    assert names(context) == ["step-10", "step-9"]
    assert context.latest_checkpoint() == tmp_path / "job-7" / "checkpoints" / "step-10"


def test_a_write_that_fails_leaves_the_one_before(context: JobContext) -> None:
    save(context, 1)

    def fail(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        context.save_checkpoint(2, fail)
    latest = context.latest_checkpoint()
    assert latest
    assert latest.name == "step-1"
    save(context, 2)
    assert names(context) == ["step-1", "step-2"]


def test_a_step_that_is_saved_again_replaces_the_old(context: JobContext) -> None:
    save(context, 3, "first")
    assert (save(context, 3, "second") / "inner" / "weights").read_text() == "second"
    assert names(context) == ["step-3"]


@pytest.mark.parametrize("tear", ["change", "remove", "add", "manifest"])
def test_a_torn_one_is_skipped_and_named(context: JobContext, tear: str) -> None:
    save(context, 1)
    torn = save(context, 2)
    match tear:
        case "change":
            (torn / "inner" / "weights").write_text("stale")
        case "remove":
            (torn / "step").unlink()
        case "add":
            (torn / "more").write_text("")
        case "manifest":
            (torn / "manifest.json").write_text("{")
    latest = context.latest_checkpoint()
    assert latest
    assert latest.name == "step-1"
    assert "A checkpoint was skipped: step-2" in context.events[-1]["text"]  # type: ignore[attr-defined]


def test_a_manifest_names_every_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("abc")
    (tmp_path / "manifest.json").write_text("{}")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checkpoints.manifest_of(tmp_path) == {"a/b": {"size": 3, "sha256": digest}}


def test_values_that_cannot_be_drawn_become_a_warning(context: JobContext) -> None:
    context.metrics(4, {"held_out/accuracy": 0.5}, loss=float("nan"))
    warning, metrics = context.events  # type: ignore[attr-defined]
    assert (warning["text"], warning["level"]) == ("loss is nan at step 4.", "warning")
    assert (metrics["step"], metrics["values"]) == (4, {"held_out/accuracy": 0.5})


def test_a_job_that_was_asked_to_stop_stops(context: JobContext) -> None:
    context.check_stop()
    context._stop.set()
    assert context.should_stop()
    with pytest.raises(Stopped):
        context.check_stop()
