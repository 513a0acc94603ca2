"""Bytes of a file that may be packed: gzip, zstd or a zip with one file inside, read as they come and never whole.

Nothing is unpacked to disk. What unpacks to far more than it is packed (a zip bomb) is stopped on the way.
"""

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

from exchange.imports.base import UnreadableFile

PIECE = 1 << 20
MOST = int(os.environ.get("PALATE_IMPORT_MOST_BYTES", 64 * 2**30))
"""Bytes that a file may have, unpacked."""
RATIO = 200
"""Times that it may be larger than it is packed; text packs to a tenth, one line again and again to a hundredth."""
FREE = 32 * 2**20
"""Bytes up to which the ratio is not looked at."""
PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf", b"Rar!")
FOREIGN = {
    b"%PDF": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture",
    b"\x7fELF": "a program", b"MZ": "a program", b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Office document", b"BZh": "packed with bzip2", b"\xfd7zXZ\x00": "packed with xz",
    b"7z\xbc\xaf": "packed with 7-Zip", b"Rar!": "packed with RAR", b"{\\rtf": "a Word document",
    b"ARROW1": "an Arrow file", b"\x80\x04": "a Python pickle",
}  # fmt: skip
TELL = "Save it as JSONL, JSON, CSV or Parquet (also .gz, .zst or .zip), then send that."


@dataclass
class Stream:
    """Unpacked bytes, counted."""

    raw: IO[bytes]
    packed: IO[bytes]
    """The file on disk, whose position tells how far we are."""
    size: int
    """Of the file on disk."""
    name: str
    """The file's name, without what says how it is packed."""
    first: bytes = b""
    out: int = 0
    is_packed: bool = False

    def read(self, size: int = PIECE) -> bytes:
        if self.first:
            piece, self.first = self.first[:size], self.first[size:]
            return piece
        try:
            piece = self.raw.read(size)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, zstandard.ZstdError, RuntimeError) as error:
            raise UnreadableFile(f"The file is packed, and damaged: {str(error)[:120]}. Pack it again.") from error
        self.count(len(piece))
        return piece

    def count(self, more: int) -> None:
        self.out += more
        if self.out > MOST:
            raise UnreadableFile(f"The file has more than {MOST / 2**30:,.0f} GB unpacked. Cut it into parts.")
        if self.is_packed and self.out > FREE and self.out > RATIO * max(self.size, 1):
            raise UnreadableFile(
                f"The file unpacks to more than {RATIO} times its size, as no real data does (a zip bomb?). "
                "It was stopped, and nothing was imported. If it is real, send it unpacked."
            )

    def position(self) -> int:
        try:
            return min(self.packed.tell(), self.size)
        except ValueError:
            return self.size


@contextmanager
def opened(path: Path, filename: str = "") -> Iterator[Stream]:
    """The bytes of a file, unpacked where it is packed. Raises UnreadableFile."""
    name = filename or path.name
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be opened: {error.strerror or error}.") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise UnreadableFile(f"{name} is empty: it has 0 bytes. Was it cut off on its way?")
        head = file.read(64)
        file.seek(0)
        stream = Stream(file, file, size, name)
        if head.startswith(b"\x1f\x8b"):
            unpacked: Any = gzip.GzipFile(fileobj=file)
            stream.raw, stream.is_packed, stream.name = unpacked, True, without(name, ".gz")
        elif head.startswith(b"\x28\xb5\x2f\xfd"):
            reader: Any = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file, read_across_frames=True)
            stream.raw, stream.is_packed, stream.name = reader, True, without(name, ".zst", ".zstd")
        elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            archive = open_zip(file, name)
            member = only_member(archive, name)
            stream.raw, stream.is_packed, stream.name = archive.open(member), True, PurePosixPath(member.filename).name
        stream.first = stream.read(4096)
        if stream.is_packed and stream.first.startswith(PACKED):
            raise UnreadableFile(f"{name} is packed twice. Unpack it once, then send it.")
        refuse_foreign(stream.first, stream.name)
        yield stream


def without(name: str, *endings: str) -> str:
    for ending in endings:
        name = name.removesuffix(ending)
    return name


def open_zip(file: Any, name: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableFile(f"{name} is a damaged zip: {str(error)[:120]}. Pack it again.") from error
    for one in archive.infolist():
        parts = PurePosixPath(one.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            raise UnreadableFile(
                f"{name} names a file outside itself ({one.filename[:80]!r}), as no honest zip does. It was not opened."
            )
        if one.flag_bits & 1:
            raise UnreadableFile(f"{name} is locked with a password. Pack it without one.")
    return archive


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        one
        for one in archive.infolist()
        if not one.is_dir() and not one.filename.startswith("__MACOSX/")
        and not PurePosixPath(one.filename).name.startswith(".")
    ]  # fmt: skip


def only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = members_of(archive)
    if len(members) != 1:
        names = ", ".join(one.filename for one in members[:4]) or "none"
        raise UnreadableFile(f"{name} has {len(members):,} files inside ({names}). Pack one file a zip.")
    if members[0].filename.lower().endswith((".zip", ".gz", ".zst", ".xlsx")):
        raise UnreadableFile(f"{name} has a packed file inside ({members[0].filename}). Unpack it once, then send it.")
    return members[0]


def refuse_foreign(first: bytes, name: str) -> None:
    for magic, what in FOREIGN.items():
        if first.startswith(magic):
            raise UnreadableFile(f"{name} is {what}, which cannot be imported. {TELL}")
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or first[:200].count(0) > len(first[:200]) // 4:
        wide = first.startswith((b"\xff\xfe", b"\xfe\xff"))
        what = "in UTF-16" if wide else "not text: it is full of NUL bytes"
        raise UnreadableFile(f"{name} is {what}. Save it as UTF-8, then send it again.")
    if first[:1024].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UnreadableFile(f"{name} is a web page or XML, which cannot be imported. {TELL}")


# --- Several files ----------------------------------------------------------------------------------------------


@dataclass
class Folder:
    """A folder, or a zip of one: names -> contents, a file at a time and each of a bounded size."""

    names: list[str]
    open_one: Any
    size: int
    spent: int = field(default=0)

    def read(self, name: str, most: int = 256 * 2**20) -> bytes:
        with self.open_one(name) as file:
            content: bytes = file.read(most + 1)
        self.spent += len(content)
        if len(content) > most or (self.spent > FREE and self.spent > RATIO * max(self.size, 1)):
            raise UnreadableFile(f"{name} is too large: {most / 2**20:,.0f} MB are read. Was something else packed?")
        return content


@contextmanager
def folder(path: Path) -> Iterator[Folder | None]:
    """The files of a folder or of a zip of several; None where it is neither."""
    if path.is_dir():
        files = {str(one.relative_to(path)): one for one in sorted(path.rglob("*")) if one.is_file()}
        size = sum(one.stat().st_size for one in files.values())
        yield Folder(list(files), lambda name: files[name].open("rb"), size)
        return
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            yield None
            return
        file.seek(0)
        with open_zip(file, path.name) as archive:
            names = [one.filename for one in members_of(archive)]
            yield Folder(names, archive.open, path.stat().st_size) if len(names) > 1 else None
