"""The pages of an import: a file comes in, is looked at, is imported by a job, and is told of afterwards."""

import csv
import io
import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import Project
from accounts.permissions import can_admin, can_research, project_view
from accounts.requests import MemberRequest
from annotate.intake.task_making import protocols_of
from exchange.imports.base import RATERS, SHOWN, UnreadableFile
from exchange.imports.formats import FORMATS
from exchange.models import Import, Upload
from exchange.pages import import_files, import_forms, import_mappings, import_runs
from exchange.pages.import_files import NotReceived
from exchange.pages.import_forms import ON_BAD, Wish
from exchange.pages.import_look import (
    COLUMNS_SHOWN,
    LINES,
    PREVIEW_LINES,
    PROBLEMS_SHOWN,
    Look,
    begin,
    columns_of,
    look,
    with_format,
)
from exchange.pages.upload_handler import MB, ToDisk
from pages.charts.download import harmless
from registry.forms import posted_key
from registry.models import ModelVersion

GONE = "That file is not here any more: it was thrown away, or nobody imported it within a day. Send it again."

SHAPE = 8
"""Columns that are named to say what a format looks like."""
A_PAGE = 50

# --- The file ---------------------------------------------------------------------------------------------------


@csrf_exempt  # whoever checks the token reads the body, and the file must go to the disk; `sent` has it checked
@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_research)
def start(request: MemberRequest, project: Project) -> HttpResponseBase:
    if request.method == "GET":
        return file_page(request, project)
    try:
        handler = import_files.prepare(request)
    except NotReceived as error:
        return file_page(request, project, problem=str(error))
    try:
        return sent(request, project, handler)
    finally:
        if not handler.kept:
            handler.remove()


@csrf_protect
def sent(request: MemberRequest, project: Project, handler: ToDisk) -> HttpResponseBase:
    try:
        upload = import_files.received(request, handler, project, request.user)
    except NotReceived as error:
        return file_page(request, project, problem=str(error))
    return go_to(request, reverse("import-check", args=[project.slug, upload.pk]))


def file_page(request: MemberRequest, project: Project, problem: str = "") -> HttpResponse:
    """The whole page, or for htmx the form that could not be taken."""
    template = "exchange/import.html#send" if request.htmx else "exchange/import.html"
    context = {
        "project": project, "tab": "import", "problem": problem,
        "formats": sorted(((one, ", ".join([*(one.needs or one.columns)][:SHAPE])) for one in FORMATS.values()),
                          key=lambda pair: bool(pair[1])),
        "limit": import_files.limit(), "limit_mb": import_files.limit() / MB, "pasted": import_files.PASTED,
        "text": request.POST.get("text", "") if problem and hasattr(request, "_post") else "",
        "waiting": import_files.waiting(project, request.user),
    }  # fmt: skip
    return render(request, template, context, status=422 if problem else 200)


def go_to(request: MemberRequest, url: str) -> HttpResponseBase:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


# --- Mapping and check ------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_research)
def check(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """The mapping with its check. A change comes by htmx and gets the parts back; `act` is what a button says."""
    upload = import_runs.upload_of(project, pk)
    if upload is None or not upload.file.exists():
        messages.warning(request, GONE)
        return go_to(request, reverse("import", args=[project.slug]))
    if import_runs.is_settled(upload):
        return go_to(request, reverse("import-result", args=[project.slug, upload.pk]))
    place = number_of(request.POST.get("go") or request.POST.get("place", "0"))
    try:
        wish = wished(request, upload, project)
    except (UnreadableFile, ValueError) as error:
        seen = Look(upload, Wish.kept(upload, project), FORMATS.get(upload.format), problem=str(error))
        seen.formats = [(one, False) for one in FORMATS.values()]
        return check_page(request, project, seen)
    act = request.POST.get("act", "")
    if act == "sample" and request.htmx:
        return check_page(request, project, look(upload, wish, project, place=place, lines=PREVIEW_LINES), "preview")
    seen = look(upload, wish, project, place=place)
    import_runs.keep(upload, wish, seen)
    if act == "import" and not request.htmx:  # htmx sends the name of the button that was pressed last
        if seen.ready:
            run = import_runs.ask(upload, wish, project, request.user, posted_key(request.POST))
            return redirect("import-result", project.slug, run.pk)
        return check_page(request, project, seen, status=422, refused=True)
    return check_page(request, project, seen, "checked" if request.htmx else "")


def wished(request: MemberRequest, upload: Upload, project: Project) -> Wish:
    """What the form says, over what was kept. Another format begins its mapping anew. Raises UnreadableFile."""
    posted = request.POST
    chosen = posted.get("format", "")
    if request.method == "POST" and chosen in FORMATS and chosen != upload.format:
        return with_format(Wish.kept(upload, project), upload, FORMATS[chosen])
    wish = begin(upload, project)
    if request.method == "GET" or wish.format not in FORMATS:
        return wish
    columns = columns_of(upload, FORMATS[wish.format])
    wish = import_forms.read(posted, wish, columns[:COLUMNS_SHOWN], project)
    if chosen not in FORMATS and chosen:
        problem = f"There is no format {chosen[:40]!r}. Choose one of the list."
        wish.problems["format"] = problem
    return wish


def number_of(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def check_page(
    request: MemberRequest, project: Project, seen: Look, part: str = "", *, status: int = 200, refused: bool = False
) -> HttpResponse:
    found = seen.check
    context: dict[str, Any] = {
        "project": project, "tab": "import", "upload": seen.upload, "look": seen, "check": found, "wish": seen.wish,
        "part": part, "refused": refused, "on_bad": ON_BAD, "raters": RATERS, "lines_limit": LINES,
        "problems": found.problems[:PROBLEMS_SHOWN] if found else [], "kept": SHOWN,
        "bad": found.bad if found else 0, "raters_hint": RATERS.get(seen.wish.mapping.raters, ""),
        "report_url": reverse("import-report", args=[project.slug, seen.upload.pk]),
        "protocols": protocols_of(project), "at": timezone.now(), "request_key": uuid.uuid4(),
        "offered": [] if part else import_mappings.offered(seen.upload, project),
        "models": models_asked(project, seen), "megabytes": seen.upload.size / MB,
    }  # fmt: skip
    template = f"exchange/import_{part or 'check'}.html"
    return render(request, template, context, status=status)


def models_asked(project: Project, seen: Look) -> dict[str, Any]:
    """Names in the file, each with the model of the project that it is, where somebody said so."""
    names = seen.check.models[: import_forms.MODELS_SHOWN] if seen.check else []
    known = list(ModelVersion.objects.filter(project=project).order_by("name").values_list("name", flat=True)[:500])
    chosen = seen.wish.mapping.models
    return {
        "known": known, "more": (len(seen.check.models) - len(names)) if seen.check else 0,
        "asked": [(name, chosen.get(name, "")) for name in names], "same": set(names) & set(known),
    }  # fmt: skip


@require_POST
@project_view(can_research)
def discard(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """Another file: the one that is here is thrown away."""
    upload = import_runs.upload_of(project, pk)
    if upload is not None and not import_runs.is_settled(upload):
        import_files.discard(upload)
    return redirect("import", project.slug)


# --- The import and what became of it ---------------------------------------------------------------------------


@require_GET
@project_view(can_research)
def report(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """After an import the lines that were left out, as the importer wrote them; before it what the check found."""
    upload = import_runs.upload_of(project, pk)
    if upload is None:
        raise Http404(GONE)
    if upload.report is not None and upload.report.exists():
        name = f"{project.slug}-import-{upload.pk}-left-out{''.join(upload.report.suffixes)}"
        return FileResponse(upload.report.open("rb"), as_attachment=True, filename=name)
    if not upload.file.exists():
        raise Http404(GONE)
    seen = look(upload, begin(upload, project), project)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["line", "column", "reason", "there"])
    for one in seen.check.problems if seen.check else []:
        writer.writerow([one.line, *(harmless(words) for words in (one.column, one.what, one.there))])
    headers = {"Content-Disposition": f'attachment; filename="{project.slug}-import-{upload.pk}-report.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


@never_cache
@require_GET
@project_view(can_research)
def result(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """The whole page, or for htmx what changes while the job runs."""
    upload = import_runs.upload_of(project, pk)
    if upload is None:
        raise Http404(GONE)
    if upload.job is None:
        return redirect("import-check", project.slug, upload.pk)
    template = "exchange/import_live.html" if request.htmx else "exchange/import_result.html"
    return render(request, template, {"project": project, "tab": "import", "run": import_runs.run_of(upload)})


@require_GET
@project_view(can_research)
def past(request: MemberRequest, project: Project) -> HttpResponse:
    """Every import of the project that was begun, the newest first."""
    begun = Upload.objects.filter(project=project).exclude(job=None).select_related("job", "user", "project", "made")
    page = Paginator(begun, A_PAGE).get_page(request.GET.get("page"))
    runs = [import_runs.run_of(one) for one in page]
    context = {
        "project": project, "tab": "past", "page": page, "runs": runs,
        "may_take_back": can_admin(request.user, project),
        "commands": Import.objects.filter(project=project, upload=None).select_related("user")[:A_PAGE],
    }  # fmt: skip
    return render(request, "exchange/past.html", context)
