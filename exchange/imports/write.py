"""A file into the project: all of it or nothing, or all that fits with a report of the rest."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Project, User, record_audit
from annotate.models import Protocol
from exchange.imports import asking
from exchange.imports.backend import Gone, Reading, Writing
from exchange.imports.base import SHOWN, Format, Mapping, Problem, Progress, Refused, Row
from exchange.imports.mapping import Builder
from exchange.imports.outcome import Outcome
from exchange.imports.plan import Plan
from exchange.imports.raters import Models
from exchange.imports.reading import Pass, builder_of
from exchange.imports.report import Report
from exchange.models import Import

OnBad = Literal["refuse", "skip"]


def write(
    path: Path, format: Format, mapping: Mapping, project: Project, user: User | None, *, on_bad: OnBad = "refuse",
    as_tasks: bool = False, wanted: int = 1, protocol: Protocol | None = None, report: Path | None = None,
    progress: Progress | None = None, filename: str = "", begin: Callable[[], None] | None = None,
    finish: Callable[[Outcome], None] | None = None,
) -> Outcome:  # fmt: skip
    """One transaction: until it is done nobody sees any of it.

    as_tasks: items without votes become open tasks of `wanted` raters under `protocol` (None: one comparison).
    report: where the lines that were left out are written, in the file's own shape with `line` and `reason` beside.
    begin, finish: called inside the transaction, before anything is read and with what was written.
    Raises Refused (on_bad = "refuse" and a line is wrong), UnreadableFile, ValueError as `check` does.
    """
    began = time.perf_counter()
    builder = builder_of(mapping)
    kept = Report(report or settings.ARTIFACTS / "uploads" / f"left-out-{uuid.uuid4().hex[:12]}.jsonl")
    problems: list[Problem] = []

    def bad(problem: Problem, row: Row | None, raw: bytes | None) -> None:
        if len(problems) < SHOWN:
            problems.append(problem)
        if on_bad == "skip":
            kept.add(problem, row, raw)
        else:
            one.writing = False  # nothing will come of it: the rest is read for its problems alone

    one = Pass(format, builder, bad=bad)
    try:
        with transaction.atomic():
            plan, spans = within(one, builder, mapping, project, user, path, filename=filename, progress=progress,
                                 as_tasks=as_tasks, wanted=wanted, protocol=protocol, begin=begin)  # fmt: skip
            if one.bad and on_bad == "refuse":
                raise Refused(refusal(one), problems=problems, bad=one.bad, lines=one.lines)
            made = Import.objects.create(
                project=project, user=user, filename=(filename or path.name)[:255], at=plan.at, spans=spans,
                model_ids=plan.models.new_ids, counts=plan.counts.as_json(),
            )  # fmt: skip
            record_audit(
                actor=user, action="import.made", project=project, target=(filename or path.name)[:200],
                format=format.slug, lines=one.lines, left_out=one.bad, **plan.counts.as_json(),
            )  # fmt: skip
            outcome = Outcome(
                number=made.pk, lines=one.lines, written=one.fits, skipped=one.bad, counts=plan.counts,
                problems=problems, report=kept.keep(), seconds=time.perf_counter() - began,
            )  # fmt: skip
            if finish:
                finish(outcome)
    except IntegrityError as error:
        kept.drop()
        raise ValueError(
            "Somebody added the same prompts while the file was read, so nothing was imported. Import it again."
        ) from error
    except Gone as error:
        kept.drop()
        raise ValueError(
            f"What the file refers to was deleted meanwhile ({error}), so nothing was imported. Import it again."
        ) from error
    except BaseException:
        kept.drop()
        raise
    outcome.seconds = time.perf_counter() - began
    return outcome


def within(
    one: Pass, builder: Builder, mapping: Mapping, project: Project, user: User | None, path: Path, *, filename: str,
    progress: Progress | None, as_tasks: bool, wanted: int, protocol: Protocol | None,
    begin: Callable[[], None] | None,
) -> tuple[Plan, dict[str, tuple[int, int]]]:  # fmt: skip
    """What happens inside the transaction. One import of a project at a time: two would number the same prompts."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if begin:
        begin()
    models = Models(project, mapping.models, Reading())
    models.check()
    asked = asking.Asked(
        builder.steps, asking.protocol_of(builder, project, user, make=True), as_tasks, protocol, wanted
    )  # fmt: skip
    backend = Writing()
    try:
        models.backend = backend
        plan = Plan(project, asked, backend, source=mapping.source, models=models)
        one.over(path, plan, filename=filename, progress=progress)
        backend.finish()
    finally:
        backend.close()
    return plan, backend.spans


def refusal(one: Pass) -> str:
    lines = "1 line" if one.bad == 1 else f"{one.bad:,} lines"
    return (
        f"{lines} of {one.lines:,} cannot be imported, so nothing was. Mend {'it' if one.bad == 1 else 'them'}, or "
        "import the others and leave those out (--on-bad skip)."
    )
