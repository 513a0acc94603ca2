"""Pages of protocols: what is asked of an item, step by step. Each save is a new version; none is changed."""

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design import protocol_presets, versions
from annotate.design.protocol_forms import OF, Draft, blank, say, stored
from annotate.design.protocols import MAX_STEPS, ProtocolError, parse_steps
from annotate.kinds import KINDS
from annotate.models import Protocol


@require_GET
@project_view(can_research)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    rows: dict[str, dict[str, Any]] = {}
    found = Protocol.objects.filter(project=project).annotate(uses=Count("tasks")).select_related("created_by")
    found = found.order_by("name", "-version")  # the order of the model is not kept where rows are counted
    for protocol in found:
        row = rows.setdefault(protocol.name, {"newest": protocol, "older": [], "tasks": 0, "says": says(protocol)})
        row["tasks"] += protocol.uses
        if protocol != row["newest"]:
            row["older"].append(protocol)
    context = {"project": project, "rows": list(rows.values()), "presets": protocol_presets.offered()}
    return render(request, "annotate/protocols.html", context)


def says(protocol: Protocol) -> str:
    """What annotators see, or what is wrong with steps that were written by other means."""
    try:
        return say(parse_steps(protocol.steps))
    except ProtocolError as error:
        return str(error)


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new(request: MemberRequest, project: Project) -> HttpResponseBase:
    """`?from=` a preset, `?copy=` a protocol of the project, or nothing: one step."""
    return edit(request, project, start(request, project), name="", base=0)


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def detail(request: MemberRequest, project: Project, name: str, version: int | None = None) -> HttpResponseBase:
    """The editor of the newest version, filled from `version` where one is named."""
    newest = versions.newest_of(Protocol, project, name)
    if newest is None:
        raise Http404(f"There is no protocol {name!r} in this project.")
    shown = newest if version is None else get_object_or_404(Protocol, project=project, name=name, version=version)
    return edit(request, project, Draft(shown.title, list(shown.steps)), name=name, base=newest.version, shown=shown)


def start(request: MemberRequest, project: Project) -> Draft:
    preset, copy = request.GET.get("from", ""), request.GET.get("copy", "")
    if preset:
        found = next((one for one in protocol_presets.offered() if one.slug == preset), None)
        if found is None:
            raise Http404(f"There is no preset {preset!r}.")
        return Draft(found.title, [stored(step) for step in parse_steps(list(found.steps))])
    if copy:
        original = versions.newest_of(Protocol, project, copy)
        if original is None:
            raise Http404(f"There is no protocol {copy!r} in this project.")
        return Draft(f"{original.title}, copy", list(original.steps))
    return Draft(steps=[blank()])


def edit(
    request: MemberRequest, project: Project, draft: Draft, *, name: str, base: int, shown: Protocol | None = None
) -> HttpResponseBase:
    """Show the form, or do what its button says. Whatever is wrong, what was typed comes back."""
    act = request.POST.get("act", "")
    if request.method == "POST":
        draft = Draft.posted(request.POST, project)
        base = versions.posted_base(request.POST, base)
        if act == "save":
            if (steps := draft.check()) and not draft.problems:
                saved = save(request, project, draft, name=name, base=base, steps=[stored(step) for step in steps])
                if saved:
                    return saved
            base = int(draft.problems.pop("base", base))
        elif act != "check":
            draft.problems = {key: words for key, words in draft.problems.items() if key == "yaml"}
            draft.act(act)
    text = draft.as_yaml()
    context = {
        "project": project, "draft": draft, "rows": draft.rows(project), "problems": draft.problems, "name": name,
        "base": base, "next": base + 1, "shown": shown, "kinds": KINDS, "of": OF, "most": MAX_STEPS,
        "says": preview(draft), "yaml": text, "yaml_was": text if draft.yaml_was is None else draft.yaml_was,
        "all_versions": Protocol.objects.filter(project=project, name=name) if name else [],
    }  # fmt: skip
    template = "annotate/protocol_edit.html" + ("#editor" if request.htmx else "")
    failed = act in {"save", "check"} and draft.problems
    return render(request, template, context, status=422 if failed else 200)


def preview(draft: Draft) -> str:
    """What the annotators will see, as far as the steps can be asked."""
    try:
        return say(parse_steps(draft.steps))
    except ProtocolError as error:
        return str(error)


def save(
    request: MemberRequest, project: Project, draft: Draft, *, name: str, base: int, steps: list[dict[str, Any]]
) -> HttpResponseBase | None:
    """Redirect to the list, or fill the draft's problems."""
    wanted = name or versions.name_of(draft.title)
    if not wanted:
        draft.problems["title"] = "The title needs a letter from a to z or a digit, for its address."
        return None
    try:
        row, made = versions.store(
            Protocol, project=project, name=wanted, base=base, title=draft.title, user=request.user, steps=steps
        )
    except versions.TitleTaken as error:
        draft.problems["title"] = str(error)
    except versions.Overtaken as error:
        draft.problems |= {"overtaken": str(error), "base": str(error.newest)}
    else:
        messages.success(request, f"Saved: {row}." if made else f"{row} is stored just as it is here.")
        return versions.go_to(request, "protocols", project)
    return None
