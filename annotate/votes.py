"""One vote: what was shown, what was said, and every dataset and model that it went into."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, can_review, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import said
from annotate.kinds.base import LETTERS
from annotate.models import Feedback, Task


@require_GET
@project_view(can_review)
def vote(request: MemberRequest, project: Project, pk: int) -> HttpResponse:
    feedback = get_object_or_404(
        Feedback.objects.select_related("annotator", "task__prompt", "supersedes"), pk=pk, project=project
    )
    rows = {
        row.position: row.response for row in feedback.task.task_responses.select_related("response__model__project")
    }
    lineage = feedback.lineage.select_related("dataset__project").prefetch_related("dataset__models__project")
    return render(
        request,
        "annotate/vote.html",
        {
            "project": project,
            "feedback": feedback,
            "shown": [(letter, rows[position]) for letter, position in zip(LETTERS, feedback.order, strict=False)],
            "said": said(feedback),
            "parts": [
                (one, said(one))
                for one in Feedback.current.filter(assignment_id=feedback.assignment_id).exclude(pk=feedback.pk)
            ],
            "lineage": lineage,
            "may_make_known": feedback.task.purpose == Task.Purpose.WORK and can_research(request.user, project),
        },
    )
