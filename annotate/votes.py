"""One vote: what was shown, what was said, and every dataset and model that it went into."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, can_review, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import said
from annotate.kinds.base import LETTERS
from annotate.models import DatasetFeedback, Feedback, Task
from annotate.quality import pseudonyms
from registry.models import ModelVersion


@dataclass(frozen=True)
class Taught:
    """A model that a vote went into, and how far it is from the dataset: 0 for one trained on it."""

    model: ModelVersion
    depth: int


@require_GET
@project_view(can_review)
def vote(request: MemberRequest, project: Project, pk: int) -> HttpResponse:
    feedback = get_object_or_404(
        Feedback.objects.select_related("annotator", "task__prompt", "supersedes"), pk=pk, project=project
    )
    rows = {
        row.position: row.response for row in feedback.task.task_responses.select_related("response__model__project")
    }
    lineage = list(feedback.lineage.select_related("dataset__project").order_by("dataset__created_at"))
    return render(
        request,
        "annotate/vote.html",
        {
            "project": project,
            "feedback": feedback,
            "author": pseudonyms.names(request, project, [feedback.annotator])[feedback.annotator_id],
            "shown": [(letter, rows[position]) for letter, position in zip(LETTERS, feedback.order, strict=False)],
            "said": said(feedback),
            "parts": [
                (one, said(one))
                for one in Feedback.current.filter(assignment_id=feedback.assignment_id).exclude(pk=feedback.pk)
            ],
            "lineage": went_into(project, lineage) if lineage else [],
            "may_make_known": feedback.task.purpose == Task.Purpose.WORK and can_research(request.user, project),
        },
    )


def went_into(project: Project, lineage: Iterable[DatasetFeedback]) -> list[tuple[DatasetFeedback, list[Taught]]]:
    """Each dataset with the models trained on it, each followed by the models that were trained from it."""
    on: dict[int, list[ModelVersion]] = defaultdict(list)
    after: dict[int, list[ModelVersion]] = defaultdict(list)
    models = ModelVersion.objects.filter(project=project).select_related("project", "parent")
    for model in models.defer("config", "metrics", "manifest").order_by("created_at"):
        if model.dataset_id is not None:
            on[model.dataset_id].append(model)
        if model.parent_id is not None:
            after[model.parent_id].append(model)
    return [(row, chain(on[row.dataset_id], after)) for row in lineage]


def chain(models: Iterable[ModelVersion], after: dict[int, list[ModelVersion]]) -> list[Taught]:
    """Depth first, each model once."""
    found: list[Taught] = []
    seen: set[int] = set()
    waiting = [Taught(model, 0) for model in reversed(list(models))]
    while waiting:
        one = waiting.pop()
        if one.model.pk in seen:
            continue
        seen.add(one.model.pk)
        found.append(one)
        waiting += [Taught(model, one.depth + 1) for model in reversed(after[one.model.pk])]
    return found
