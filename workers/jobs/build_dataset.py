"""Freeze feedback into a dataset: Parquet a split, a content hash, a card, and the lineage of every row."""

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Project
from annotate.models import DatasetFeedback
from curate.making.freeze import Frozen, freeze
from curate.making.heap import keep_small, trim
from curate.making.parts import in_parts
from curate.making.plan import Asked, RecipeError
from curate.making.readme import readme
from curate.making.tokens import NoTokenizer
from registry.models import Dataset
from registry.specs import BuildDatasetSpec
from workers.context import JobContext
from workers.errors import JobError

CHUNK = 50_000
TRIMMED = 10_000
"""Items after which memory is given back."""


def run(context: JobContext, spec: BuildDatasetSpec) -> None:
    keep_small()
    # One snapshot: votes that arrive while we read are in the next version, not half in this one.
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        made, frozen = written(context, spec)
    if not frozen.rows["train"]:
        raise JobError(no_rows(made, frozen))
    for key, count in {**made.funnel.left_out}.items():
        context.log(f"{count:,} left out: {key}")
    (context.workdir / "README.md").write_text(
        readme(made, name=spec.name, rows=frozen.rows, card=frozen.card, content_hash=frozen.content_hash), "utf-8"
    )
    manifest = context.manifest_of(context.workdir)
    for path in context.workdir.iterdir():
        path.chmod(0o444)  # what is frozen stays as it is
    with context.publish() as result:
        dataset = Dataset.objects.create(
            project=context.job.project, job=context.job, name=spec.name, version=next_version(context, spec),
            recipe=spec.model_dump(mode="json"), path=str(context.workdir.relative_to(settings.ARTIFACTS)),
            content_hash=frozen.content_hash, rows=frozen.rows, card={**frozen.card, "files": manifest},
        )  # fmt: skip
        store_lineage(dataset, frozen)
        result.update(dataset=str(dataset), content_hash=dataset.content_hash, **dataset.rows)


def written(context: JobContext, spec: BuildDatasetSpec) -> tuple[Asked, Frozen]:
    context.progress(0, 0, "Reading which answers the recipe takes")
    try:
        with in_parts(context.job.project, spec, context.workdir) as made:
            context.check_stop()

            trimmed = 0

            def heard(items: int, rows: int) -> None:
                nonlocal trimmed
                if items // TRIMMED > trimmed:
                    trimmed = items // TRIMMED
                    trim()
                context.progress(items, made.items, f"{rows:,} rows from {items:,} items")
                context.check_stop()

            return made, freeze(made, context.workdir, heard=heard)
    except (RecipeError, NoTokenizer) as error:
        raise JobError(str(error)) from error


def store_lineage(dataset: Dataset, frozen: Frozen) -> None:
    """By COPY: a row an answer, of which there may be millions."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {DatasetFeedback._meta.db_table} (dataset_id, feedback_id, split) FROM STDIN") as copy,
    ):
        for some in frozen.lineage():
            for first in range(0, some.size, CHUNK):
                rows = some[first : first + CHUNK].tolist()
                copy.write("".join(f"{dataset.pk}\t{pk}\t{'held_out' if held else 'train'}\n" for pk, held in rows))


def next_version(context: JobContext, spec: BuildDatasetSpec) -> int:
    # Two builds of the same name may publish at once; the second waits for the first's number.
    Project.objects.select_for_update(no_key=True).get(pk=context.job.project_id)
    newest = Dataset.objects.filter(project=context.job.project, name=spec.name).aggregate(newest=Max("version"))
    return int(newest["newest"] or 0) + 1


def no_rows(made: Asked, frozen: Frozen) -> str:
    what = (
        f"no row to train on: all {frozen.rows['held_out']:,} are held out"
        if frozen.rows["held_out"]
        else "no row to train on"
    )
    return f"The recipe leaves {what}. {made.funnel.sentence()}. Collect more answers, or loosen the recipe."
