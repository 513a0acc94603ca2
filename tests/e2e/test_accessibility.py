"""axe-core on every kind of feedback and on the pages around them: no serious or critical finding, in both colours."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from accounts.models import Membership, Project, User
from annotate import services
from annotate.demo import workbench
from annotate.models import Prompt, Response, Task
from tests.factories import make_raters, make_task, make_vote

KINDS = ("pairwise", "ranking", "rubric", "critique", "edit", "selection", "chat")
# Each page with the member who meets it.
PAGES = (
    ("ann", "annotate/history/"),
    ("ann", "me/"),
    ("ravi", "quality/"),
    ("ravi", "people/"),
    ("ravi", "adjudicate/"),
    ("ravi", "flagged/"),
    ("rachel", "known-answers/"),
    ("rachel", "collection/"),
    ("rachel", "protocols/"),
    ("rachel", "protocols/new/"),
    ("rachel", "rubrics/"),
    ("rachel", "prompts/new/"),
    ("rachel", "import/"),
    ("rachel", "import-export/past/"),
    ("rachel", ""),
)
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical, with the elements."""
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.fixture
def bench(db: None, annotator: User) -> Project:
    project = workbench.make()
    Membership.objects.create(user=annotator, project=project, role=Membership.Role.ANNOTATOR)
    return project


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_desk_of_every_kind(bench: Project, sign_in: Any, kind: str, colours: str) -> None:
    wanted = Task.objects.filter(project=bench, kind=kind).order_by("pk")[:1].values("pk")
    Task.objects.filter(project=bench).exclude(pk__in=wanted).update(flagged=True)
    page = sign_in("ann", color_scheme=colours)
    page.goto("/p/workbench/annotate/")
    expect(page.locator("#desk")).to_have_attribute("data-kind", kind)
    expect(page.locator("#desk")).to_have_attribute("data-ready", "1")
    assert serious(page) == []
    page.get_by_role("button", name="Keys ?").click()
    expect(page.locator("#keys")).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize(("who", "path"), PAGES)
def test_the_pages_around(
    project: Project, annotator: User, reviewer: User, researcher: User, sign_in: Any, who: str, path: str
) -> None:
    raters = make_raters(project, 3)
    for number in range(4):
        task = make_task(project, f"p-{number}", wanted=3)
        for rater, preference in zip(raters, (2, -1, 3 if number else 0), strict=True):
            make_vote(task, rater, preference)
    make_vote(make_task(project, "p-own"), annotator, 1)
    flagged = make_task(project, "p-flagged")
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment is not None and assignment.task_id == flagged.pk
    services.skip(assignment=assignment, annotator=annotator, reason="Private data", flag=True)
    page = sign_in(who)
    page.goto(f"/p/helpful/{path}")
    assert page.title()
    assert serious(page) == []


def test_an_image_is_described(bench: Project, sign_in: Any) -> None:
    task = Task.objects.get(project=bench, kind="selection")
    Task.objects.filter(project=bench).exclude(pk=task.pk).update(flagged=True)
    page = sign_in("ann")
    page.goto("/p/workbench/annotate/")
    assert "Jun 20" in (page.locator("#desk img").first.get_attribute("alt") or "")
    assert Prompt.objects.filter(project=bench, image__isnull=False).count() == 1
    assert Response.objects.filter(prompt__project=bench).exists()
