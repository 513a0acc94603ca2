"""Ratings of all models: people beside the judge that is chosen."""

from collections.abc import Sequence

from accounts.models import Project
from evaluate.battles import PEOPLE
from evaluate.boards.slices import ALL, Slice
from evaluate.leaderboard import Board, boards
from evaluate.stats import Rating
from pages.charts import Chart, Estimate, Rated, whiskers


def chart(project: Project, judge: str = "", chosen: Slice = ALL) -> Chart:
    return draw(boards(project, chosen), judge)


def draw(found: Sequence[Board], judge: str = "") -> Chart:
    """People, and the judge of that key, or else the one with most battles."""
    people = next((board for board in found if board.voice.kind == PEOPLE), None)
    others = [board for board in found if board is not people]
    other = next((board for board in others if board.voice.key == judge), max(others, key=battles, default=None))
    shown = [board for board in (people, other) if board]
    # The one that knows most models gives the order: it has the fewest to append at the end.
    names = dict.fromkeys(name for board in sorted(shown, key=models, reverse=True) for name in board.order)
    rows = [Rated(name, people=mark(people, name), judge=mark(other, name)) for name in names]
    rows = [row for row in rows if row.people or row.judge]
    who = " and ".join(board.voice.label for board in shown)
    anchor = next((board.ratings.anchor for board in shown if board.ratings.anchor), "")
    return whiskers(
        title(people, other),
        f"Bradley-Terry rating by {who}, 95% interval" if who else "Bradley-Terry rating",
        rows,
        reference=(1000.0, f"{anchor} = 1,000") if anchor and rows else None,
        source=f"{sum(board.battles for board in shown):,} battles",
    )


def models(board: Board) -> int:
    return len(board.order)


def battles(board: Board) -> int:
    return board.battles


def mark(board: Board | None, name: str) -> Estimate | None:
    row: Rating | None = board.rating(name) if board else None
    return Estimate(round(row.value, 1), round(row.low, 1), round(row.high, 1)) if row else None


def title(people: Board | None, other: Board | None) -> str:
    """Where the two part, or else who leads."""
    if people and other and people.ratings.rows and other.ratings.rows:
        if people.order[0] == other.order[0]:
            return f"{people.order[0]} leads, by people and by {other.voice.label}"
        return f"People put {people.order[0]} first, {other.voice.label} puts {other.order[0]} first"
    one = next((board for board in (people, other) if board and board.ratings.rows), None)
    return f"{one.order[0]} leads by {one.voice.label}" if one else "No rating yet"
