"""Pages of rubrics: the project's own and the ready ones, and the editor, which writes a new version each time."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design import versions
from annotate.design.rubric_forms import Draft, empty
from annotate.design.rubrics import MAX_DIMENSIONS, READY, RubricSpec
from annotate.models import Protocol, Rubric

SIDES = [{"side": "a", "letter": "A", "place": 0}, {"side": "b", "letter": "B", "place": 1}]
"""Of the preview, which has no answers."""


@require_GET
@project_view(can_research)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    used = uses(project)
    rows: dict[str, dict[str, Any]] = {}
    for rubric in Rubric.objects.filter(project=project).select_related("created_by"):
        row = rows.setdefault(rubric.name, {"newest": rubric, "older": [], "protocols": []})
        if rubric != row["newest"]:
            row["older"].append(rubric)
        row["protocols"] += used.get((rubric.name, rubric.version), [])
    ready = [{"slug": slug, "rubric": rubric} for slug, rubric in READY.items()]
    return render(request, "annotate/rubrics.html", {"project": project, "rows": list(rows.values()), "ready": ready})


def uses(project: Project) -> dict[tuple[str, int], list[Protocol]]:
    """{(name, version) of a rubric: the protocols that hold it}."""
    found: dict[tuple[str, int], list[Protocol]] = {}
    for protocol in Protocol.objects.filter(project=project).order_by("name", "version"):
        held = {
            (step.get("options", {}).get("name"), step.get("options", {}).get("version"))
            for step in protocol.steps
            if step.get("kind") == "rubric"
        }
        for name, version in held:
            if name:
                found.setdefault((name, version), []).append(protocol)
    return found


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new(request: MemberRequest, project: Project) -> HttpResponseBase:
    """`?from=` a ready set, `?copy=` a rubric of the project, or nothing: an empty one."""
    return edit(request, project, start(request, project), name="", base=0)


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def detail(request: MemberRequest, project: Project, name: str, version: int | None = None) -> HttpResponseBase:
    """The editor of the newest version, filled from `version` where one is named."""
    newest = versions.newest_of(Rubric, project, name)
    if newest is None:
        raise Http404(f"There is no rubric {name!r} in this project.")
    shown = newest if version is None else get_object_or_404(Rubric, project=project, name=name, version=version)
    return edit(request, project, Draft.of(spec_of(shown)), name=name, base=newest.version, shown=shown)


def start(request: MemberRequest, project: Project) -> Draft:
    ready, copy = request.GET.get("from", ""), request.GET.get("copy", "")
    if ready:
        if ready not in READY:
            raise Http404(f"There is no ready rubric {ready!r}. There are {', '.join(READY)}.")
        return Draft.of(READY[ready])
    if copy:
        original = versions.newest_of(Rubric, project, copy)
        if original is None:
            raise Http404(f"There is no rubric {copy!r} in this project.")
        found = Draft.of(spec_of(original))
        return Draft(f"{found.title}, copy", found.dimensions)
    return Draft(dimensions=[empty()])


def spec_of(rubric: Rubric) -> RubricSpec:
    return RubricSpec.model_validate({"title": rubric.title, "dimensions": rubric.dimensions})


def edit(
    request: MemberRequest, project: Project, draft: Draft, *, name: str, base: int, shown: Rubric | None = None
) -> HttpResponseBase:
    """Show the form, or do what its button says. Whatever is wrong, what was typed comes back."""
    problems: dict[str, str] = {}
    act = request.POST.get("act", "")
    if request.method == "POST":
        draft = Draft.posted(request.POST)
        draft.act(act)
        base = versions.posted_base(request.POST, base)
        if act == "save":
            problems = draft.problems()
            if not problems and (saved := save(request, project, draft, name, base, problems)):
                return saved
            base = int(problems.pop("base", base))
    context = {
        "project": project, "draft": draft, "rows": draft.rows(problems), "problems": problems, "name": name,
        "base": base, "shown": shown, "next": base + 1, "most": MAX_DIMENSIONS,
        "rubric": {"title": draft.title or "No title yet"}, "dimensions": draft.preview(), "responses": SIDES,
        "all_versions": Rubric.objects.filter(project=project, name=name) if name else [],
    }  # fmt: skip
    template = "annotate/rubric_edit.html"
    if request.htmx:
        template += "#preview" if act == "preview" else "#editor"
    return render(request, template, context, status=422 if problems else 200)


def save(
    request: MemberRequest, project: Project, draft: Draft, name: str, base: int, problems: dict[str, str]
) -> HttpResponseBase | None:
    """Redirect to the list, or fill `problems`."""
    rubric = draft.rubric()
    wanted = name or versions.name_of(rubric.title)
    if not wanted:
        problems["title"] = "The title needs a letter from a to z or a digit, for its address."
        return None
    dimensions = [one.model_dump() for one in rubric.dimensions]
    try:
        row, made = versions.store(
            Rubric, project=project, name=wanted, base=base, title=rubric.title, user=request.user,
            dimensions=dimensions,
        )  # fmt: skip
    except versions.TitleTaken as error:
        problems["title"] = str(error)
    except versions.Overtaken as error:
        problems |= {"overtaken": str(error), "base": str(error.newest)}
    else:
        messages.success(request, f"Saved: {row}." if made else f"{row} is stored just as it is here.")
        return versions.go_to(request, "rubrics", project)
    return None
