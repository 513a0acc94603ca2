"""Pages to set an evaluation up, to follow it, and to go on with it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from evaluate.boards import keeping
from evaluate.boards.pages import table
from evaluate.boards.slices import Slice
from evaluate.charts import ratings
from evaluate.evaluations import plan, steps
from evaluate.evaluations.forms import EvaluationForm
from evaluate.evaluations.progress import progress
from evaluate.leaderboard import findings
from evaluate.models import Evaluation
from registry.specs import SpecError


@require_GET
@project_view(can_research)
def evaluations(request: MemberRequest, project: Project) -> HttpResponse:
    found = project.evaluations.prefetch_related("entrants__model").select_related("dataset", "created_by")
    return render(request, "evaluate/evaluations.html", {"project": project, "evaluations": found})


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new(request: MemberRequest, project: Project) -> HttpResponseBase:
    """POST with `start` starts it; without, it says what it would cost."""
    form = EvaluationForm(project, request.POST or None, initial=EvaluationForm.INITIAL)
    context: dict[str, Any] = {"project": project, "form": form}
    if request.method == "POST" and form.is_valid():
        evaluation, models = form.evaluation(), form.chosen()
        cost = plan.cost_of(evaluation, models)
        context["cost"] = cost
        if not cost.prompts:
            form.add_error(None, "No prompt fits dataset, split and tag, so there is nothing to answer. Choose others.")
        elif "start" in request.POST and not request.htmx:
            try:
                done = steps.start(evaluation, models, user=request.user)
            except SpecError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, done.sentence)
                return redirect(evaluation)
    if request.htmx:
        return render(request, "evaluate/evaluation_new.html#cost", context)
    return render(request, "evaluate/evaluation_new.html", context, status=422 if form.errors else 200)


@require_GET
@project_view(can_research)
def evaluation(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    found = get_object_or_404(Evaluation.objects.select_related("project", "dataset"), project=project, name=name)
    done = progress(found)
    boards = keeping.at_hand(project, Slice(evaluation=found.name)).boards
    board = max(boards, key=lambda one: one.battles, default=None)
    context: dict[str, Any] = {
        "project": project, "evaluation": found, "done": done, "boards": boards, "board": board,
        "own": Slice(evaluation=found.name),
    }  # fmt: skip
    if board and board.battles:
        context |= {
            "sentence": findings(board), "rows": table(boards, board),
            "ratings_chart": ratings.draw(boards, board.voice.key),
        }  # fmt: skip
    part = "evaluate/evaluation.html#live" if request.htmx else "evaluate/evaluation.html"
    return render(request, part, context)


@require_POST
@project_view(can_research)
def next_round(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    found = get_object_or_404(Evaluation.objects.select_related("project"), project=project, name=name)
    try:
        done = steps.go_on(found, user=request.user)
    except SpecError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done.sentence)
    return redirect(found)
