"""Build rows from a recipe, as a freeze does, without a job."""

from pathlib import Path
from typing import Any

from accounts.models import Project
from curate.making.freeze import Frozen, freeze
from curate.making.funnel import Funnel
from curate.making.items import items
from curate.making.parts import in_parts
from curate.making.plan import plan
from curate.making.stream import Stream, finish_funnel
from curate.rows import Row
from registry.specs import BuildDatasetSpec
from tests.factories import make_raters, make_task, make_vote


def build(project: Project, **recipe: Any) -> tuple[list[Row], Funnel]:
    made = plan(project, BuildDatasetSpec(**recipe))
    stream = Stream(made)
    rows = [one.row for window in stream.rows(items(made.parts())) for one in window]
    finish_funnel(made, made.funnel, stream.counts)
    return rows, made.funnel


def frozen(project: Project, folder: Path, **recipe: Any) -> Frozen:
    folder.mkdir(parents=True, exist_ok=True)
    with in_parts(project, BuildDatasetSpec(**recipe), folder) as made:
        return freeze(made, folder, heard=lambda items, rows: None)


def voted(project: Project, key: str, *preferences: int | str, **values: Any) -> None:
    task = make_task(project, key, wanted=len(preferences), **values)
    for rater, preference in zip(make_raters(project, len(preferences), prefix=key), preferences, strict=True):
        make_vote(task, rater, preference)


def text(row: Row, column: str) -> str:
    return str(row.columns[column][-1]["content"])
