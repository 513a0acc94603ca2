"""Take an import back, once: what goes and the word that it went are one transaction.

A job that died before its commit has changed nothing and is run again; one that died after it finds that this very job
took the import back, and says so.
"""

from accounts.permissions import can_admin
from exchange.imports.take_back import Holds, take_back
from exchange.models import Import
from registry.specs.take_back import TakeBackSpec
from workers.context import JobContext
from workers.errors import JobError


def run(context: JobContext, spec: TakeBackSpec) -> None:
    project, owner = context.job.project, context.job.created_by
    made = Import.objects.filter(pk=spec.made, project=project).first()
    if made is None:
        raise JobError(f"There is no import {spec.made} in {project}.")
    if owner is not None and not can_admin(owner, project):  # roles may have changed while it waited
        raise JobError(f"The role of {owner} does not let them take imports of {project} back. Ask an admin to do it.")

    def progress(done: int, total: int, text: str) -> None:
        context.progress(done, total, text)
        context.check_stop()

    if made.taken_back.get("job") == context.job.pk:
        context.log("An attempt before this one had taken it back already.")
    else:
        try:
            take_back(made, owner, job=context.job, progress=progress)
        except Holds as error:
            raise JobError(str(error)) from error
    made.refresh_from_db()
    with context.publish() as result:
        result.update(file=made.filename, **made.taken_back)
