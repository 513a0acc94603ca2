"""Withdrawing consent and giving it again: by the person, and by an admin whom the person told."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import Membership, Project, User
from accounts.permissions import can_admin, can_annotate, can_research, project_view
from accounts.requests import MemberRequest
from annotate.quality import pseudonyms
from annotate.quality.people_views import somebody
from curate import consent
from curate.models import ConsentWithdrawal

LONGEST_REASON = ConsentWithdrawal._meta.get_field("reason").max_length or 0


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_annotate)
def own(request: MemberRequest, project: Project) -> HttpResponseBase:
    return answer(request, project, request.user)


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_admin)
def of_person(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """For somebody who told an admin, or who is in the project no more."""
    return answer(request, project, get_object_or_404(User, pk=somebody(project, pk).user.pk))


def answer(request: MemberRequest, project: Project, user: User) -> HttpResponseBase:
    if request.method == "GET":
        return show(request, project, user)
    withdrawal = consent.current(project, user)
    if "again" in request.POST:
        if withdrawal and not consent.may_give_again(withdrawal, request.user):
            error = (
                "This person withdrew consent themselves, so only they can give it again, on their page “Your work”."
            )
            return show(request, project, user, error=error)
        if consent.give_again(project=project, user=user, by=request.user):
            messages.success(request, "Consent is given again. The answers go into the next dataset that is built.")
        return back(request, project, user)
    reason = request.POST.get("reason", "").replace("\0", "").strip()
    if len(reason) > LONGEST_REASON:
        error = f"The reason has {len(reason):,} characters, and {LONGEST_REASON:,} are kept. Shorten it."
        return show(request, project, user, error=error)
    consent.withdraw(project=project, user=user, by=request.user, reason=reason)
    messages.success(request, "Consent is withdrawn. No later dataset takes these answers.")
    return back(request, project, user)


def back(request: MemberRequest, project: Project, user: User) -> HttpResponseBase:
    if user == request.user:
        return redirect("consent", slug=project.slug)
    return redirect("person-consent", slug=project.slug, pk=user.pk)


def show(request: MemberRequest, project: Project, user: User, *, error: str = "") -> HttpResponse:
    withdrawal = consent.current(project, user)
    found = consent.marks(project)
    held = consent.held(project, user)
    context = {
        "project": project, "person": user, "own": user == request.user, "withdrawal": withdrawal, "held": held,
        "name": pseudonyms.names(request, project, [user])[user.pk],
        "marks": found, "error": error, "reason": request.POST.get("reason", ""), "longest": LONGEST_REASON,
        "may_give_again": withdrawal and consent.may_give_again(withdrawal, request.user),
        "is_member": Membership.objects.filter(project=project, user=user).exists(),
        "may_open": can_research(request.user, project),
    }  # fmt: skip
    return render(request, "curate/consent.html", context, status=422 if error else 200)
