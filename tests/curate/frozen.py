"""Frozen datasets for tests of pages: rows as Parquet, lineage, and models trained on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Feedback
from curate.rows import PREFERENCE, RowType, assistant, user
from registry import jobs
from registry.models import Dataset
from registry.specs import BuildDatasetSpec

GROUP = 7
"""Rows of a row group, so that pages of rows cross them."""


def pair(key: str, chosen: str, rejected: str, **values: Any) -> dict[str, Any]:
    """A row of preference pairs."""
    return {
        "prompt": user(f"How do I cook {key}?"), "chosen": assistant(chosen), "rejected": assistant(rejected),
        "margin": 1.0, "strength": 1.0, "disagreement": 0.0, "weight": 1.0, "tie": False, "prompt_key": key,
        "chosen_score": None, "rejected_score": None, "chosen_finished": True, "rejected_finished": True,
        "chosen_first": 0.5, "lang": "en", "source": "pairs", "models": ["base", "other"], "seed": 0, "raters": 1,
        "agreement": 1.0, "simulated": 0, "feedback_ids": [], **values,
    }  # fmt: skip


def freeze(
    project: Project, by: User, rows: Mapping[str, Sequence[dict[str, Any]]], *, name: str = "prefs", version: int = 1,
    row_type: RowType = PREFERENCE, recipe: dict[str, Any] | None = None, votes: Sequence[Feedback] = (),
    content_hash: str = "", **values: Any,
) -> Dataset:  # fmt: skip
    spec = BuildDatasetSpec.model_validate({"name": name, **(recipe or {})}).model_dump(mode="json")
    job = jobs.request_job(project=project, kind="build_dataset", params=spec, user=by)
    job.status = "succeeded"
    job.save()
    path = f"job-{job.pk}/attempt-1"
    folder = Path(settings.ARTIFACTS) / path
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"held_out": [], **rows}
    for split, some in rows.items():
        table = pa.Table.from_pylist(list(some), schema=row_type.schema)
        pq.write_table(table, folder / f"{split}.parquet", row_group_size=GROUP)
    files = {f"{split}.parquet": {"size": 10, "sha256": "a" * 64} for split in rows}
    counts = {"train": 0, **{split: len(some) for split, some in rows.items()}}
    dataset = Dataset.objects.create(
        project=project, job=job, name=name, version=version, recipe=spec, path=path,
        content_hash=content_hash or f"{job.pk:064x}", rows=counts,
        card={"prompts": 3, "files": files, **values},
    )  # fmt: skip
    DatasetFeedback.objects.bulk_create(DatasetFeedback(dataset=dataset, feedback=one, split="train") for one in votes)
    return dataset
