"""Pages that answer: how far is the project, who wins, why, and how fair are the judges."""

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from accounts.models import Membership, Project, User
from accounts.permissions import can_research, can_see, project_view
from annotate.models import Assignment
from annotate.quality import progress as quality
from evaluate.charts import answers, winners
from evaluate.overview import LISTED, overview


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
