"""Who beats whom, by one voice; each cell leads to its battles."""

from accounts.models import Project
from evaluate.boards.slices import ALL, Slice
from evaluate.leaderboard import Board, battles_url, boards
from pages.charts import Cell, Chart, heat

MOST = 30
"""Models in the picture, the best; more could not be read."""


def chart(project: Project, judge: str = "", chosen: Slice = ALL) -> Chart:
    found = boards(project, chosen)
    board = next((board for board in found if board.voice.key == judge), found[0] if found else None)
    return draw(project, board, chosen=chosen) if board else heat("No battles yet", "Row beats column", [], [])


def draw(project: Project, board: Board, *, chosen: Slice = ALL, linked: bool = True) -> Chart:
    """linked: whether a cell leads to its battles, which only members may read."""
    names = board.order[:MOST]
    cells = [[cell(project, board, row, column, chosen, linked=linked) for column in names] for row in names]
    rest = len(board.order) - len(names)
    return heat(
        title(board, names),
        "Row beats column, % of battles, a tie is half. Blue: the row wins; copper: it loses."
        + (" Choose a cell to read its battles." if linked else ""),
        names,
        cells,
        source=f"{board.voice.label}, {board.battles:,} battles"
        + (f"; the CSV has {rest} more models" if rest else ""),
    )


def cell(project: Project, board: Board, row: str, column: str, chosen: Slice, *, linked: bool) -> Cell | None:
    rate = board.pairs.get((row, column))
    if rate is None or rate.value is None:
        return None
    url = battles_url(project, row, column, board.voice, chosen=chosen) if linked else ""
    return Cell(rate.value, rate.n, url)


def title(board: Board, names: list[str]) -> str:
    """Claims only what the intervals of the cells allow."""
    best = names[0]
    met = [rate for (one, _), rate in board.pairs.items() if one == best]
    sure = [rate for rate in met if rate.low is not None and rate.low > 0.5]
    if len(sure) == len(met) > 1:
        return f"{best} beats every model it met"
    if len(met) == 1 and sure:
        other = next(two for one, two in board.pairs if one == best)
        return f"{best} beats {other}"
    if sure:
        return f"{best} leads and surely beats {len(sure)} of the {len(met)} it met"
    return f"{best} leads, but not with certainty"
