"""Exports that are files: asked for by people, made by a job, kept for a week, told to the audit log."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEvent, Project, User, record_audit
from accounts.permissions import can_admin, can_research
from exchange.exports import consent
from exchange.exports.errors import ExportError
from exchange.exports.stream import Export, prepare
from registry import jobs
from registry.models import Job
from registry.specs import ExportSpec

KEPT = timedelta(days=7)
PART = ".part"
"""Ends the name of a file that is being written. What has its final name is whole."""
SWEPT_AT_ONCE = 20


def refusal(user: User, project: Project, spec: ExportSpec) -> str:
    """Why this person may not have this export; empty if they may."""
    if not can_research(user, project):
        return f"Your role does not let you export from {project}. Ask an admin for the role researcher."
    if spec.people == "names" and not can_admin(user, project):
        return f"Only admins of {project} can export names. Take pseudonyms, or leave people out."
    return ""


def request(project: Project, spec: ExportSpec, user: User | None, **more: Any) -> Job:
    """Queue the job. Raises ExportError for what cannot be written, before anything waits in a queue."""
    if user is not None and (reason := refusal(user, project, spec)):
        raise ExportError(reason)
    consent.check(project, spec)
    prepare(project, spec)
    return jobs.request_job(project=project, kind="export", params=spec.as_params(), user=user, **more)


def audit(made: Export, *, actor: User | None, way: str) -> AuditEvent:
    """The line of the audit log. `way`: job-12, page, command, or API and the token's name."""
    spec = made.spec
    return record_audit(
        actor=actor, action="export.made", project=made.project, target=made.filename, what=spec.title,
        format=spec.format, file=spec.file, compress=spec.compress, rows=made.rows, size=made.size,
        sha256=made.sha256, names=spec.people == "names", people=spec.people, way=way, spec=spec.as_params(),
    )  # fmt: skip


@contextlib.contextmanager
def whole_or_nothing(path: Path) -> Iterator[Any]:
    """A file to write to that gets its name when all is on disk. After an error nothing of it is left.

    Raises OSError where another process writes the same file now.
    """
    aside = path.with_name(path.name + PART)
    with aside.open("ab") as file:  # not "wb": that would empty what another process is writing
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(file.fileno()), aside.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False  # the other one is at it, or has just given the file its name
        if not mine:
            raise OSError(errno.EBUSY, "another export is writing this file")
        try:
            file.truncate(0)
            yield file
            file.flush()
            os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def file_of(job: Job) -> Path | None:
    """The file of a finished export; None once it was swept."""
    name = job.result.get("path", "")
    if job.kind != "export" or job.status != Job.Status.SUCCEEDED or not re.fullmatch(r"[\w./-]+", name):
        return None
    path = Path(settings.ARTIFACTS) / name
    return path if path.is_file() else None


def kept_until(job: Job) -> Any:
    return job.finished_at + KEPT if job.finished_at else None


def sweep() -> int:
    """Delete the files of exports that ended a week ago; their rows and the audit log stay. Counts them."""
    old = Job.objects.filter(kind="export", status__in=Job.FINISHED, finished_at__lt=timezone.now() - KEPT)
    swept = 0
    for job in old.exclude(result__has_key="swept_at").order_by("finished_at")[:SWEPT_AT_ONCE]:
        shutil.rmtree(job.folder, ignore_errors=True)
        Job.objects.filter(pk=job.pk).update(result={**job.result, "swept_at": timezone.now().isoformat()})
        swept += 1
    return swept
