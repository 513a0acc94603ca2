"""What an ensemble of reward models thinks of every pair of a dataset: how strong the preference is, and how sure.

A dataset never changes, so this stands beside it: a Parquet file of the model that has the opinion, found from the
dataset through its models. A pair is known by its texts, so an opinion also holds for the pair in another version of
the dataset. Preference strength: Secrets of RLHF in large language models, part II (Wang et al. 2024, 2401.06080).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from registry.models import Dataset, ModelVersion

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("row", pa.int64()),  # place in the split's file, from 0
        ("prompt_key", pa.string()),
        ("strength", pa.float64()),  # mean over the members of r(chosen) - r(rejected), in units of the reward
        ("deviation", pa.float64()),  # their sample standard deviation
        ("differences", pa.list_(pa.float64())),  # of each member
    ]
)
CONFIG = "strengths"
"""Where a model's config says where the file is, and what it hashes to."""


class StrengthsMissing(Exception):
    """The message says what is missing, and what to do."""


@dataclass(frozen=True)
class Strength:
    key: str
    split: str
    row: int
    prompt_key: str
    strength: float
    deviation: float
    differences: tuple[float, ...]


def key_of(row: Mapping[str, Any]) -> str:
    """Of a preference row: the same for the same texts."""
    texts = [[(one["role"], one["content"]) for one in row[name]] for name in ("prompt", "chosen", "rejected")]
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()


def write(path: Path, found: Iterable[Strength]) -> dict[str, Any]:
    """Write the file, and return what the model's config has to say of it."""
    rows = [vars(one) | {"differences": list(one.differences)} for one in found]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return {"path": str(path.relative_to(settings.ARTIFACTS)), "sha256": digest(path), "pairs": len(rows)}


def read(model: ModelVersion) -> list[Strength]:
    """In the order of the dataset's rows, train first. Raises StrengthsMissing where they are not, or changed."""
    said = model.config.get(CONFIG)
    if not said:
        raise StrengthsMissing(
            f"{model} is a single reward model, which has no opinion on how sure it is. Train one with ensemble 2 or "
            "more on the dataset, and name that."
        )
    path = Path(settings.ARTIFACTS) / said["path"]
    if not path.is_file() or digest(path) != said["sha256"]:
        raise StrengthsMissing(f"{path} is not the file that {model} wrote. Restore it from a backup.")
    return [Strength(**{**row, "differences": tuple(row["differences"])}) for row in pq.read_table(path).to_pylist()]


def models_of(dataset: Dataset) -> list[ModelVersion]:
    """Those that have an opinion on the dataset's pairs, newest first."""
    return list(dataset.models.filter(config__has_key=CONFIG).order_by("-pk"))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
