"""Files on their way in: how one is received, where it waits, and when it goes away by itself."""

import hashlib
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from accounts.models import Project, User
from exchange.models import Upload
from exchange.pages.upload_handler import MB, ToDisk

FOLDER = "uploads"
"""Under ARTIFACTS: the worker that imports a file must be able to read it, on whichever machine it is."""
KEPT = timedelta(days=1)
"""A file is removed after this, imported or not."""
REPORT = "left-out"
"""In the names of reports, which lie beside the files and stay."""
PASTED = 1_000_000
"""Characters that can be pasted; more is a file."""
TOO_LONG = "More than {:,} characters were pasted. Save them as a file and choose that."


class NotReceived(ValueError):
    """Nothing was kept; the message says why and what to do."""


def limit() -> int:
    """Bytes that one file may have."""
    return int(settings.IMPORT_MB * MB)


def prepare(request: HttpRequest) -> ToDisk:
    """Let the request's file go straight to the disk. Nothing may have read the body before, not the CSRF check either.

    Raises NotReceived where the body cannot be read.
    """
    handler = ToDisk(Path(settings.ARTIFACTS) / new_path(), limit())
    request.upload_handlers = [handler]
    try:
        _ = request.POST  # read here, where what is wrong with it can be said on the page
    except RequestDataTooBig as error:
        raise NotReceived(TOO_LONG.format(PASTED)) from error
    except UnreadablePostError as error:
        handler.remove()
        raise NotReceived("The connection ended before the whole file was here. Send it again.") from error
    except (MultiPartParserError, SuspiciousOperation) as error:
        handler.remove()
        raise NotReceived(f"The form could not be read: {error}. Load the page again and send the file.") from error
    return handler


def received(request: HttpRequest, handler: ToDisk, project: Project, user: User) -> Upload:
    """The file that the form sent, or the lines pasted in it. Raises NotReceived; then nothing is left on the disk."""
    if handler.problem:
        raise NotReceived(handler.problem)
    sweep()
    sent = request.FILES.get("file")
    if sent is None or not sent.name:
        upload = paste(project, user, request.POST.get("text", ""), handler.path)
        handler.kept = True
        return upload
    if not handler.size:
        raise NotReceived(f"{sent.name} is empty: it has 0 bytes. Choose another file.")
    sha256 = handler.digest.hexdigest()
    upload = keep(project, user, handler.path, filename=sent.name, sha256=sha256, size=handler.size)
    handler.kept = True
    return upload


def paste(project: Project, user: User, text: str, path: Path) -> Upload:
    if not text.strip():
        raise NotReceived("There is no file yet: choose one, or paste a few lines.")
    if len(text) > PASTED:
        raise NotReceived(TOO_LONG.format(PASTED))
    # Browsers send lines with \r\n, and may send half of a pair, which no file can hold.
    data = text.replace("\r\n", "\n").strip("\n").encode(errors="replace") + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return keep(project, user, path, filename="pasted lines", sha256=sha256, size=len(data))


def new_path() -> str:
    """A name that says nothing: what a person calls a file is no path."""
    return f"{FOLDER}/{uuid.uuid4().hex}"


def keep(project: Project, user: User, path: Path, *, filename: str, sha256: str, size: int) -> Upload:
    name = "".join(letter for letter in filename if letter.isprintable())[-255:] or "file"
    return Upload.objects.create(
        project=project, user=user, filename=name, sha256=sha256, size=size,
        path=str(path.relative_to(settings.ARTIFACTS)),
    )  # fmt: skip


def sweep() -> int:
    """Remove files that lie here for longer than KEPT, imported or not, and the rows of those that never were.

    Reports stay, and so do files whose import still waits or runs. Counts what it removed.
    """
    swept, before = 0, time.time() - KEPT.total_seconds()
    for path in (Path(settings.ARTIFACTS) / FOLDER).glob("*"):
        with suppress(FileNotFoundError):  # two requests may sweep at once
            if REPORT in path.name or path.stat().st_mtime > before:
                continue
            upload = Upload.objects.filter(path=f"{FOLDER}/{path.name}").select_related("job").first()
            if upload and upload.job and not upload.job.is_finished:
                continue
            path.unlink()
            swept += 1
            if upload and upload.job is None:
                upload.delete()
    return swept


def discard(upload: Upload) -> None:
    """A person chose another file: this one is not waited for any longer."""
    if upload.state in (Upload.State.UPLOADED, Upload.State.CHECKED):
        upload.file.unlink(missing_ok=True)
        upload.delete()


def waiting(project: Project, user: User) -> list[Upload]:
    """Files that this person has sent and not imported yet, the newest first."""
    states = [Upload.State.UPLOADED, Upload.State.CHECKED]
    return list(Upload.objects.filter(project=project, user=user, state__in=states, job=None)[:5])
