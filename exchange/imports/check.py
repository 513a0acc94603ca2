"""What an import would do, with nothing written."""

import time
from pathlib import Path

from django.db import transaction

from accounts.models import Project
from annotate.models import Protocol
from exchange.imports import asking
from exchange.imports.backend import Reading
from exchange.imports.base import SHOWN, Format, Mapping, Problem, Progress, Row
from exchange.imports.mapping import Builder
from exchange.imports.outcome import Check, Counts
from exchange.imports.plan import Plan
from exchange.imports.raters import Models
from exchange.imports.reading import Pass, builder_of
from exchange.imports.watch import Watch


def check(
    path: Path, format: Format, mapping: Mapping, project: Project, *, as_tasks: bool = False, wanted: int = 1,
    protocol: Protocol | None = None, progress: Progress | None = None, limit: int | None = None, filename: str = "",
) -> Check:  # fmt: skip
    """Read every line (or the first `limit`), count what it would become, and keep what is wrong with which.

    Raises UnreadableFile, and ValueError with a sentence for a mapping that makes no record (no prompt, no vote).
    """
    began = time.perf_counter()
    builder = builder_of(mapping)
    found = Check()
    models = Models(project, mapping.models, Reading())
    models.check()
    asked = asking.Asked(
        builder.steps, asking.protocol_of(builder, project, None, make=False), as_tasks, protocol, wanted
    )  # fmt: skip
    watch = Watch(builder, format, found)

    def bad(problem: Problem, row: Row | None, raw: bytes | None) -> None:
        if len(found.problems) < SHOWN:
            found.problems.append(problem)
        watch.missed(problem, row)

    with transaction.atomic():
        plan = Plan(project, asked, Reading(), source=mapping.source, models=models)
        one = Pass(format, builder, bad=bad, seen=watch.seen)
        one.over(path, plan, filename=filename, progress=progress, limit=limit)
    found.lines, found.fits, found.bad, found.counts = one.lines, one.fits, one.bad, plan.counts
    found.columns = watch.columns(mapping)
    found.models = models.names[:1_000]
    found.notes = notes_of(plan.counts, builder, as_tasks) + watch.notes()
    found.seconds = time.perf_counter() - began
    return found


def notes_of(counts: Counts, builder: Builder, as_tasks: bool) -> list[str]:
    found = []
    if counts.without_text and not builder.has_texts:
        found.append(
            f"The file has no texts: {counts.without_text:,} answers come in empty, known by their model alone. "
            "Votes on them count, and nobody is given them to judge."
        )
    elif counts.without_text:
        found.append(f"{counts.without_text:,} answers are empty, and were judged as they are.")
    if counts.without_vote:
        lines = "line has" if counts.without_vote == 1 else "lines have"
        found.append(
            f"{counts.without_vote:,} {lines} no {words_of(builder)}: prompt and answers come in, without a vote."
        )
    if counts.models_new:
        found.append(
            f"{counts.models_new:,} models have no weights here: they are on the leaderboard, and cannot be trained "
            "or sampled."
        )
    if counts.votes_known:
        found.append(f"{counts.votes_known:,} votes are here already, from the same raters. They stay as they are.")
    if (
        "key" in builder.by_role
        and "prompt" not in builder.by_role
        and builder.prompts is None
        and not builder.has_texts
    ):
        found.append("Prompts are known by number only. Send the file of prompts along, or join them by key later.")
    if as_tasks and counts.votes:
        found.append("Items with votes are done; only those without become open tasks.")
    return found


def words_of(builder: Builder) -> str:
    """What raters of this file can have said: "preference or rating"."""
    titles = (asking.TITLES[kind] for kind, _ in builder.steps)
    return " or ".join(dict.fromkeys(titles))
