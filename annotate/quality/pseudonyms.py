"""Names of people are hidden while they are compared. Each time somebody shows them, the audit log says so."""

from collections.abc import Iterable, Mapping

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.models import Project, User, record_audit
from accounts.permissions import can_review, project_view
from accounts.pseudonyms import rater_name
from accounts.requests import MemberRequest

SHOWN = "names_shown"
"""In the session: the ids of the projects whose names this person has asked to see."""


def are_shown(request: MemberRequest, project: Project) -> bool:
    return project.pk in request.session.get(SHOWN, [])


def names(request: MemberRequest, project: Project, users: Iterable[User]) -> Mapping[int, str]:
    """What each is called on this page: simulated raters by their name, for they are nobody; oneself as "you"."""
    shown = are_shown(request, project)
    return {
        user.pk: "you" if user == request.user and not shown
        else user.display_name if shown else rater_name(project.pk, user)
        for user in users
    }  # fmt: skip


@require_POST
@project_view(can_review)
def show_names(request: MemberRequest, project: Project) -> HttpResponseBase:
    """Show or hide the names of this project for the rest of the session; back to where the person was."""
    known = set(request.session.get(SHOWN, []))
    if "show" in request.POST:
        known.add(project.pk)
        record_audit(actor=request.user, action="names.shown", project=project)
    else:
        known.discard(project.pk)
    request.session[SHOWN] = sorted(known)
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back) if back and safe else redirect("people", slug=project.slug)
