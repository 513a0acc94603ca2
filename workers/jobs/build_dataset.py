"""Freeze feedback into a dataset: Parquet a split, a content hash, a card, and the lineage of every row."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Project
from curate.datasets import Balance, ContentHash, Funnel, Pair, pairs, source
from annotate.models import DatasetFeedback
from registry.models import Dataset
from registry.specs import BuildDatasetSpec
from workers.context import JobContext
from workers.errors import JobError

CHUNK = 1_000
SPLITS = ("train", "held_out")
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("margin", pa.float64()),
        ("tie", pa.bool_()),
        ("chosen_finished", pa.bool_()),
        ("rejected_finished", pa.bool_()),
        ("agreement", pa.float64()),
        ("raters", pa.int32()),
        ("simulated", pa.int32()),
        ("prompt_key", pa.string()),
        ("lang", pa.string()),
        ("feedback_ids", pa.list_(pa.int64())),
    ]
)


def run(context: JobContext, spec: BuildDatasetSpec) -> None:
    funnel, balance, content = Funnel(), Balance(), ContentHash()
    # One snapshot: votes that arrive while we read are in the next version, not half in this one.
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        lineage = write(context, spec, funnel, balance, content)
    if not funnel.pairs["train"]:
        raise JobError(no_pairs(funnel))
    card = {**funnel.as_dict(), **balance.as_dict(), "warnings": balance.warnings()}
    manifest = context.manifest_of(context.workdir)
    with context.publish() as result:
        dataset = Dataset.objects.create(
            project=context.job.project, job=context.job, name=spec.name, version=next_version(context, spec),
            recipe=spec.model_dump(mode="json"), path=str(context.workdir.relative_to(settings.ARTIFACTS)),
            content_hash=content.hexdigest(), rows={split: funnel.pairs[split] for split in SPLITS},
            card={**card, "files": manifest},
        )  # fmt: skip
        for start in range(0, len(lineage), CHUNK):
            DatasetFeedback.objects.bulk_create(
                DatasetFeedback(dataset=dataset, feedback_id=pk, split=split)
                for pk, split in lineage[start : start + CHUNK]
            )
        result.update(dataset=str(dataset), content_hash=dataset.content_hash, **dataset.rows)


def write(
    context: JobContext, spec: BuildDatasetSpec, funnel: Funnel, balance: Balance, content: ContentHash
) -> list[tuple[int, str]]:
    """Stream the pairs into one Parquet file a split; returns (feedback id, split) of every vote used."""
    total = source(context.job.project, spec).count()
    lineage: list[tuple[int, str]] = []
    with ExitStack() as stack:
        writers = {split: stack.enter_context(Rows(context.workdir / f"{split}.parquet")) for split in SPLITS}
        for pair in pairs(context.job.project, spec, funnel):
            writers[pair.split].add(pair)
            content.add(pair)
            balance.add(pair)
            lineage += [(pk, pair.split) for pk in pair.feedback_ids]
            if balance.rows % CHUNK == 0:
                context.progress(funnel.answers, total, f"{balance.rows:,} pairs from {funnel.answers:,} answers")
                context.check_stop()
    context.progress(total, total, f"{balance.rows:,} pairs from {funnel.answers:,} answers")
    for reason, count in funnel.dropped.items():
        context.log(f"{count:,} left out: {reason}")
    return lineage


class Rows:
    """A Parquet file that is written a chunk at a time."""

    def __init__(self, path: Path) -> None:
        self.writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self.waiting: list[dict[str, Any]] = []

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()
        self.writer.close()

    def add(self, pair: Pair) -> None:
        self.waiting.append(pair.row())
        if len(self.waiting) == CHUNK:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            self.writer.write_table(pa.Table.from_pylist(self.waiting, schema=SCHEMA))
            self.waiting = []


def next_version(context: JobContext, spec: BuildDatasetSpec) -> int:
    # Two builds of the same name may publish at once; the second waits for the first's number.
    Project.objects.select_for_update(no_key=True).get(pk=context.job.project_id)
    newest = Dataset.objects.filter(project=context.job.project, name=spec.name).aggregate(newest=Max("version"))
    return int(newest["newest"] or 0) + 1


def no_pairs(funnel: Funnel) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in funnel.dropped.items()) or "nothing"
    return (
        f"The recipe leaves no pair to train on: {funnel.answers} answers were read and {left_out} left out. "
        "Collect more answers, or loosen the recipe."
    )
