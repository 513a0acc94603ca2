"""One page on bias for people and judges, the cases behind it, and the continuations of prompts that hardly differ."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import Project, User
from accounts.permissions import can_research, can_review, project_view
from evaluate import charts
from evaluate.benchmarks import BENCHMARKS, Result
from evaluate.benchmarks.cases import TYPES, case_set
from evaluate.bias import case_list
from evaluate.bias.runs import ALL, Run, jobs_of, run_of
from evaluate.charts import bias_cases
from registry.models import Job

MAX_RATERS = 50
ON_CASES = {"offset", "sycophancy", "language", "hhh"}
"""Benchmarks that the table of cases shows already."""


@require_GET
@project_view(can_review)
def bias(request: HttpRequest, project: Project) -> HttpResponse:
    """?run= is a run of the job bias, ?other= one to compare it with."""
    results = on_votes(project)
    raters = [(result.voice, row) for result in results for row in result.raters]
    asked = asked_for(request, "run", "other")
    jobs = jobs_of(project)
    run, other, problem = chosen(jobs, asked["run"], asked["other"])
    context: dict[str, Any] = {
        "project": project,
        "results": results,
        "raters": raters[:MAX_RATERS],
        "raters_left_out": max(len(raters) - MAX_RATERS, 0),
        "bias_chart": charts.bias.draw(results),
        "jobs": jobs,
        "run": run,
        "other": other,
        "problem": problem,
        "may_launch": may_launch(request, project),
        "waiting": waiting(project),
    }
    if run:
        context |= {
            "cases_chart": bias_cases.draw(run, other, links=True),
            "cases_key": f"{run.name}/{other.name}" if other else run.name,
            "rows": rows_of(run, other),
            "all": ALL,
        }
    return render(request, "evaluate/bias.html", context)


def asked_for(request: HttpRequest, *names: str) -> dict[str, str]:
    """PostgreSQL refuses NUL in a text, and no name has one."""
    return {name: request.GET.get(name, "").replace("\0", "")[:120] for name in names}


def on_votes(project: Project) -> list[Result]:
    """What is measured on votes and judgements of the project's own texts, and not on case sets."""
    found = [result for name, run in BENCHMARKS.items() if name not in ON_CASES for result in run(project)]
    return [result for result in found if not result.measure.startswith("Format:")]


def chosen(jobs: list[Job], run: str, other: str) -> tuple[Run | None, Run | None, str]:
    """(the run that is shown, the one beside it, a sentence on what does not exist)"""
    by_name = {job.name: job for job in jobs}
    missing = next((name for name in (run, other) if name and name not in by_name), "")
    problem = f"There is no finished bias run “{missing[:80]}” here." if missing else ""
    first = by_name.get(run) or (jobs[0] if jobs else None)
    second = by_name.get(other)
    found = run_of(first) if first else None
    beside = run_of(second) if second and second != first else None
    return found, beside, problem


def rows_of(run: Run, other: Run | None) -> list[dict[str, Any]]:
    """A row a type, and one over all."""
    types = [*run.types, run.total] if len(run.types) > 1 else list(run.types)
    return [
        {
            "one": one,
            "before": other.of(one.type) if other else None,
            "trap": case_set(one.type).trap if one.type in TYPES else "",
            "trivial": {trivial.name.replace(" ", "_"): trivial for trivial in one.trivial},
        }
        for one in types
    ]


def may_launch(request: HttpRequest, project: Project) -> bool:
    return isinstance(request.user, User) and can_research(request.user, project)


def waiting(project: Project) -> Job | None:
    """A run that is on its way, so that nobody starts it twice for want of a sign."""
    going = (Job.Status.QUEUED, Job.Status.RUNNING)
    return Job.objects.filter(project=project, kind="bias", status__in=going).order_by("-pk").first()


@require_GET
@project_view(can_review)
def cases(request: HttpRequest, project: Project) -> HttpResponse:
    """?run= and ?type= say which cases, ?only= narrows them to those that were not right, swayed or unparseable."""
    asked = asked_for(request, "run", "type", "only", "page")
    jobs = jobs_of(project)
    run, _, problem = chosen(jobs, asked["run"], "")
    context: dict[str, Any] = {"project": project, "problem": problem, "asked": asked, "only": case_list.ONLY}
    kind = "" if asked["type"] == ALL else asked["type"]
    if run and not problem and kind and run.of(kind) is None:
        problem = f"{run.name} has asked about no cases of the type “{kind[:80]}”."
    if run is None or problem:
        context["problem"] = problem or "No judge has been tested on cases yet."
        return render(request, "evaluate/bias_cases.html", context, status=404)
    page = case_list.page_of(run, kind=kind, only=asked["only"], page=asked["page"])
    context |= {
        "run": run, "page": page, "shown": case_list.shown(list(page), run), "kind": kind or ALL,
        "of": run.of(kind or ALL), "types": [run.total, *run.types],
        "trap": case_set(kind).trap if kind in TYPES else "",
    }  # fmt: skip
    return render(request, "evaluate/bias_cases.html", context)


def contrast_jobs(project: Project) -> Any:
    return Job.objects.filter(project=project, kind="contrast", status=Job.Status.SUCCEEDED).order_by("-pk")


@require_GET
@project_view(can_research)
def contrast(request: HttpRequest, project: Project) -> HttpResponse:
    """?run= is a run of the job contrast; the newest where it is empty."""
    asked = asked_for(request, "run")
    jobs = list(contrast_jobs(project))
    job = next((one for one in jobs if one.name == asked["run"]), jobs[0] if jobs and not asked["run"] else None)
    pairs = case_list.contrasts(job.pk) if job else []
    context = {
        "project": project, "jobs": jobs, "job": job, "pairs": pairs, "may_launch": True,
        "model": pairs[0].stored.model if pairs else None, "strength": pairs[0].stored.strength if pairs else None,
        "problem": f"There is no finished contrast run “{asked['run'][:80]}” here." if asked["run"] and not job else "",
        "hidden": sum(pair.same and pair.stored.contrasted[0] != pair.stored.contrasted[1] for pair in pairs),
    }  # fmt: skip
    return render(request, "evaluate/bias_contrast.html", context, status=404 if context["problem"] else 200)
