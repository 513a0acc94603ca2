"""Pages of models: the list, one of them with its card and files, and what people keep about it."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry import forms, jobs, model_cards, model_files, model_lineage
from registry.model_cards import lineage as lineage
from registry.models import ModelVersion
from registry.specs import SpecError
from registry.views import settings_of

ROWS = 100
MOST_TAGS, LONGEST_TAG, LONGEST_NOTES = 20, 40, 5_000
Stage = ModelVersion.Stage


@require_GET
@project_view(can_research)
def models(request: MemberRequest, project: Project) -> HttpResponse:
    everything = ModelVersion.objects.filter(project=project)
    asked = {name: request.GET.get(name, "").replace("\x00", "")[:80]
             for name in ("q", "role", "base", "dataset", "tag", "stage", "archived")}  # fmt: skip
    found = narrowed(everything, asked).select_related("parent__project", "dataset__project", "job__project", "project")
    page = Paginator(found.order_by("-created_at", "-pk"), ROWS).get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    return render(request, "registry/models.html", {
        "project": project, "page": page, "models": page.object_list, "asked": asked, "any": everything.exists(),
        "filtered": any(asked.values()), "query": kept.urlencode(), "stages": Stage.choices[1:],
        "bases": everything.filter(children__isnull=False).distinct().order_by("name").values_list("name", flat=True),
        "datasets": sorted({str(one.dataset) for one in
                            everything.exclude(dataset=None).select_related("dataset").order_by("dataset")}),
        "tags": sorted({tag for tags in everything.exclude(tags=[]).values_list("tags", flat=True) for tag in tags}),
    })  # fmt: skip


def narrowed(found: QuerySet[ModelVersion], asked: dict[str, str]) -> QuerySet[ModelVersion]:
    found = found.filter(archived_at__isnull=not asked["archived"])
    if asked["q"]:
        found = found.filter(name__icontains=asked["q"])
    if asked["role"]:
        found = found.filter(role=asked["role"])
    if asked["stage"]:
        found = found.filter(stage=asked["stage"])
    if asked["base"]:
        found = found.filter(parent__name=asked["base"])
    if asked["tag"]:
        found = found.filter(tags__contains=[asked["tag"]])
    if asked["dataset"]:
        name, _, version = asked["dataset"].rpartition("-v")
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
        found = found.filter(dataset__name=name, dataset__version=number)
    return found


def one(project: Project, name: str) -> ModelVersion:
    return get_object_or_404(
        ModelVersion.objects.select_related("parent__project", "dataset__project", "job__project", "project"),
        project=project, name=name,
    )  # fmt: skip


@require_GET
@project_view(can_research)
def model(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    return show(request, project, one(project, name))


def show(request: MemberRequest, project: Project, found: ModelVersion, code: int = 200, **more: Any) -> HttpResponse:
    newest = found.cards.select_related("author").first()
    return render(request, "registry/model.html", {
        "project": project, "model": found, "lineage": lineage(found), "drawing": model_lineage.draw(found),
        "settings": settings_of(found.job.kind if found.job else "", found.config),
        "products": list(model_lineage.products(found)), "figures": model_cards.figures_of(found),
        "files": list(found.manifest.items()), "size": sum(entry["size"] for entry in found.manifest.values()),
        "card": newest, "body": model_cards.parted(model_cards.text_of(found))[1], "stages": Stage.choices,
        "merged": found.children.filter(job__kind="merge").order_by("-pk").first(),
        "request_key": uuid.uuid4(), **more,
    }, status=code)  # fmt: skip


@require_POST
@project_view(can_research)
def keep(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """Stage, tags, notes and whether it is archived. A new champion makes the one before a candidate."""
    stage, notes = request.POST.get("stage", ""), request.POST.get("notes", "").replace("\x00", "").strip()
    tags = sorted({" ".join(tag.replace("\x00", "").split()) for tag in request.POST.get("tags", "").split(",")} - {""})
    problem = ""
    if stage not in Stage.values:
        problem = f"There is no stage {stage[:40]}. Choose one of the list."
    elif len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        problem = f"At most {MOST_TAGS} tags of up to {LONGEST_TAG} characters are kept, with commas between."
    elif len(notes) > LONGEST_NOTES:
        problem = f"The notes have {len(notes):,} characters, and {LONGEST_NOTES:,} are kept. Shorten them."
    if problem:
        return show(request, project, one(project, name), problem=problem, typed=request.POST, code=422)
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # two champions at once cannot be
        found = get_object_or_404(ModelVersion, project=project, name=name)
        if stage == Stage.CHAMPION:
            before = ModelVersion.objects.filter(project=project, role=found.role, stage=Stage.CHAMPION)
            before.exclude(pk=found.pk).update(stage=Stage.CANDIDATE)
        archived = (found.archived_at or timezone.now()) if "archived" in request.POST else None
        found.stage, found.tags, found.notes, found.archived_at = stage, tags, notes, archived
        found.save(update_fields=["stage", "tags", "notes", "archived_at"])
        record_audit(actor=request.user, action="model.changed", project=project, target=found.name,
                     stage=stage, tags=tags, archived=archived is not None)  # fmt: skip
    messages.success(request, f"What you wrote about {found} is kept.")
    return redirect(found)


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def card(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """The card to read, its versions, and the form that writes the next one."""
    found = one(project, name)
    versions = list(found.cards.select_related("author"))
    asked = request.GET.get("version", "")
    old = next((version for version in versions if str(version.number) == asked), None)
    if asked and old is None:
        raise Http404(f"The card of {found} has no version {asked[:20]}.")
    text = old.text if old else model_cards.text_of(found)
    head, body = model_cards.parted(text)
    context: dict[str, Any] = {
        "project": project, "model": found, "versions": versions, "old": old, "typed": text, "head": head,
        "body": body, "seen": versions[0].number if versions else 0, "longest": model_cards.LONGEST,
    }  # fmt: skip
    if request.method == "POST" and "automatic" in request.POST:
        return render(request, "registry/model_card.html", {**context, "typed": model_cards.written(found)})
    if request.method == "POST":
        seen = request.POST.get("seen", "")
        try:
            model_cards.save(found, text=request.POST.get("text", ""), author=request.user,
                             seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else 0)  # fmt: skip
        except model_cards.CardError as error:
            context |= {"problem": str(error), "typed": request.POST.get("text", ""), "seen": seen}
            return render(request, "registry/model_card.html", context, status=422)
        messages.success(request, f"The card of {found} is kept. The version before it stays below.")
        return redirect("model-card", slug=project.slug, name=found.name)
    return render(request, "registry/model_card.html", context)


@require_POST
@project_view(can_research)
def verify(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    found = one(project, name)
    return show(request, project, found, checked=model_files.check(found))


@require_GET
@project_view(can_research)
def download(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """All files with card and manifest as a tar; with Range the rest of one that broke off."""
    found = one(project, name)
    if not found.manifest:
        raise Http404(f"No files of {found} are recorded here, so there is nothing to take away.")
    try:
        answer = model_files.download(request, found)
    except model_files.Unsound as error:
        messages.error(request, f"{found} was not sent, because its files changed. {error} Restore them from a backup.")
        return redirect(found)
    if answer.status_code in (200, 206):
        record_audit(actor=request.user, action="model.downloaded", project=project, target=found.name,
                     part=request.headers.get("Range", "")[:80])  # fmt: skip
    return answer


@require_POST
@project_view(can_research)
def merge(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """Ask for the merged model of an adapter; the run's page tells how it goes."""
    found = one(project, name)
    if found.format != ModelVersion.Format.ADAPTER:
        messages.error(request, f"{found} is no adapter, so there is nothing to merge.")
        return redirect(found)
    try:
        job = jobs.request_job(
            project=project, kind="merge", params={"model": found.name, "dtype": request.POST.get("dtype", "float32")},
            user=request.user, request_key=forms.posted_key(request.POST),
        )  # fmt: skip
    except SpecError as error:
        messages.error(request, str(error))
        return redirect(found)
    return redirect(job)
