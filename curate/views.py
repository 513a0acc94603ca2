"""Pages of datasets: choose a recipe and see what it gives, freeze it, read what was frozen."""

import uuid
from typing import Any

import pyarrow.parquet as pq
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from curate import datasets
from curate.datasets import DROP_REASONS, Preview
from pages.charts import Stage, funnel
from registry import forms, jobs
from registry.models import Dataset
from registry.specs import SPECS, BuildDatasetSpec, SpecError, parse

ROWS = 20


@require_GET
@project_view(can_research)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    found = Dataset.objects.filter(project=project).select_related("job", "project").prefetch_related("models")
    return render(request, "curate/datasets.html", {"project": project, "datasets": found})


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new(request: MemberRequest, project: Project) -> HttpResponseBase:
    """The recipe with its preview; `freeze` asks for the job. htmx gets the preview alone as the recipe changes."""
    info = SPECS["build_dataset"]
    values: dict[str, Any] = forms.posted(info.spec, request.POST) if request.method == "POST" else {}
    problems: dict[str, str] = {}
    recipe = None
    try:
        recipe = parse(info.spec, values)
    except SpecError as error:
        problems = error.problems
    # htmx sends the button last pressed along with a preview that was under way.
    if recipe is not None and "freeze" in request.POST and not request.htmx:
        job = jobs.request_job(
            project=project,
            kind="build_dataset",
            params=recipe.model_dump(mode="json"),
            user=request.user,
            request_key=forms.posted_key(request.POST),
        )
        return redirect(job)
    template = "curate/dataset_new.html#preview" if request.htmx else "curate/dataset_new.html"
    context = {
        "project": project,
        "controls": forms.controls(info.spec, project=project, values=values, problems=problems),
        "problems": problems,
        "request_key": uuid.uuid4(),
        **(preview_context(project, recipe) if isinstance(recipe, BuildDatasetSpec) else {}),
    }
    return render(request, template, context, status=422 if problems else 200)


def preview_context(project: Project, recipe: BuildDatasetSpec) -> dict[str, Any]:
    preview = datasets.preview(project, recipe)
    return {
        "preview": preview,
        "funnel": funnel_of(preview),
        "warnings": preview.balance.warnings(),
        "pairs": preview.funnel.pairs,
    }


def funnel_of(preview: Preview) -> Any:
    steps = [Stage("tasks answered", preview.funnel.tasks)]
    left = preview.funnel.tasks
    for reason, words in DROP_REASONS.items():
        if dropped := preview.funnel.dropped[reason]:
            left -= dropped
            steps.append(Stage(words, left))
    steps.append(Stage("pairs", preview.balance.rows))
    total = preview.balance.rows
    return funnel(
        f"{total:,} pairs come out of {preview.funnel.answers:,} answers", "from answers to pairs", steps, width=720
    )


@require_GET
@project_view(can_research)
def detail(request: MemberRequest, project: Project, name: str, version: int) -> HttpResponse:
    dataset = get_object_or_404(
        Dataset.objects.select_related("job__project"), project=project, name=name, version=version
    )
    split = request.GET.get("split", "train")
    if split not in dataset.rows:
        raise Http404(f"{dataset} has no part {split!r}. It has {', '.join(dataset.rows)}.")
    count = dataset.rows[split]
    pages = max(-(-count // ROWS), 1)
    page = min(max(posted_page(request), 1), pages)
    return render(
        request,
        "curate/dataset.html",
        {
            "project": project,
            "dataset": dataset,
            "split": split,
            "rows": rows(dataset, split, page),
            "page": page,
            "pages": pages,
            "count": count,
            "models": dataset.models.select_related("project"),
            "votes": dataset.lineage.count(),
            "card": dataset.card,
        },
    )


def posted_page(request: MemberRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def rows(dataset: Dataset, split: str, page: int) -> list[dict[str, Any]]:
    """One page of the frozen rows, read from their Parquet file without loading the rest of it."""
    path = dataset.folder / f"{split}.parquet"
    if not path.exists():
        return []
    first, seen = (page - 1) * ROWS, 0
    found: list[dict[str, Any]] = []
    for batch in pq.ParquetFile(path).iter_batches(batch_size=500):
        if seen + batch.num_rows > first:
            found += batch.slice(max(first - seen, 0), ROWS - len(found)).to_pylist()
        seen += batch.num_rows
        if len(found) == ROWS:
            break
    return found
