"""The page of the queue: workers, the line, chains; and the change of a run's priority."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_admin, can_research, project_view
from accounts.requests import MemberRequest
from registry import board, jobs, order
from registry.models import Job


@never_cache
@require_GET
@project_view(can_research)
def queue(request: MemberRequest, project: Project) -> HttpResponse:
    """All projects' places in line; other projects' jobs are shown without a name."""
    entries, more = board.entries()
    return render(
        request,
        "registry/queue.html#live" if request.htmx else "registry/queue.html",
        {
            "project": project, "entries": entries, "more": more, "posts": board.posts(),
            "chains": board.chains_of(project), "priorities": board.PRIORITIES,
            "may_prioritise": can_admin(request.user, project),
            "running": sum(entry.job.status == Job.Status.RUNNING for entry in entries),
            "held": sum(bool(entry.waiting and entry.waiting.held) for entry in entries),
            "used": order.used(jobs.queue_of("train_dpo")).get(project.pk, order.Use()),
        },
    )  # fmt: skip


@require_POST
@project_view(can_admin)
def priority(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = get_object_or_404(Job, project=project, name=name)
    known = {str(value): words for value, words in board.PRIORITIES}
    given = request.POST.get("priority", "")
    if given not in known:
        messages.error(request, f"There is no such priority. Choose one of {', '.join(known.values())}.")
    elif jobs.set_priority(job, request.user, int(given)).status != Job.Status.QUEUED:
        messages.info(request, f"{job} does not wait any more, so its priority was left as it is.")
    else:
        messages.info(request, f"{job} has priority {known[given]} now.")
    return redirect("queue", slug=project.slug)
