"""The files of a model: whether they are still what was recorded, and a tar of them that can be continued."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from registry import model_cards
from registry.models import ModelVersion

PIECE = 1 << 20
HASHED = 1 << 30
"""Bytes that one request reads again; of what is beyond only the size is compared, and that is said."""
RANGE = re.compile(r"bytes=(\d{1,19})-(\d{0,19})", re.ASCII)


@dataclass(frozen=True)
class Checked:
    differing: list[str]
    """A sentence for each file that is not what was recorded."""
    hashed: int
    unread: list[str]
    """Files whose size is right and that were too large to read in one request."""


class Unsound(ValueError):
    """The files are not those that were recorded; the message names them."""


def path_of(model: ModelVersion, name: str) -> Path:
    """Where a recorded file lies. Raises Unsound for a name that leads out of the model's folder."""
    path = model.folder / name
    if not path.resolve().is_relative_to(model.folder.resolve()):
        raise Unsound(f"{name} lies outside of the model's folder.")
    return path


def check(model: ModelVersion, *, read: int = HASHED) -> Checked:
    differing, unread, hashed = [], [], 0
    for name, entry in sorted(model.manifest.items(), key=lambda item: item[1]["size"]):
        if wrong := misfit(model, name):
            differing.append(wrong)
        elif entry["size"] > read:
            unread.append(name)
        else:
            read -= entry["size"]
            hashed += 1
            with path_of(model, name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != entry["sha256"]:
                differing.append(f"{name} has other content: {found[:12]} instead of {entry['sha256'][:12]}.")
    if model.manifest and model.folder.is_dir():
        there = {str(path.relative_to(model.folder)) for path in model.folder.rglob("*") if path.is_file()}
        differing += [f"{name} was not there when it was recorded." for name in sorted(there - set(model.manifest))]
    return Checked(differing, hashed, unread)


def misfit(model: ModelVersion, name: str) -> str:
    """What is wrong with a file as far as its size tells; empty where it fits."""
    try:
        size = path_of(model, name).stat().st_size
    except Unsound as error:
        return str(error)
    except OSError:
        return f"{name} is missing."
    expected = model.manifest[name]["size"]
    return "" if size == expected else f"{name} has {size:,} bytes instead of {expected:,}."


def archive(model: ModelVersion) -> list[bytes | tuple[Path, int]]:
    """The tar in parts: bytes as they are, or a file and its size. The same model and card give the same bytes."""
    if wrong := [text for name in model.manifest if (text := misfit(model, name))]:
        raise Unsound(" ".join(wrong))
    files = {name: entry for name, entry in sorted(model.manifest.items()) if name != "README.md"}
    parts: list[bytes | tuple[Path, int]] = []
    for name, text in (("README.md", model_cards.text_of(model)), ("manifest.json", json.dumps(files, indent=1))):
        content = text.encode()
        parts.append(header(model, name, len(content)) + content + padding(len(content)))
    for name, entry in files.items():
        parts += [header(model, name, entry["size"]), (path_of(model, name), entry["size"]), padding(entry["size"])]
    return [*parts, bytes(2 * tarfile.BLOCKSIZE)]


def header(model: ModelVersion, name: str, size: int) -> bytes:
    info = tarfile.TarInfo(f"{model.name}/{name}")
    info.size, info.mtime, info.mode = size, int(model.created_at.timestamp()), 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def length(part: bytes | tuple[Path, int]) -> int:
    return len(part) if isinstance(part, bytes) else part[1]


def pieces(parts: list[bytes | tuple[Path, int]], first: int, end: int) -> Iterator[bytes]:
    """Bytes `first` to `end` of all parts together; what lies before is not read."""
    at = 0
    for part in parts:
        begin, stop = max(first - at, 0), min(end - at, length(part))
        at += length(part)
        if begin >= stop:
            continue
        with io.BytesIO(part) if isinstance(part, bytes) else part[0].open("rb") as file:
            file.seek(begin)
            while begin < stop and (piece := file.read(min(PIECE, stop - begin))):
                begin += len(piece)
                yield piece


def download(request: HttpRequest, model: ModelVersion) -> HttpResponseBase:
    """The tar, or the part of it that is asked for. Raises Unsound where files are not what was recorded."""
    parts = archive(model)
    size = sum(map(length, parts))
    known = hashlib.sha256(b"".join(part for part in parts if isinstance(part, bytes)))
    known.update(json.dumps(model.manifest, sort_keys=True).encode())
    etag = f'"{known.hexdigest()}"'
    headers = {
        "ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-transform",
        "Content-Disposition": f'attachment; filename="{model.name}.tar"', "Content-Encoding": "identity",
    }  # fmt: skip
    first, end, status = 0, size, 200
    asked = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked and request.headers.get("If-Range", etag) == etag:
        first, status = int(asked[1]), 206
        end = min(int(asked[2]) + 1, size) if asked[2] else size
        if first >= end:
            return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - first)
    return StreamingHttpResponse(
        pieces(parts, first, end), status=status, headers=headers, content_type="application/x-tar"
    )
