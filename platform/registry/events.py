"""What a running job says, and how it is kept: progress, curves, the log, samples of what its model writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5

from django.db import transaction
from django.db.models import Q

from registry.models import Job, JobLogLine, JobSample, Metric

LONGEST_SAMPLE = 20_000
"""Characters of a prompt, and of what was written to it."""


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class MetricPoint:
    name: str
    step: int
    value: float
    at: datetime


@dataclass(frozen=True)
class LogEntry:
    text: str
    level: str
    at: datetime


@dataclass(frozen=True)
class SampleText:
    """What the model wrote to a prompt at a step."""

    step: int
    prompt: str
    text: str
    at: datetime


def store_events(
    job: Job,
    *,
    metrics: Iterable[MetricPoint] = (),
    lines: Iterable[LogEntry] = (),
    samples: Iterable[SampleText] = (),
) -> bool:
    """Add to the curves, the log and the samples; False, and nothing is stored, if the job is no longer this attempt's.

    What a job said just before it published arrives just after, so a job that succeeded still takes events.
    """
    newest = {(point.name, point.step): point for point in metrics}
    with transaction.atomic():
        told = Q(status=Job.Status.RUNNING) | Q(status=Job.Status.SUCCEEDED)
        ours = Job.objects.select_for_update(no_key=True).filter(told, pk=job.pk, attempt=job.attempt)
        if not ours.exists():
            return False
        Metric.objects.bulk_create(
            [
                Metric(job=job, attempt=job.attempt, name=p.name, step=p.step, value=p.value, at=p.at)
                for p in newest.values()
            ],
            update_conflicts=True,
            unique_fields=["job", "name", "step"],
            update_fields=["value", "attempt", "at"],
        )
        JobLogLine.objects.bulk_create(
            JobLogLine(job=job, attempt=job.attempt, at=line.at, level=line.level, text=line.text) for line in lines
        )
        _store_samples(job, samples)
    return True


def _store_samples(job: Job, samples: Iterable[SampleText]) -> None:
    newest = {(one.step, md5(one.prompt.encode()).hexdigest()): one for one in samples}
    JobSample.objects.bulk_create(
        [
            JobSample(
                job=job, attempt=job.attempt, step=step, prompt_hash=key, prompt=one.prompt, text=one.text, at=one.at
            )
            for (step, key), one in newest.items()
        ],
        update_conflicts=True,
        unique_fields=["job", "step", "prompt_hash"],
        update_fields=["text", "attempt", "at"],
    )
