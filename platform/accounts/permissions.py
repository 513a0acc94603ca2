"""What each role may do: one function an action, asked by every view that shows or changes a project's things.

A person without any role in a project is told that it does not exist, so that names do not leak.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from accounts.models import Membership, Project, User
from accounts.statements import Rows, fetch

Role = Membership.Role
Permission = Callable[[User, Project], bool]


def membership_of(user: User, project: Project) -> Membership | None:
    """The user's membership, whatever the role; kept on the user, which lives as long as its request."""
    known: dict[int, Membership | None] = user.__dict__.setdefault("_memberships", {})
    if project.pk not in known:
        known[project.pk] = Membership.objects.filter(user=user, project=project).first()
    return known[project.pk]


def role_in(user: User, project: Project) -> str | None:
    """The user's role in the project; superusers are admins everywhere."""
    if not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    membership = membership_of(user, project)
    return membership.role if membership else None


def can_see(user: User, project: Project) -> bool:
    return role_in(user, project) is not None


def can_annotate(user: User, project: Project) -> bool:
    return role_in(user, project) is not None


def can_review(user: User, project: Project) -> bool:
    """See other people's answers."""
    return role_in(user, project) in {Role.REVIEWER, Role.RESEARCHER, Role.ADMIN}


def can_research(user: User, project: Project) -> bool:
    """Build datasets, launch and stop jobs, see models and leaderboards."""
    return role_in(user, project) in {Role.RESEARCHER, Role.ADMIN}


def can_admin(user: User, project: Project) -> bool:
    return role_in(user, project) == Role.ADMIN


REFUSALS: dict[Permission, str] = {
    can_annotate: "Your role does not let you annotate in {project}. Ask one of its admins for the role annotator.",
    can_review: "Your role does not let you see other people's answers in {project}. Ask one of its admins.",
    can_research: "Your role does not let you build or launch in {project}. Ask an admin for the role researcher.",
    can_admin: "Only admins of {project} can do this.",
}


def require(user: User, project: Project, permission: Permission) -> None:
    """Raise Http404 for outsiders, PermissionDenied with a sentence for members whose role is too small."""
    if not can_see(user, project):
        raise Http404("There is no such project, or you are not a member of it.")
    if not permission(user, project):
        raise PermissionDenied(REFUSALS[permission].format(project=project))


PROJECT, MEMBERSHIP = Rows(Project), Rows(Membership)
OWN = f"""
SELECT {PROJECT.columns}, {MEMBERSHIP.columns}
FROM accounts_membership JOIN accounts_project ON accounts_project.id = accounts_membership.project_id
WHERE accounts_membership.user_id = %(user)s AND accounts_project.slug = %(slug)s
"""


def project_of(user: User, slug: str) -> Project:
    """The project of that slug, read together with the user's membership. Http404 where there is none."""
    if not (rows := fetch(OWN, {"user": user.pk, "slug": slug.replace("\x00", "")})):
        return get_object_or_404(Project, slug=slug)
    (row,) = rows
    project, membership = PROJECT.make(row[: len(PROJECT)]), MEMBERSHIP.make(row[len(PROJECT) :])
    membership.project = project
    user.__dict__.setdefault("_memberships", {})[project.pk] = membership
    return project


def project_view(
    permission: Permission,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Decorate a view so that it takes the project that its URL's `slug` names, after the permission was checked."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            assert isinstance(request.user, User), "LoginRequiredMiddleware lets no anonymous user through"
            project = project_of(request.user, slug)
            if can_see(request.user, project):
                request.project = project  # type: ignore[attr-defined]  # also for the page that says no
            require(request.user, project, permission)
            return view(request, project, **kwargs)

        return wrapped

    return decorate
