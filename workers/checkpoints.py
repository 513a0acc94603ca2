"""Folders that are either whole or not there: written aside, hashed, synced, then renamed."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

Manifest = dict[str, dict[str, int | str]]
MANIFEST = "manifest.json"
KEPT = 2
STEP = re.compile(r"step-(\d+)")


class Torn(Exception):
    """A folder that is not what its manifest says. The message names the first difference."""


def manifest_of(folder: Path) -> Manifest:
    """Size and SHA-256 of every file under `folder` by relative path, each file synced to disk on the way.

    A manifest at the top of the folder is left out: it cannot hold its own hash.
    """
    manifest: Manifest = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            manifest[name] = {"size": path.stat().st_size, "sha256": digest}
    return manifest


def verify(folder: Path) -> None:
    """Raise Torn unless `folder` holds exactly the files of its manifest."""
    try:
        expected = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise Torn(f"{folder.name} has no readable manifest") from error
    found = manifest_of(folder)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise Torn(f"{folder.name}/{name} is not the file that was saved")


def save(folder: Path, *, step: int, write: Callable[[Path], None], tag: str) -> Path:
    """Let `write` fill a checkpoint and keep it as folder/step-N; older ones but the newest two are deleted.

    A process killed at any moment leaves either the whole checkpoint or none. `tag` tells attempts apart
    that might write at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch, target = folder / f".new-{tag}", folder / f"step-{step}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        write(scratch)
        with (scratch / MANIFEST).open("w") as file:
            json.dump(manifest_of(scratch), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # Half a checkpoint is of no use, and on a full disk it takes the room that a resume needs.
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    for inner in [path for path in scratch.rglob("*") if path.is_dir()]:
        _sync_folder(inner)
    _sync_folder(scratch)
    if target.exists():  # saved before, by an attempt that got as far, or torn
        replaced = folder / f".old-{tag}"
        shutil.rmtree(replaced, ignore_errors=True)
        target.rename(replaced)
    scratch.rename(target)
    _sync_folder(folder)
    for stale in [*newest_first(folder)[KEPT:], *folder.glob(".old-*")]:
        shutil.rmtree(stale, ignore_errors=True)
    return target


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, whole or torn, by falling step."""
    steps = [(int(match[1]), path) for path in folder.glob("step-*") if (match := STEP.fullmatch(path.name))]
    return [path for _, path in sorted(steps, reverse=True)]


def _sync_folder(folder: Path) -> None:
    # A rename is durable only once the folder that holds the name has been synced.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
