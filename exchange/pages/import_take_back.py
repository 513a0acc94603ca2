"""The page that takes an import back: what would go and what stays, then the act."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.permissions import can_admin, project_view
from accounts.requests import MemberRequest
from exchange.imports import take_back
from exchange.models import Import


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_admin)
def confirm(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """GET counts and changes nothing. POST takes back what its page counted, or says why not."""
    made = get_object_or_404(Import.objects.select_related("project", "user", "upload"), pk=pk, project=project)
    try:
        if request.method == "POST":
            gone = take_back.take_back(made, request.user)
            messages.success(request, said(made, gone))
            return redirect("exchange-past", project.slug)
        found, problem = take_back.look(made), ""
    except take_back.Holds as error:
        found, problem = None, str(error)
    context = {"project": project, "tab": "past", "made": made, "found": found, "problem": problem}
    return render(request, "exchange/import_take_back.html", context, status=409 if request.method == "POST" else 200)


def said(made: Import, gone: take_back.TakenBack) -> str:
    counted = [
        f"{count:,} {words if count > 1 else words.removesuffix('s')}"
        for count, words in ((gone.prompts, "prompts"), (gone.responses, "answers"), (gone.votes, "votes"))
        if count
    ]
    stays = f" {gone.kept_prompts:,} of its prompts stay." if gone.kept_prompts else ""
    return f"{made.filename} is taken back: {', '.join(counted) or 'its items'} went.{stays}"
