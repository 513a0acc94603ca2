"""Pages that answer: how far is the project, who wins, why, and how fair are the judges."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from accounts.models import Membership, Project, User
from accounts.permissions import can_research, can_review, can_see, project_view
from annotate.models import Assignment
from annotate.quality import progress as quality
from evaluate import battle_list, charts
from evaluate.benchmarks import BENCHMARKS
from evaluate.charts import answers, matrix, ratings, winners
from evaluate.charts.ratings import mark
from evaluate.leaderboard import Board, boards, finding, findings
from evaluate.overview import LISTED, overview
from evaluate.stats import clustered_win_rate
from pages.charts import spark

MAX_RATERS = 50


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


def member(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "LoginRequiredMiddleware lets no anonymous user through"
    return request.user


@require_GET
def home(request: HttpRequest) -> HttpResponseBase:
    """The projects of this person, or straight into the only one."""
    user = member(request)
    memberships = list(Membership.objects.filter(user=user).select_related("project").order_by("project__name"))
    if len(memberships) == 1:
        return redirect(memberships[0].project)
    return render(request, "evaluate/home.html", {"memberships": memberships, "others": others(user, memberships)})


def others(user: User, memberships: list[Membership]) -> list[Project]:
    """What a superuser may open without being a member."""
    if not user.is_superuser:
        return []
    mine = [membership.project_id for membership in memberships]
    return list(Project.objects.exclude(pk__in=mine).order_by("name"))


@require_GET
@project_view(can_see)
def project(request: HttpRequest, project: Project) -> HttpResponse:
    if not can_research(member(request), project):
        return annotator_home(request, project)
    found = overview(project, user=member(request))
    context = {
        "project": project,
        "overview": found,
        "answers_chart": answers.draw(project, found.days),
        "winners_chart": winners.draw(found.headline) if found.headline else None,
        "datasets": found.datasets[:LISTED],
        "jobs": found.jobs[:LISTED],
    }
    return render(request, "evaluate/project.html", context)


def annotator_home(request: HttpRequest, project: Project) -> HttpResponse:
    """One's own progress, and the way to the next task: nothing that could sway a vote."""
    skipped = Assignment.objects.filter(
        task__project=project, annotator=member(request), status=Assignment.Status.SKIPPED
    ).count()
    return render(
        request,
        "evaluate/project_annotator.html",
        {
            "project": project,
            "own": quality.desk_progress(project=project, annotator=member(request)),
            "skipped": skipped,
            "total": quality.progress(project),
        },
    )


@require_GET
@project_view(can_research)
def leaderboard(request: HttpRequest, project: Project) -> HttpResponse:
    found = boards(project)
    asked = request.GET.get("judge", "")
    board = next((one for one in found if one.voice.key == asked), found[0] if found else None)
    context: dict[str, Any] = {"project": project, "boards": found, "board": board}
    if board:
        context |= {
            "sentence": findings(board),
            "rows": table(found, board),
            "others": [one for one in found if one is not board],
            "matrix_chart": matrix.draw(project, board) if board.battles else None,
            "ratings_chart": ratings.draw(found, board.voice.key),
            "problem": f"There is no judge “{asked[:80]}” here." if asked and board.voice.key != asked else "",
        }
    return render(request, "evaluate/leaderboard.html", context)


def table(found: list[Board], board: Board) -> list[dict[str, Any]]:
    """A row a model: what this voice says, a whisker on the column's scale, and the ratings of the other voices."""
    edges = [edge for row in board.ratings.rows for edge in (row.low, row.high)]
    low, high = (min([*edges, 1000]), max([*edges, 1000])) if edges else (0, 1)
    rows = []
    for place, name in enumerate(board.order, 1):
        span, rating = mark(board, name), board.rating(name)
        rows.append(
            {
                "place": place,
                "model": name,
                "rating": rating,
                "is_anchor": name == board.ratings.anchor,
                "spark": spark(span, low, high, reference=1000 if board.ratings.anchor else None) if span else "",
                "rate": board.rates[name],
                "others": [one.rating(name) for one in found if one is not board],
            }
        )
    return rows


@require_GET
@project_view(can_research)
def battles(request: HttpRequest, project: Project) -> HttpResponse:
    """?first= and ?second= are models, ?judge= a voice's key. What does not exist is said in a sentence."""
    # PostgreSQL refuses NUL in a text, and no name has one.
    asked = {name: request.GET.get(name, "").replace("\0", "") for name in ("first", "second", "judge", "page")}
    context: dict[str, Any] = {"project": project, "first": asked["first"], "second": asked["second"]}
    try:
        context |= battles_context(project, asked)
    except battle_list.Unknown as problem:
        return render(request, "evaluate/battles.html", context | {"problem": str(problem)}, status=404)
    return render(request, "evaluate/battles.html", context)


def battles_context(project: Project, asked: dict[str, str]) -> dict[str, Any]:
    pair = battle_list.pair_named(project, asked["first"], asked["second"])
    voices = battle_list.voices_of(pair)
    if not voices:
        return {"page": None, "trained": len(pair.left_out())}
    voice = battle_list.voice_named(asked["judge"]) if asked["judge"] else next(iter(voices))
    if voice not in voices:
        raise battle_list.Unknown(f"{voice.label} has decided no battle between {pair.first} and {pair.second}.")
    rate = clustered_win_rate(*battle_list.outcomes(pair, voice))
    return {
        "voices": voices,
        "voice": voice,
        "page": battle_list.page_of(pair, voice=voice, page=asked["page"]),
        "rate": rate,
        "sentence": finding(pair.first, pair.second, rate),
        "trained": len(pair.left_out(voice)),
    }


@require_GET
@project_view(can_review)
def bias(request: HttpRequest, project: Project) -> HttpResponse:
    results = [result for run in BENCHMARKS.values() for result in run(project)]
    raters = [(result.voice, row) for result in results for row in result.raters]
    context = {
        "project": project,
        "results": results,
        "raters": raters[:MAX_RATERS],
        "raters_left_out": max(len(raters) - MAX_RATERS, 0),
        "bias_chart": charts.bias.draw(results),
    }
    return render(request, "evaluate/bias.html", context)
