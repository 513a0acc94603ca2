"""The page that launches a run: presets, clones, sweeps; the form and its YAML say the same."""

import uuid
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry import chains, forms, jobs, launching, sweeps
from registry.launching import Filled
from registry.models import Job
from registry.presets import presets_of
from registry.references import check_references
from registry.specs import SPECS, JobKind, SpecError, TrainingSpec


def launchable() -> dict[str, JobKind]:
    return {kind: info for kind, info in SPECS.items() if info.launchable}


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def launch(request: MemberRequest, project: Project, kind: str) -> HttpResponseBase:
    info = SPECS.get(kind)
    if info is None or not info.launchable:
        raise Http404(f"There is no kind of run {kind}. There are {', '.join(launchable())}.")
    if request.method == "GET":
        filled = launching.linked(project, kind, request.GET, cloned_job(request, project))
        if preset := presets_of(kind).get(request.GET.get("preset", "")):
            filled.values = launching.filled_by(preset, kind, project, filled.values)
        return page(request, project, kind, filled)
    filled = launching.typed(info.spec, request.POST)
    if "fill" in request.POST:
        if preset := presets_of(kind).get(request.POST.get("preset", "")):
            filled.values = launching.filled_by(preset, kind, project, filled.values)
        return page(request, project, kind, filled)
    try:
        plan = launching.read(info.spec, request.POST)
        for spec in plan.specs:
            check_references(project, spec, to_come=True)
        # htmx asks what it would be, and may send along the button that was pressed last
        if request.htmx:
            return checked(request, project, kind, filled, plan)
        if "preview" in request.POST:
            return page(request, project, kind, launching.planned(plan), yaml=plan.to_yaml())
        made = sweeps.request(
            project=project, kind=kind, plan=plan, user=request.user, name=request.POST.get("run_name", "").strip(),
            cloned_from=cloned_job(request, project), request_key=forms.posted_key(request.POST),
        )  # fmt: skip
    except SpecError as error:
        filled.problems = error.problems
        if request.htmx:
            return checked(request, project, kind, filled, None)
        return page(request, project, kind, filled, status=422)
    return redirect(made)


def cloned_job(request: MemberRequest, project: Project) -> Job | None:
    name = request.GET.get("clone") or request.POST.get("clone")
    if name and "\x00" in name:
        raise Http404("There is no run of that name.")
    return get_object_or_404(Job.objects.select_related("project"), project=project, name=name) if name else None


def page(
    request: MemberRequest, project: Project, kind: str, filled: Filled, *, yaml: str = "", status: int = 200
) -> HttpResponse:
    info, clone = SPECS[kind], cloned_job(request, project)
    controls = controls_of(project, kind, filled, clone)
    plan = launching.first_plan(info.spec, filled, controls)
    folded = [control for control in controls if control.folded]
    return render(
        request,
        "registry/launch.html",
        {
            **said(project, kind, filled, plan, controls), "info": info, "kinds": launchable(),
            "usual": [control for control in controls if not control.folded], "folded": folded,
            "folded_open": any(control.error or (clone and control.mark) for control in folded),
            "presets": presets_of(kind), "preset": request.POST.get("preset") or request.GET.get("preset", ""),
            "missing": [control for control in controls if control.kind == "select" and not control.choices],
            "clone": clone, "vary": filled.vary, "vary_values": filled.vary_values,
            "can_vary": launching.can_be_varied(info.spec), "run_name": request.POST.get("run_name", ""),
            "yaml": yaml or request.POST.get("yaml", "") or (plan.to_yaml() if plan and not filled.problems else ""),
            "use_yaml": "use_yaml" in request.POST, "request_key": uuid.uuid4(), "most_runs": sweeps.MOST_RUNS,
        },
        status=status,
    )  # fmt: skip


def checked(
    request: MemberRequest, project: Project, kind: str, filled: Filled, plan: sweeps.Plan | None
) -> HttpResponse:
    """What htmx asks for while somebody types: the cost, a sentence beside each wrong field, and the YAML."""
    clone = cloned_job(request, project)
    if "use_yaml" in request.POST and plan:
        filled = launching.planned(plan)
    controls = controls_of(project, kind, filled, clone)
    follows = bool(plan) and "use_yaml" not in request.POST
    context = {**said(project, kind, filled, plan, controls), "controls": controls, "oob": True}
    return render(
        request, "registry/launch.html#checked", {**context, "yaml": plan.to_yaml() if plan and follows else None}
    )


def controls_of(project: Project, kind: str, filled: Filled, clone: Job | None) -> list[forms.Control]:
    spec = SPECS[kind].spec
    of_kind = clone if clone and clone.kind == kind else None
    marks = launching.marks(spec, filled.values, of_kind)
    return forms.controls(spec, project=project, values=filled.values, problems=filled.problems, marks=marks)


def said(
    project: Project, kind: str, filled: Filled, plan: sweeps.Plan | None, controls: list[forms.Control]
) -> dict[str, Any]:
    """What stands beside the form: cost, number of runs, what it waits for, what is to be mended."""
    known = {control.name for control in controls}
    before = []
    if plan and not filled.problems:
        try:
            before = list({job.pk: job for spec in plan.specs for job in chains.predecessors(project, spec)}.values())
        except SpecError as error:
            filled.problems.update(error.problems)
    cost = launching.cost_of(project, plan.first) if plan else None
    return {
        "project": project, "kind": kind, "problems": filled.problems, "controls": controls, "plan": plan, "cost": cost,
        "mend": bool(filled.problems), "before": before, "queue": jobs.queue_of(kind),
        "training": issubclass(SPECS[kind].spec, TrainingSpec),
        "other_problems": [text for name, text in filled.problems.items() if name not in known],
    }  # fmt: skip
