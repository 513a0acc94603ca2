"""Pages of one frozen dataset: its card, its rows, a row in full, its files, and building it again."""

import uuid
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from curate import row_search
from curate.consent import Gone, withdrawn_in
from curate.pages import card_words, recipe_words, row_words
from curate.pages.recipe_form import from_recipe
from curate.pages.row_words import Shown, shown
from curate.row_search import Query
from curate.rows import RowType
from registry import forms, jobs
from registry.models import Dataset
from registry.specs import SpecError, to_yaml

TIES = ("only", "without")
LONGEST = 200
README = "README.md"
ROWS = ".parquet"
"""Files with rows in them, and so with what people said."""
LARGEST_README = 100_000


def named(project: Project, name: str, version: int) -> Dataset:
    if version > 2**31 - 1:
        raise Http404("There is no such version.")
    return get_object_or_404(
        Dataset.objects.select_related("job__project", "job__created_by", "project"),
        project=project, name=name, version=version,
    )  # fmt: skip


@require_GET
@project_view(can_research)
def detail(request: MemberRequest, project: Project, name: str, version: int) -> HttpResponse:
    dataset = named(project, name, version)
    split = request.GET.get("split", "train")
    if split not in dataset.rows:
        raise Http404(f"{dataset} has no part {split!r:.40}. It has {', '.join(dataset.rows)}.")
    asked = asked_for(request)
    query, problem = query_of(asked, card_words.flips_of(dataset.card, split))
    kind = recipe_words.row_type(dataset.recipe)
    found = row_search.find(dataset, split, query, page=number(asked["page"], 1), start=number(asked["start"], 0))
    if found and found.pages < number(asked["page"], 1):
        asked["page"] = str(found.pages)
        found = row_search.find(dataset, split, query, page=found.pages, start=found.start)
    card = card_words.card_of(dataset)
    context = {
        "project": project, "dataset": dataset, "split": split, "asked": asked, "query": query, "problem": problem,
        "found": found, "row_type": kind, "heads": row_words.layout(kind), "page": number(asked["page"], 1),
        "rows": rows_of(found, kind, split) if found else [],
        "filtered": urlencode({key: value for key, value in asked.items() if value and key not in ("page", "start")}),
        "has_scores": any(name == "chosen_score" for name, _ in kind.columns),
        "has_margin": any(name == "margin" for name, _ in kind.columns),
        "card": card, "title": recipe_words.rows_title(dataset.recipe),
        "models": dataset.models.select_related("project"), "votes": dataset.lineage.count(),
        "settings": recipe_words.settings(dataset.recipe), "yaml": yaml_of(dataset), "readme": readme(dataset),
        "files": files_of(dataset), "rebuild_key": uuid.uuid4(),
        "others": Dataset.objects.filter(project=project).exclude(pk=dataset.pk).order_by("-created_at")[:50],
        "later": Dataset.objects.filter(project=project, name=name, version__gt=version).order_by("-version").first(),
    }  # fmt: skip
    return render(request, "curate/dataset.html", context)


def rows_of(found: row_search.Found, kind: RowType, split: str) -> list[Shown]:
    rows = [shown(row, kind, split=split, index=place) for place, row in found.rows]
    return row_words.told_apart(rows, [row for _, row in found.rows], kind)


def asked_for(request: MemberRequest) -> dict[str, str]:
    names = ("q", "lang", "ties", "margin", "model", "flips", "vote", "page", "start")
    return {name: request.GET.get(name, "").replace("\0", "").strip()[:LONGEST] for name in names}


def query_of(asked: dict[str, str], listed: frozenset[int]) -> tuple[Query, str]:
    """The filter, and a sentence about what of it cannot be used."""
    problem, margin = "", None
    if asked["margin"]:
        try:
            margin = float(asked["margin"])
        except ValueError:
            problem = f"“{asked['margin']}” is not a margin. Write a number such as 1.5."
    vote = (
        int(asked["vote"]) if asked["vote"].isascii() and asked["vote"].isdigit() and len(asked["vote"]) < 19 else None
    )
    if asked["vote"] and vote is None:
        problem = f"“{asked['vote']}” is not the number of a vote."
    ties = asked["ties"] if asked["ties"] in TIES else ""
    return Query(asked["q"], asked["lang"], ties, margin, asked["model"], bool(asked["flips"]), listed, vote), problem


def number(text: str, otherwise: int) -> int:
    return max(int(text), otherwise) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def yaml_of(dataset: Dataset) -> str:
    form = from_recipe(dataset.recipe)
    return (
        to_yaml(form.recipe) if form.recipe else "\n".join(f"{name}: {value}" for name, value in dataset.recipe.items())
    )


def readme(dataset: Dataset) -> str:
    """The dataset card as it was written with the files, without its head for machines."""
    path = dataset.folder / README
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LARGEST_README)
    if text.startswith("---\n") and (end := text.find("\n---\n", 4)) > 0:
        text = text[end + 5 :]
    return text.strip()


def files_of(dataset: Dataset) -> list[tuple[str, dict[str, Any]]]:
    files = dataset.card.get("files", {})
    return (
        [(name, entry) for name, entry in files.items() if isinstance(entry, dict)] if isinstance(files, dict) else []
    )


@require_GET
@project_view(can_research)
def one_row(request: MemberRequest, project: Project, name: str, version: int, split: str, place: int) -> HttpResponse:
    """A row in full: every text, every figure, the votes behind it."""
    dataset = named(project, name, version)
    if split not in dataset.rows:
        raise Http404(f"{dataset} has no such part.")
    values = row_search.row(dataset, split, place)
    if values is None:
        raise Http404(f"{dataset} has no row {place + 1:,} in {split}, or its file is not where it should be.")
    kind = recipe_words.row_type(dataset.recipe)
    before, after = row_words.blocks(values, kind)
    context = {
        "project": project, "dataset": dataset, "split": split, "place": place, "last": dataset.rows[split] - 1,
        "before": before, "after": after, "facts": row_words.facts(values, kind), "lang": values.get("lang") or "",
        "votes": values.get("feedback_ids") or [],
    }  # fmt: skip
    return render(request, "curate/dataset_row.html", context)


@require_GET
@project_view(can_research)
def download(request: MemberRequest, project: Project, name: str, version: int, file: str) -> HttpResponseBase:
    """A file of the dataset, of those that its card names."""
    dataset = named(project, name, version)
    known = dict(files_of(dataset))
    if file not in known or ".." in PurePosixPath(file).parts:
        raise Http404(f"{dataset} has no file of that name.")
    path = dataset.folder / file
    if not path.is_file():
        raise Http404(f"The file {file} of {dataset} is not where it should be: {dataset.path}.")
    gone = withdrawn_in(dataset) if file.endswith(ROWS) else Gone()
    if gone.answers and request.GET.get("withdrawn") != "include":
        context = {"project": project, "title": f"{dataset}, {file}", "gone": gone, "back": dataset.get_absolute_url()}
        return render(request, "curate/withdrawn.html", context, status=409)
    record_audit(
        actor=request.user, action="dataset.downloaded", project=project, target=str(dataset), file=file,
        withdrawn_answers=gone.answers,
    )  # fmt: skip
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"{dataset}-{PurePosixPath(file).name}")


@require_POST
@project_view(can_research)
def rebuild(request: MemberRequest, project: Project, name: str, version: int) -> HttpResponseBase:
    """The same recipe on today's feedback, as the next version: without whoever withdrew consent since."""
    dataset = named(project, name, version)
    try:
        job = jobs.request_job(
            project=project, kind="build_dataset", user=request.user, cloned_from=dataset.job,
            params=known_settings(dataset.recipe), request_key=forms.posted_key(request.POST),
        )  # fmt: skip
    except SpecError as error:
        messages.error(request, f"{dataset} cannot be built again with its recipe: {error}")
        return redirect(dataset)
    return redirect(job)


def known_settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """Without settings that no longer exist; those that are new get their usual values."""
    form = from_recipe(recipe)
    return form.recipe.model_dump(mode="json") if form.recipe else recipe
