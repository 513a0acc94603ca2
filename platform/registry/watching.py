"""What the page of a run shows beside its curves: the pace, notices, samples, checkpoints, and the end of the log."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from pages.charts.scale import figure
from pages.words import duration
from registry import chains
from registry.curves import Points
from registry.models import Job, JobLogLine

LOG_LINES = 200
QUIET_AFTER = timedelta(minutes=5)
RECENT_STEPS = 30
SHOWN_STEPS = 6
NOT_A_NUMBER = r" is (nan|inf|-inf)( at step|;| )"
LEVELS = ("warning", "error", "output", "info")
STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    step: int
    size: int
    at: datetime
    whole: bool
    """Whether its manifest is there, so that a resume can use it."""


@dataclass(frozen=True)
class Sampled:
    """One prompt and what was written to it: (step, text), newest first."""

    prompt: str
    texts: list[tuple[int, str]]


@dataclass(frozen=True)
class Notice:
    level: str
    text: str


def remaining_seconds(job: Job) -> float | None:
    """From the pace of this attempt's last steps; None before there is one, and where it does not run."""
    if job.status != Job.Status.RUNNING or job.started_at is None or not job.progress_total:
        return None
    recent = dict(
        job.metrics.filter(attempt=job.attempt).order_by("-step").values_list("step", "at")[: 20 * RECENT_STEPS]
    )
    steps = sorted(recent)[-RECENT_STEPS:]
    if len(steps) > 1:
        pace = (recent[steps[-1]] - recent[steps[0]]).total_seconds() / (steps[-1] - steps[0])
    elif job.progress_done and job.attempt == 1:
        pace = (timezone.now() - job.started_at).total_seconds() / job.progress_done
    else:
        return None
    return pace * max(job.progress_total - job.progress_done, 0)


def now_words(points: dict[str, Points]) -> list[str]:
    """The newest of what people look at first, in words."""
    last = {name: found[-1][1] for name, found in points.items() if found}
    words = []
    if "learning_rate" in last:
        words.append(f"learning rate {figure(last['learning_rate'])}")
    if "tokens_per_s" in last:
        words.append(f"{figure(round(last['tokens_per_s']))} tokens a second")
    if "memory_gb" in last:
        words.append(f"{figure(last['memory_gb'])} GB of memory")
    return words


def notices(job: Job) -> list[Notice]:
    """What a person should look at, each with what to do."""
    found = []
    if waiting := chains.waiting_of([job]).get(job.pk):
        found.append(Notice("bad" if waiting.held else "info", waiting.sentence))
    odd = job.log_lines.filter(attempt=job.attempt, level="warning", text__regex=NOT_A_NUMBER).order_by("pk").first()
    if odd:
        found.append(
            Notice(
                "warn",
                f"{odd.text} Its curve has a gap there. Stop the run and clone it with a lower learning rate, or look "
                "at the rows of that step.",
            )
        )
    if quiet := quiet_for(job):
        found.append(
            Notice(
                "warn",
                f"Nothing was heard of it for {duration(quiet)}, though its worker still holds it. Loading a large "
                "model can take that long; else read the end of the log, or stop it.",
            )
        )
    if job.status == Job.Status.RUNNING and job.lease_until and job.lease_until < timezone.now():
        found.append(
            Notice(
                "warn", f"Worker {job.worker} is lost. The run goes to another one within seconds, from its checkpoint."
            )
        )
    return found


def quiet_for(job: Job) -> timedelta | None:
    """How long a running job has said nothing; None where that is not worth a word."""
    if job.status != Job.Status.RUNNING or job.started_at is None:
        return None
    said = [job.started_at]
    for rows in (job.metrics.filter(attempt=job.attempt), job.log_lines.filter(attempt=job.attempt)):
        if newest := rows.order_by("-pk").values_list("at", flat=True).first():
            said.append(newest)
    quiet = timezone.now() - max(said)
    return quiet if quiet > QUIET_AFTER else None


def samples_of(job: Job) -> list[Sampled]:
    """By prompt, in the order in which the prompts first came; of many steps the newest."""
    steps = sorted(job.samples.order_by().values_list("step", flat=True).distinct(), reverse=True)[:SHOWN_STEPS]
    found: dict[str, list[tuple[int, str]]] = {}
    for prompt, step, text in job.samples.filter(step__in=steps).order_by("pk").values_list("prompt", "step", "text"):
        found.setdefault(prompt, []).append((step, text))
    return [Sampled(prompt, sorted(texts, reverse=True)) for prompt, texts in found.items()]


def checkpoints_of(job: Job) -> list[Checkpoint]:
    """What lies in the job's folder, newest first."""
    folder = job.folder / "checkpoints"
    found = []
    for path in folder.glob("step-*") if folder.is_dir() else ():
        if not (named := STEP.fullmatch(path.name)):
            continue
        try:
            manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text())
            size, whole = sum(int(entry["size"]) for entry in manifest.values()), True
            changed = path.stat().st_mtime
        except FileNotFoundError:
            if not path.is_dir():
                continue  # deleted for a newer one meanwhile
            size, whole, changed = 0, False, path.stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            continue
        at = datetime.fromtimestamp(changed, tz=timezone.get_current_timezone())
        found.append(Checkpoint(int(named[1]), size, at, whole))
    return sorted(found, key=lambda one: one.step, reverse=True)


def log_of(job: Job, *, level: str = "", text: str = "") -> QuerySet[JobLogLine]:
    """Lines of the log, of one level and with some words in them where these are given."""
    rows = job.log_lines.all()
    if level in LEVELS:
        rows = rows.filter(level=level)
    if words := text.replace("\x00", "").strip():
        rows = rows.filter(text__icontains=words[:200])
    return rows
