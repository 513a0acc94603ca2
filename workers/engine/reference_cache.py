"""Log-probabilities of the reference, kept on disk by what they are of, so that no run measures them twice.

A sweep over beta, a second objective or a longer run needs the same numbers. They are kept by content: the weights of
the reference, the precision and the kind of device choose a folder, the tokens of prompt and completion the entry.
Nothing has to be declared stale: other weights or other tokens are another key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workers.modeling import inner_of
from workers.pairs import TokenPair

logger = logging.getLogger(__name__)

KEY_BYTES = 16


def reference_key(model: Any) -> str:
    """A hash of what the reference computes with: its weights (an adapter's left out), settings, dtype, device.

    Reads every weight once: about a second for each gigabyte.
    """
    inner = inner_of(model)
    adapter = hasattr(model, "disable_adapter")
    digest = hashlib.blake2b(digest_size=16)
    config = {name: value for name, value in inner.config.to_dict().items() if name != "_name_or_path"}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(f"{next(inner.parameters()).device.type} {torch.__version__}".encode())
    for name, weight in inner.named_parameters():
        if adapter and weight.requires_grad:
            continue  # what is trained is no part of the reference
        digest.update(f"{name.replace('.base_layer', '')} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def entry_key(prompt: Sequence[int], completion: Sequence[int]) -> bytes:
    """Of the tokens, with the prompt's number in front so that no two splits of one text look alike."""
    content = np.array([len(prompt), *prompt, *completion], dtype=np.int64).tobytes()
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


class ReferenceCache:
    """The kept values of one reference. Safe for several processes: files are written whole and never changed."""

    def __init__(self, root: Path, model: Any) -> None:
        self.folder = root / reference_key(model)
        self._known: dict[bytes, float] = {}
        self.found = 0  # values that needed no measuring
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with np.load(path) as kept:
                    keys, values = kept["keys"], kept["values"]
                    self._known.update(zip((key.tobytes() for key in keys), values.tolist(), strict=True))
                os.utime(path)  # used just now: see trim()
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                # Lost values are measured again; a run must not fail for them.
                logger.warning("Kept reference values could not be read from %s: %s", path, error)

    def fill(self, values: Tensor, pairs: Sequence[TokenPair]) -> list[int]:
        """Write what is known into `values`, shape (2, pairs): chosen and rejected. Returns the pairs to measure."""
        unknown = []
        for index, pair in enumerate(pairs):
            known = [self._known.get(entry_key(pair.prompt, side)) for side in (pair.chosen, pair.rejected)]
            if None in known:
                unknown.append(index)
            else:
                values[:, index] = torch.tensor(known)
        self.found += 2 * (len(pairs) - len(unknown))
        return unknown

    def keep(self, values: Tensor, pairs: Sequence[TokenPair]) -> None:
        """Keep measured values, shape (2, pairs): one new file, which appears whole or not at all."""
        measured: dict[bytes, float] = {}
        for pair, chosen, rejected in zip(pairs, *values.tolist(), strict=True):
            measured[entry_key(pair.prompt, pair.chosen)] = chosen
            measured[entry_key(pair.prompt, pair.rejected)] = rejected
        fresh = {key: value for key, value in measured.items() if key not in self._known}
        if not fresh:
            return
        self._known.update(fresh)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = uuid.uuid4().hex
            scratch = self.folder / f".{name}.tmp"
            with scratch.open("wb") as file:
                keys = np.frombuffer(b"".join(fresh), dtype=np.uint8).reshape(-1, KEY_BYTES)
                np.savez(file, keys=keys, values=np.array(list(fresh.values()), dtype=np.float64))
            os.replace(scratch, self.folder / f"{name}.npz")
        except OSError as error:  # a full disk: this run has its values, the next measures them again
            logger.warning("Reference values could not be kept in %s: %s", self.folder, error)


def trim(root: Path, most_bytes: int) -> int:
    """Remove the files used longest ago until what is kept fits into `most_bytes`; how many were removed.

    A run that is reading loses nothing but time: its open file stays whole, and what it does not find it measures.
    """
    files = []
    for path in root.glob("*/*.npz"):
        try:
            found = path.stat()
        except OSError:  # another run removed it
            continue
        files.append((found.st_mtime_ns, str(path), found.st_size))
    size = sum(one[2] for one in files)
    removed = 0
    for _, name, one in sorted(files):
        if size <= most_bytes:
            break
        Path(name).unlink(missing_ok=True)
        size, removed = size - one, removed + 1
    return removed
