"""A file over HTTP that can be continued: Range, If-Range and ETag (RFC 9110, section 14).

Django's FileResponse sends no ranges (5.2), and WhiteNoise does so for static files alone.
"""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

PIECE = 256 * 1024
ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


def serve(
    request: HttpRequest, file: BinaryIO, *, filename: str, sha256: str, content_type: str, **more: str
) -> HttpResponseBase:  # fmt: skip
    """The file, or the part that is asked for. Of several ranges none is honoured, as the standard allows.

    The file is closed with the answer. `more` are headers beside those of the file.
    """
    size, etag = os.fstat(file.fileno()).st_size, f'"{sha256}"'
    headers = {
        "ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-transform",
        "Content-Disposition": f'attachment; filename="{filename}"',
        # Without it GZipMiddleware compresses: a range would be of other bytes than those that are hashed.
        "Content-Encoding": "identity", **more,
    }  # fmt: skip
    if etag in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
        file.close()
        return HttpResponse(status=304, headers={"ETag": etag})
    asked = requested(request, etag)
    if asked is None:
        return respond(request, file, 0, size, status=200, headers=headers, content_type=content_type)
    first, end = bounds(*asked, size)
    if first >= end:
        file.close()
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return respond(request, file, first, end, status=206, headers=headers, content_type=content_type)


def requested(request: HttpRequest, etag: str) -> tuple[str, str] | None:
    """The two numbers of the range, as written; None where the whole file shall be sent."""
    # A part is only of use to someone who has the rest of the same file.
    if request.headers.get("If-Range", etag) != etag:
        return None
    found = ONE_RANGE.fullmatch(request.headers.get("Range", "").strip())
    return (found[1], found[2]) if found and (found[1] or found[2]) else None


def bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First byte and the one behind the last; an empty range for one that cannot be."""
    if not first:  # the last so many bytes
        return max(size - int(last[:20]), 0), size if int(last[:20]) else 0
    if last and int(last[:20]) < int(first[:20]):
        return 0, 0
    return int(first[:20]), min(int(last[:20]) + 1, size) if last else size


def respond(
    request: HttpRequest, file: BinaryIO, first: int, end: int, *, status: int, headers: dict[str, str],
    content_type: str,
) -> HttpResponseBase:  # fmt: skip
    headers = {**headers, "Content-Length": str(end - first)}
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, headers=headers, content_type=content_type)
    return StreamingHttpResponse(Pieces(file, first, end), status=status, headers=headers, content_type=content_type)


class Pieces:
    """Part of a file. Django calls `close` with the answer's end, also where nobody read any of it."""

    def __init__(self, file: BinaryIO, first: int, end: int) -> None:
        self.file, self.first, self.end = file, first, end

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.first)
        left = self.end - self.first
        while left > 0 and (piece := self.file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()


def content_type(filename: str) -> str:
    if filename.endswith(".gz"):
        return "application/gzip"
    if filename.endswith(".zst"):
        return "application/zstd"
    known = {"jsonl": "application/x-ndjson", "json": "application/json", "csv": "text/csv; charset=utf-8"}
    return known.get(filename.rpartition(".")[2], "application/octet-stream")
