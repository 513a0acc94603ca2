"""The leaderboard and the battles behind each of its numbers."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, project_view
from evaluate import battle_list
from evaluate.boards import keeping
from evaluate.boards.board import Board
from evaluate.boards.slices import Slice, offered, slice_of
from evaluate.charts import matrix, ratings
from evaluate.charts.ratings import mark
from evaluate.leaderboard import finding, findings
from evaluate.stats import clustered_win_rate
from pages.charts import spark

NAMES_OF_FILTERS = {"lang": "Language", "tag": "Tag", "turn": "Turn"}


@require_GET
@project_view(can_research)
def leaderboard(request: HttpRequest, project: Project) -> HttpResponse:
    """?judge= a voice's key, ?lang= &tag= &turn= which prompts. A fragment, ?part=counted, does the work that is left
    over and gives the board again."""
    chosen = slice_of(request.GET)
    part = request.GET.get("part") == "counted"
    found = keeping.brought_up(project, chosen) if part else keeping.at_hand(project, chosen)
    context = board_context(project, found, asked=request.GET.get("judge", ""), chosen=chosen)
    return render(request, "evaluate/leaderboard.html#board" if part else "evaluate/leaderboard.html", context)


def board_context(project: Project, found: keeping.Found, *, asked: str, chosen: Slice) -> dict[str, Any]:
    boards = found.boards
    board = next((one for one in boards if one.voice.key == asked), boards[0] if boards else None)
    context: dict[str, Any] = {
        "project": project, "boards": boards, "board": board, "found": found, "narrowed": chosen,
        "filters": filters(project, chosen, asked), "kept_query": urlencode(chosen.query),
    }  # fmt: skip
    if board:
        context |= {
            "sentence": findings(board),
            "rows": table(boards, board),
            "others": [one for one in boards if one is not board],
            "matrix_chart": matrix.draw(project, board, chosen=chosen) if board.battles else None,
            "ratings_chart": ratings.draw(boards, board.voice.key),
            "problem": f"There is no judge “{asked[:80]}” here." if asked and board.voice.key != asked else "",
        }
    return context


def filters(project: Project, chosen: Slice, judge: str) -> list[dict[str, Any]]:
    """What a board can be narrowed to, with the address of each choice."""
    found = []
    for name, values in offered(project).items():
        rest = chosen.without(name).query | ({"judge": judge} if judge else {})
        current = chosen.query.get(name, "")
        options = [{"value": "", "url": f"?{urlencode(rest)}", "current": not current}]
        options += [
            {"value": value, "url": f"?{urlencode(rest | {name: value})}", "current": value == current}
            for value in values
        ]
        hidden = {key: value for key, value in rest.items() if key != name}
        found.append(
            {
                "name": name,
                "title": NAMES_OF_FILTERS[name],
                "options": options,
                "hidden": hidden,
                "few": len(values) < 5,
            }
        )
    return found


def table(found: list[Board], board: Board) -> list[dict[str, Any]]:
    """A row a model: what this voice says, a whisker on the column's scale, and the ratings of the other voices."""
    edges = [edge for row in board.ratings.rows for edge in (row.low, row.high)]
    low, high = (min([*edges, 1000]), max([*edges, 1000])) if edges else (0, 1)
    rows = []
    for place, name in enumerate(board.order, 1):
        span, rating = mark(board, name), board.rating(name)
        rows.append(
            {
                "place": place,
                "model": name,
                "rating": rating,
                "is_anchor": name == board.ratings.anchor,
                "spark": spark(span, low, high, reference=1000 if board.ratings.anchor else None) if span else "",
                "rate": board.rates[name],
                "others": [one.rating(name) for one in found if one is not board],
            }
        )
    return rows


@require_GET
@project_view(can_research)
def battles(request: HttpRequest, project: Project) -> HttpResponse:
    """?first= and ?second= are models, ?judge= a voice's key, beside the leaderboard's filters. What does not exist is
    said in a sentence."""
    # PostgreSQL refuses NUL in a text, and no name has one.
    asked = {name: request.GET.get(name, "").replace("\0", "") for name in ("first", "second", "judge", "page")}
    chosen = slice_of(request.GET)
    context: dict[str, Any] = {
        "project": project, "first": asked["first"], "second": asked["second"], "narrowed": chosen,
        "kept_query": urlencode(chosen.query),
    }  # fmt: skip
    try:
        context |= battles_context(project, asked, chosen)
    except battle_list.Unknown as problem:
        return render(request, "evaluate/battles.html", context | {"problem": str(problem)}, status=404)
    return render(request, "evaluate/battles.html", context)


def battles_context(project: Project, asked: dict[str, str], chosen: Slice) -> dict[str, Any]:
    pair = battle_list.pair_named(project, asked["first"], asked["second"], chosen=chosen)
    voices = battle_list.voices_of(pair)
    if not voices:
        return {"page": None, "trained": len(pair.left_out())}
    voice = battle_list.voice_named(asked["judge"]) if asked["judge"] else next(iter(voices))
    if voice not in voices:
        raise battle_list.Unknown(f"{voice.label} has decided no battle between {pair.first} and {pair.second}.")
    rate = clustered_win_rate(*battle_list.outcomes(pair, voice))
    return {
        "voices": voices,
        "voice": voice,
        "page": battle_list.page_of(pair, voice=voice, page=asked["page"]),
        "rate": rate,
        "sentence": finding(pair.first, pair.second, rate),
        "trained": len(pair.left_out(voice)),
    }
