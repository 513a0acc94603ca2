"""Things that are written as versions and never changed: rubrics and protocols. An edit makes the next version."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.text import slugify

from accounts.models import Project, User, record_audit
from accounts.requests import MemberRequest
from annotate.models import Protocol, Rubric

MAX_NAME = 60
Row = TypeVar("Row", Rubric, Protocol)


class Overtaken(Exception):
    """Somebody else saved a version meanwhile; the message says which, and that nothing is lost."""

    def __init__(self, newest: int) -> None:
        super().__init__(
            f"Version {newest} was saved meanwhile by somebody else. What you wrote is kept below: save again to make "
            f"it version {newest + 1}, or open the newest version first."
        )
        self.newest = newest


class TitleTaken(ValueError):
    """A new thing has the name of another one."""


def name_of(title: str) -> str:
    """The name in addresses: letters, digits and hyphens. "new" is an address already."""
    name = slugify(title)[:MAX_NAME].strip("-_")
    return "new-1" if name == "new" else name


def store(
    model: type[Row], *, project: Project, name: str, base: int, title: str, user: User, **content: Any
) -> tuple[Row, bool]:
    """Write version `base` + 1 of `name`, 1 for a new thing; returns the row and whether it was made now.

    The same content again (a form that was sent twice) is the version that is there. Raises Overtaken when another
    version has the place, TitleTaken when a new thing has the name of another one.
    """
    wanted = {"title": title, **content}
    try:
        with transaction.atomic():
            if base and (newest := newest_of(model, project, name)) and same(newest, wanted):
                return newest, False
            row = model.objects.create(project=project, name=name, version=base + 1, created_by=user, **wanted)
            record_audit(
                actor=user, action=f"{model.__name__.lower()}.saved", project=project, target=name, version=base + 1
            )
            return row, True
    except IntegrityError as error:
        newest = newest_of(model, project, name)
        if newest and same(newest, wanted):
            return newest, False
        if base == 0:
            raise TitleTaken(
                f"There is one called “{newest}” already. Choose another title, or edit that one."
            ) from error
        raise Overtaken(newest.version if newest else base) from error


def newest_of(model: type[Row], project: Project, name: str) -> Row | None:
    return model.objects.filter(project=project, name=name).order_by("-version").first()


def same(row: Rubric | Protocol, wanted: dict[str, Any]) -> bool:
    return all(getattr(row, key) == value for key, value in wanted.items())


def posted_base(data: Mapping[str, str], newest: int) -> int:
    """The version that the form was made from; never above the newest, which would leave a gap."""
    text = data.get("base", "")
    return min(int(text), newest) if text.isascii() and text.isdigit() and len(text) < 6 else newest


def go_to(request: MemberRequest, page: str, project: Project) -> HttpResponseBase:
    """By redirect, which htmx is asked to follow with the whole page."""
    response = redirect(page, slug=project.slug)
    return HttpResponse(headers={"HX-Redirect": response.url}) if request.htmx else response
