"""How an uploaded file reaches the disk: straight into its folder, piece by piece, and never more than the limit."""

import errno
import hashlib
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

MB = 2**20


class ToDisk(FileUploadHandler):
    """Writes the file named `file` of a form to `path`; what is wrong is a sentence in `problem`, and no file is left.

    Django's own handler would write to /tmp, often memory, and knows no limit.
    """

    chunk_size = MB

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__()
        self.path, self.limit = path, limit
        self.problem = ""
        self.size = 0
        self.digest = hashlib.sha256()
        self.out: Any = None
        self.kept = False
        """Whether an Upload stands for the file; one that none stands for is removed with its request."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != "file" or self.out is not None:
            self.stop("Only one file can be imported at a time.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.out = self.path.open("xb")
        except OSError as error:
            self.failed(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > self.limit:
            self.stop(too_large(self.limit))
        try:
            self.out.write(raw_data)
            self.digest.update(raw_data)
        except OSError as error:
            self.failed(error)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        try:
            self.out.close()
        except OSError as error:
            self.failed(error)
        self.size = file_size
        # What Django hands to the view: a name and a size, the bytes stay where they are.
        return UploadedFile(file=None, name=self.file_name, content_type=self.content_type or "", size=file_size)

    def upload_interrupted(self) -> None:
        self.remove()

    def stop(self, problem: str) -> None:
        self.problem = self.problem or problem
        self.remove()
        # The rest is read and thrown away, so that the browser shows the page that says why.
        raise StopUpload(connection_reset=False)

    def failed(self, error: OSError) -> None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk of the server is full" if full else (error.strerror or str(error))
        self.stop(f"The file could not be kept: {why}. Nothing was imported. Tell whoever runs this site.")

    def remove(self) -> None:
        if self.out is not None:
            self.out.close()
        self.path.unlink(missing_ok=True)


def too_large(limit: int) -> str:
    return (
        f"The file is larger than the {limit / MB:,.0f} MB that can be sent here. Compress it (gzip or zstd), cut it "
        "into parts, or have it imported on the server with `python manage.py import`."
    )
