"""The request of a signed-in member, as views behind `project_view` get it."""

from typing import Any

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import Project, User


class MemberRequest(HttpRequest):
    """For type checkers: middleware and `project_view` have put these on an ordinary request."""

    user: User
    htmx: HtmxDetails
    project: Project
    progress: dict[str, Any]
    """What the desk has counted for this request already."""
