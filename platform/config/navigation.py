"""The side navigation: the pages that a person may open in the project they are in."""

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Project, User
from accounts.permissions import can_research, can_review
from annotate.moderation import disagreement
from registry.models import Job

ADJUDICATION = {"adjudicate-item", "adjudicate-settled", "known-answers"}
PROTOCOLS = {"protocol", "protocol-new", "protocol-version", "rubrics", "rubric", "rubric-new", "rubric-version"}
EXCHANGE = {"import", "import-check", "import-report", "import-result", "import-take-back", "exchange-past"}
# label, icon, url name, who may open it (None: every member), url names of the pages that belong to it
ENTRIES: tuple[tuple[str, tuple[tuple[str, str, str, Any, set[str]], ...]], ...] = (
    ("", (
        ("Overview", "home", "project", None, set()),
        ("Annotate", "tasks", "annotate", None, set()),
        ("Your work", "check", "me", None, {"history"}),
        ("Adjudicate", "scales", "adjudicate", can_review, ADJUDICATION),
        ("Flagged", "flag", "flagged", can_review, set()),
        ("Collection", "sort", "collection", can_research, set()),
        ("Protocols", "quote", "protocols", can_research, PROTOCOLS),
    )),
    ("Learn", (
        ("Datasets", "data", "datasets", can_research, {"dataset", "dataset-new"}),
        ("Runs", "run", "runs", can_research, {"run", "launch", "compare", "sweep", "examination", "examine"}),
        ("Queue", "queue", "queue", can_research, set()),
        ("Models", "model", "models", can_research, {"model"}),
        ("Talk to models", "quote", "playground", can_research, set()),
    )),
    ("Measure", (
        ("Leaderboard", "board", "leaderboard", can_research, {"battles"}),
        ("Evaluations", "scales", "evaluations", can_research, {"evaluation", "evaluation-new"}),
        ("Quality", "pin", "quality", can_review, set()),
        ("Bias", "bias", "bias", can_review, set()),
    )),
    ("Manage", (
        ("People", "people", "people", can_review, {"person"}),
        ("Import, export", "swap", "export", can_research, EXCHANGE),
    )),
)  # fmt: skip


def navigation(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    project: Project | None = getattr(request, "project", None)
    projects = Project.objects.order_by("name")
    if not user.is_superuser:
        projects = projects.filter(memberships__user=user)
    return {
        "home_url": project.get_absolute_url() if project else reverse("home"),
        # Functions, which a template calls when it needs them: the desk's next task, a fragment, shows no navigation.
        "projects": cache(
            lambda: [{"name": one.name, "url": one.get_absolute_url(), "current": one == project} for one in projects]
        ),
        "nav": cache(lambda: groups(request, user, project) if project else []),
    }


def groups(request: HttpRequest, user: User, project: Project) -> list[dict[str, Any]]:
    match = request.resolver_match
    here = match.url_name if match else ""
    allowed = {permission: permission(user, project) for permission in (can_review, can_research)}
    running = Job.objects.filter(project=project, status=Job.Status.RUNNING).count() if allowed[can_research] else 0
    to_settle = disagreement.waiting(project).total if allowed[can_review] else 0  # up to a minute old
    counts = {"runs": f"{running} live" if running else "", "adjudicate": f"{to_settle:,}" if to_settle else ""}
    return [
        {
            "group": group,
            "entries": [
                {
                    "label": label, "icon": icon, "url": reverse(name, args=[project.slug]),
                    "current": here == name or here in pages,
                    "count": counts.get(name, ""),
                }
                for label, icon, name, permission, pages in entries
                if permission is None or allowed[permission]
            ],
        }
        for group, entries in ENTRIES
    ]  # fmt: skip
