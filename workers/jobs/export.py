"""Write an export to a file that is whole or not there, and tell the audit log."""

import shutil
import time

from django.conf import settings

from exchange.exports import consent, kept
from exchange.exports.errors import ExportError
from exchange.exports.stream import Export, prepare
from registry.specs import ExportSpec, SpecError
from workers.context import JobContext
from workers.errors import JobError

TOLD_EVERY = 0.5
"""Seconds between two reports of progress."""


def run(context: JobContext, spec: ExportSpec) -> None:
    job = context.job
    # Roles may have changed while it waited.
    if job.created_by is not None and (reason := kept.refusal(job.created_by, job.project, spec)):
        raise JobError(reason)
    try:
        made = prepare(job.project, spec)
        consent.check(job.project, spec)
    except (ExportError, SpecError) as error:
        raise JobError(str(error)) from error
    for left in job.folder.glob("attempt-*"):  # an attempt that died wrote half a file there: this one starts anew
        if left != context.workdir:
            shutil.rmtree(left, ignore_errors=True)
    for sentence in (warnings := consent.warnings(job.project, spec)):
        context.log(sentence, level="warning")
    path = context.workdir / made.filename
    began = time.monotonic()
    write(context, made)
    seconds = max(time.monotonic() - began, 1e-3)
    context.progress(made.rows, made.rows, f"{made.rows:,} rows, {made.size / 1e6:,.1f} MB")
    context.log(f"{made.rows:,} rows in {seconds:.1f} s, {made.rows / seconds:,.0f} a second, {made.size:,} bytes")
    with context.publish() as result:
        event = kept.audit(made, actor=job.created_by, way=job.name)
        result.update(
            file=made.filename, path=str(path.relative_to(settings.ARTIFACTS)), sha256=made.sha256, size=made.size,
            rows=made.rows, people=spec.people, warnings=warnings, audit=event.pk,
        )  # fmt: skip


def write(context: JobContext, made: Export) -> None:
    total, told = made.source.count(None), 0.0
    with kept.whole_or_nothing(context.workdir / made.filename) as file:
        for block in made.blocks():
            file.write(block)
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                context.progress(made.rows, max(total, made.rows), f"{made.rows:,} rows, {made.size / 1e6:,.1f} MB")
                context.check_stop()
