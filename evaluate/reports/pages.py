"""The report as a file, the links that show a leaderboard, and what such a link shows."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from evaluate import battle_list
from evaluate.boards import keeping
from evaluate.boards.board import Board
from evaluate.boards.pages import table
from evaluate.boards.slices import Slice, slice_of
from evaluate.charts import matrix, ratings
from evaluate.leaderboard import findings
from evaluate.models import SharedBoard
from evaluate.reports import export, sharing

MOST_TEXTS = 10


@require_GET
@project_view(can_research)
def report(request: MemberRequest, project: Project) -> HttpResponse:
    chosen = slice_of(request.GET)
    content = export.zipped(project, keeping.boards(project, chosen), chosen, at=timezone.now())
    record_audit(
        actor=request.user, action="leaderboard.exported", project=project, target=project.slug, **chosen.query
    )
    return HttpResponse(
        content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{project.slug}-leaderboard.zip"'},
    )


class ShareForm(forms.Form):
    title = forms.CharField(max_length=80)
    days = forms.IntegerField(min_value=1, max_value=sharing.LONGEST)
    with_texts = forms.BooleanField(required=False)


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def shared_boards(request: MemberRequest, project: Project) -> HttpResponse:
    """All links of the project. A new one is shown once, in the answer to the form."""
    chosen = slice_of(request.GET)
    form = ShareForm(request.POST or None, initial={"title": f"Leaderboard of {project}"[:80], "days": 30})
    context: dict[str, Any] = {"project": project, "form": form, "narrowed": chosen, "query": urlencode(chosen.query)}
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        _, token = sharing.make(project, user=request.user, chosen=chosen, **data)
        context["link"] = request.build_absolute_uri(reverse("shared-board", args=[token]))
    context["shared"] = project.shared_boards.select_related("made_by")
    return render(request, "evaluate/shared_boards.html", context, status=422 if form.errors else 200)


@require_POST
@project_view(can_research)
def revoke(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    board = get_object_or_404(SharedBoard.objects.select_related("project"), project=project, pk=pk)
    sharing.revoke(board, actor=request.user)
    messages.success(request, f"{board.title} is shown to nobody any more.")
    return redirect("shared-boards", project.slug)


@login_not_required
@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """What people without an account see: ratings and win rates; texts only where the link was made with them."""
    link = sharing.opened(token)
    if link is None:
        answer = render(request, "evaluate/shared.html", {"link": None}, status=404)
    else:
        answer = render(request, "evaluate/shared.html", shown(link))
    # The address is the key: it is given to no search engine and to no other site.
    answer["X-Robots-Tag"] = "noindex, nofollow"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def shown(link: SharedBoard) -> dict[str, Any]:
    chosen = Slice(**link.query | {"turn": int(link.query.get("turn", 0))})
    found = keeping.at_hand(link.project, chosen)
    boards = [board for board in found.boards if board.battles]
    return {
        "link": link, "narrowed": chosen, "found": found,
        "boards": [
            {
                "board": board, "sentence": findings(board), "rows": table(boards, board),
                "matrix_chart": matrix.draw(link.project, board, chosen=chosen, linked=False),
            }
            for board in boards
        ],
        "ratings_chart": ratings.draw(boards) if boards else None,
        "battles": texts(link, boards[0], chosen) if link.with_texts and boards else [],
    }  # fmt: skip


def texts(link: SharedBoard, board: Board, chosen: Slice) -> list[battle_list.Battle]:
    """The first battles of the two best models that met."""
    met = next(((a, b) for a in board.order for b in board.order if (a, b) in board.pairs), None)
    if met is None:
        return []
    pair = battle_list.pair_named(link.project, *met, chosen=chosen)
    return list(battle_list.page_of(pair, voice=board.voice, page="1").object_list)[:MOST_TEXTS]
