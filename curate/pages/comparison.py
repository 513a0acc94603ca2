"""What changed between two datasets of a project: the recipe, and the rows."""

from typing import Any

import numpy as np
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from curate import diff
from curate.pages import recipe_words, row_words
from curate.pages.dataset import named, number
from curate.pages.row_words import Shown
from registry.models import Dataset
from registry.references import dataset_named
from registry.specs import SpecError

A_PAGE = 10
WORDS = {"changed": "other verdict", "here": "only in {one}", "there": "only in {two}"}


@require_GET
@project_view(can_research)
def compare(request: MemberRequest, project: Project, name: str, version: int) -> HttpResponse:
    """?with=name-vN, ?group=changed|here|there, ?page="""
    one = named(project, name, version)
    two = other(request, project)
    types = recipe_words.row_type(one.recipe), recipe_words.row_type(two.recipe)
    context: dict[str, Any] = {
        "project": project, "one": one, "two": two, "row_type": types[0], "heads": row_words.layout(types[0]),
        "differences": recipe_words.differences(one.recipe, two.recipe), "same_type": types[0] == types[1],
        "same_hash": one.content_hash == two.content_hash,
        "others": Dataset.objects.filter(project=project).exclude(pk=one.pk).order_by("-created_at")[:50],
    }  # fmt: skip
    if types[0] == types[1]:
        context |= rows_compared(request, one, two)
    return render(request, "curate/dataset_diff.html", context)


def other(request: MemberRequest, project: Project) -> Dataset:
    name = request.GET.get("with", "")
    try:
        if "\x00" in name:
            raise Http404("There is no dataset of that name.")
        return dataset_named(project, name)
    except SpecError as error:
        raise Http404(str(error)) from error


def rows_compared(request: MemberRequest, one: Dataset, two: Dataset) -> dict[str, Any]:
    kind = recipe_words.row_type(one.recipe)
    first, second = diff.digests(one, kind), diff.digests(two, kind)
    found = diff.compare(first, second)
    counts = found.counts
    group = request.GET.get("group", "")
    if group not in diff.GROUPS:
        group = next((name for name in diff.GROUPS if counts[name]), diff.GROUPS[0])
    pages = max(-(-counts[group] // A_PAGE), 1)
    page = min(number(request.GET.get("page", ""), 1), pages)
    begin = (page - 1) * A_PAGE
    chosen = getattr(found, group)[begin : begin + A_PAGE]
    rows: list[tuple[Shown, Shown | None]]
    if group == "changed":
        rows = list(zip(read(one, first, chosen[:, 0]), read(two, second, chosen[:, 1]), strict=True))
    else:
        rows = [(row, None) for row in (read(one, first, chosen) if group == "here" else read(two, second, chosen))]
    missing = [
        str(dataset) for dataset, have in ((one, first), (two, second)) if len(have) < sum(dataset.rows.values())
    ]
    return {
        "counts": counts, "same": found.same, "group": group, "page": page, "pages": pages, "missing": missing,
        "tabs": [(name, WORDS[name].format(one=one, two=two), counts[name]) for name in diff.GROUPS],
        "rows": [(before, after, said(before, after)) for before, after in rows],
        "dataset_of": two if group == "there" else one,
    }  # fmt: skip


def read(dataset: Dataset, found: np.ndarray[Any, Any], places: Any) -> list[Shown]:
    kind = recipe_words.row_type(dataset.recipe)
    return [
        row_words.shown(row, kind, split=split, index=place)
        for split, place, row in diff.rows_of(dataset, found, [int(one) for one in places])
    ]


def said(before: Shown, after: Shown | None) -> list[str]:
    """What became of the verdict, in words."""
    if after is None:
        return []
    words = []
    if before.texts != after.texts:
        words.append("chosen and rejected have changed places" if len(before.texts) > 2 else "other texts first")
    words += [
        f"{old or 'none'} → {new or 'none'}"
        for old, new in zip(before.figures, after.figures, strict=True)
        if old != new
    ]
    if before.split != after.split:
        words.append(f"{before.split.replace('_', ' ')} → {after.split.replace('_', ' ')}")
    return words or ["another figure that the table does not show"]
