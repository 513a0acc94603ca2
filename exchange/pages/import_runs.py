"""From an upload that was checked to the job that imports it, once."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import Http404

from accounts.models import Project, User
from exchange.models import Import, Upload
from exchange.pages.import_forms import Wish
from exchange.pages.import_look import Look, mapping_of
from registry import jobs
from registry.models import Job

State = Upload.State
ENDED_WITHOUT = (Job.Status.FAILED, Job.Status.CANCELLED)


def upload_of(project: Project, pk: int) -> Upload | None:
    """None for a row that is gone, as an upload that was thrown away is. Http404 for one of another project."""
    upload = Upload.objects.filter(pk=pk).select_related("job", "user", "project").first()
    if upload is not None and upload.project_id != project.pk:
        raise Http404("There is no such file in this project.")
    return upload


def is_settled(upload: Upload) -> bool:
    """Whether it is being imported, or was. A job that failed wrote nothing, so its file can be looked at again."""
    if upload.state == State.IMPORTED:
        return True
    return upload.state == State.IMPORTING and not (upload.job and upload.job.status in ENDED_WITHOUT)


def keep(upload: Upload, wish: Wish, look: Look) -> None:
    """Remember what the page shows, so that it can be opened again; not over an import that began meanwhile."""
    counts: dict[str, Any] = {}
    if look.check:
        counts = {**look.check.counts.as_json(), "lines": look.check.lines, "bad": look.check.bad}
    mapping = mapping_of(look.columns, wish.mapping).as_json()
    with transaction.atomic():
        locked = Upload.objects.select_for_update(no_key=True).select_related(None).get(pk=upload.pk)
        if is_settled(locked):
            return
        Upload.objects.filter(pk=upload.pk).update(
            format=wish.format, mapping=mapping, options=wish.options, counts=counts, state=State.CHECKED
        )


def ask(upload: Upload, wish: Wish, project: Project, user: User, request_key: uuid.UUID | None) -> Upload:
    """Import it by a job. A form that is sent twice, or from two tabs, imports once: the first one decides."""
    with transaction.atomic():
        locked = Upload.objects.select_for_update(no_key=True).get(pk=upload.pk)
        if is_settled(locked):
            return locked
        job = jobs.request_job(
            project=project, kind="import", params={"upload": locked.pk}, user=user, request_key=request_key
        )
        locked.job, locked.state, locked.error, locked.finished_at = job, State.IMPORTING, "", None
        locked.save(update_fields=["job", "state", "error", "finished_at"])
    return locked


@dataclass(frozen=True)
class Run:
    """An import that was begun: its upload, how far its job is, and what came of it."""

    upload: Upload
    job: Job
    counts: dict[str, Any]
    """Of `Outcome` once it is done, and of the check before."""

    @property
    def state(self) -> str:
        """queued, running, succeeded, failed or cancelled."""
        return str(self.job.status)

    @property
    def is_taken_back(self) -> bool:
        return self.made is not None and self.made.taken_back_at is not None

    @property
    def failed(self) -> bool:
        return self.job.status in ENDED_WITHOUT

    @property
    def done(self) -> bool:
        return self.job.status == Job.Status.SUCCEEDED

    @property
    def can_be_mended(self) -> bool:
        """Nothing was written and the file is here: another mapping may do."""
        return self.failed and not is_settled(self.upload) and self.upload.file.exists()

    @property
    def state_words(self) -> str:
        return {"succeeded": "imported", "running": "importing", "queued": "waiting"}.get(self.state, self.state)

    @property
    def sentence(self) -> str:
        """What it is doing, or has done."""
        if self.done:
            lines = int(self.counts.get("written", 0))
            return f"{lines:,} line{'' if lines == 1 else 's'} imported"
        if self.failed:
            return "Stopped by a person" if self.job.status == Job.Status.CANCELLED else "It could not be imported"
        return "Reading and checking every line" if self.state == "running" else "Waits for a worker"

    @property
    def joined(self) -> int:
        return int(self.counts.get("joined_by_key", 0)) + int(self.counts.get("joined_by_text", 0))

    @property
    def quiet(self) -> list[str]:
        """Why there are fewer votes than lines, in sentences: what was no vote, and what was here already."""
        found = []
        if count := int(self.counts.get("without_vote", 0)):
            lines, they = ("line says", "its") if count == 1 else ("lines say", "their")
            found.append(f"{count:,} {lines} nothing of {they} answers: prompt and answers came in, without a vote.")
        if count := int(self.counts.get("votes_known", 0)):
            votes = "vote was" if count == 1 else "votes were"
            found.append(f"{count:,} {votes} here already, or twice in the file, and did not come in again.")
        return found

    @property
    def skipped(self) -> int:
        return int(self.counts.get("skipped", 0))

    @property
    def made_tasks(self) -> bool:
        return bool(self.upload.options.get("as_tasks")) and bool(self.counts.get("items"))

    @property
    def has_report(self) -> bool:
        return self.upload.report is not None and self.upload.report.exists()

    @property
    def made(self) -> Import | None:
        """None before it is done, and of one from before imports could be taken back."""
        return getattr(self.upload, "made", None)

    @property
    def error(self) -> str:
        return self.upload.error or self.job.error


def run_of(upload: Upload) -> Run:
    assert upload.job is not None, "only uploads whose import was begun are runs"
    return Run(upload, upload.job, upload.counts)
