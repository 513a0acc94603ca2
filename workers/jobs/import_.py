"""Import an uploaded file, once: the rows and the word that they are in are one transaction.

A job that died is run again from the start, since nothing of it was kept; one that died after its commit finds that
the upload is imported, and says so.
"""

from typing import Any

from django.utils import timezone

from accounts.permissions import can_research
from annotate.models import Protocol
from exchange.imports.base import Mapping, Refused, UnreadableFile
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.write import write
from exchange.models import Import, Upload
from registry.specs.import_ import ImportSpec
from workers.context import JobContext
from workers.errors import JobError


class AlreadyIn(Exception):
    """An attempt before this one has committed."""


def run(context: JobContext, spec: ImportSpec) -> None:
    upload = Upload.objects.filter(pk=spec.upload, project=context.job.project).first()
    if upload is None:
        raise JobError("The uploaded file is gone, so there is nothing to import. Send it again.")
    # Roles may have changed while it waited.
    owner, project = context.job.created_by, context.job.project
    if owner is not None and not can_research(owner, project):
        reason = f"The role of {owner} does not let them import into {project} any more. Ask an admin for researcher."
        Upload.objects.filter(pk=upload.pk).exclude(state=Upload.State.IMPORTED).update(
            state=Upload.State.FAILED, error=reason, finished_at=timezone.now()
        )
        raise JobError(reason)
    try:
        bring_in(context, upload)
    except AlreadyIn:
        context.log("An attempt before this one had it all in already.")
    except (Refused, UnreadableFile, ValueError) as error:
        Upload.objects.filter(pk=upload.pk).update(
            state=Upload.State.FAILED, error=str(error), finished_at=timezone.now(),
            counts={**upload.counts, **wrong(error)},
        )  # fmt: skip
        raise JobError(str(error)) from error
    upload.refresh_from_db()
    with context.publish() as result:
        result.update(file=upload.filename, **upload.counts)


def wrong(error: Exception) -> dict[str, Any]:
    return {"lines": error.lines, "bad": error.bad} if isinstance(error, Refused) else {}


def bring_in(context: JobContext, upload: Upload) -> None:
    if upload.format not in FORMATS:
        raise ValueError(
            f"{upload.format or 'Nothing'} is not a format of files. Choose one on the page of the import."
        )
    said = upload.options
    protocol = Protocol.objects.filter(pk=said.get("protocol"), project=upload.project).first()
    if said.get("protocol") and protocol is None:
        raise ValueError("The protocol that was chosen is gone. Choose another one.")

    def progress(done: int, total: int) -> None:
        context.progress(done, total, f"{done / max(total, 1):.0%} of {upload.filename} read")
        context.check_stop()

    def begin() -> None:
        if Upload.objects.select_for_update(no_key=True).get(pk=upload.pk).state == Upload.State.IMPORTED:
            raise AlreadyIn

    def finish(outcome: Outcome) -> None:
        counts = {"lines": outcome.lines, "written": outcome.written, "skipped": outcome.skipped}
        Upload.objects.filter(pk=upload.pk).update(
            state=Upload.State.IMPORTED, error="", finished_at=timezone.now(),
            counts={**outcome.counts.as_json(), **counts, "bad": outcome.skipped},
            report_path=f"{upload.path}.left-out{ending(upload)}" if outcome.report else "",
        )  # fmt: skip
        Import.objects.filter(pk=outcome.number).update(upload=upload)

    write(
        upload.file, FORMATS[upload.format], Mapping.from_json(upload.mapping), upload.project, upload.user,
        on_bad=said.get("on_bad", "refuse"), as_tasks=bool(said.get("as_tasks")), wanted=int(said.get("wanted", 1)),
        protocol=protocol, report=upload.file.with_name(f"{upload.file.name}.left-out{ending(upload)}"),
        progress=progress, filename=upload.filename, begin=begin, finish=finish,
    )  # fmt: skip


def ending(upload: Upload) -> str:
    name = upload.filename.lower().removesuffix(".gz").removesuffix(".zst")
    return ".csv" if name.endswith((".csv", ".tsv")) else ".jsonl"
