"""Who beats whom: a table on the page, where every cell leads to its votes; a drawing in the download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pages.charts.frame import Chart, Table, empty
from pages.charts.svg import Drawing, Markup, link, mark, rect, shorten, text, text_width

STEPS = 20  # the classes m1 to m20 of charts.css, 2.5% each
FULL = 0.22  # this far from a half is the strongest colour
CELL_WIDTH, CELL_HEIGHT, TOP = 62, 32, 26


@dataclass(frozen=True)
class Cell:
    """How often the row beats the column, 0 to 1 with a tie as half, in how many battles."""

    share: float
    battles: int
    href: str = ""


def heat(
    title: str,
    subtitle: str,
    names: Sequence[str],
    cells: Sequence[Sequence[Cell | None]],
    *,
    source: str = "",
) -> Chart:
    """A square of cells, row by row in the order of names; None where the two never met."""
    rows = [
        (name, *(round(100 * c.share, 1) if c else None for c in row)) for name, row in zip(names, cells, strict=True)
    ]
    table = Table(["row beats column, %", *names], rows)
    if not names:
        return Chart(title, subtitle, empty(420, 150, "No battle yet", title), table, source)
    return Chart(title, subtitle, drawing(title, names, cells), table, source, html=page_table(title, names, cells))


def classes(cell: Cell | None) -> str:
    """Copper to blue around a half; the number in the cell says the same."""
    if cell is None:
        return "none"
    step = min(STEPS, round(abs(cell.share - 0.5) / FULL * STEPS))
    return " ".join(filter(None, ("lose" if cell.share < 0.5 else "", f"m{step}" if step else "")))


def words_of(row: str, column: str, cell: Cell) -> str:
    battles = "battle" if cell.battles == 1 else "battles"
    return f"{row} beats {column} in {cell.share:.0%} of {cell.battles:,} {battles}"


def page_table(title: str, names: Sequence[str], cells: Sequence[Sequence[Cell | None]]) -> Markup:
    head = "".join(f'<th scope="col" title="{escape(name)}">{escape(name)}</th>' for name in names)
    body = ""
    for name, row in zip(names, cells, strict=True):
        tds = "".join(page_cell(name, column, cell) for column, cell in zip(names, row, strict=True))
        body += f'<tr><th scope="row" title="{escape(name)}">{escape(name)}</th>{tds}</tr>'
    return Markup(
        f'<table class="heat" aria-label="{escape(title)}">'
        f'<thead><tr><td class="none"></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def page_cell(row: str, column: str, cell: Cell | None) -> str:
    if cell is None:
        return '<td class="none"></td>'
    says, number = escape(words_of(row, column, cell)), f"{cell.share * 100:.0f}"
    linked = link(cell.href, number) if cell.href else number
    inner = f"<span>{number}</span>" if linked == number else linked.replace("<a ", f'<a aria-label="{says}" ')
    return f'<td class="{classes(cell)}" title="{says}">{inner}</td>'


def drawing(title: str, names: Sequence[str], cells: Sequence[Sequence[Cell | None]]) -> Drawing:
    left = min(max(text_width(name) for name in names) + 14, 180)
    parts = []
    for i, (name, row) in enumerate(zip(names, cells, strict=True)):
        x, y = left + CELL_WIDTH * i, TOP + CELL_HEIGHT * i
        parts.append(text(x + CELL_WIDTH / 2, TOP - 9, shorten(name, CELL_WIDTH - 2), "m"))
        parts.append(text(left - 10, y + 20, shorten(name, left - 12), "e l"))
        for j, cell in enumerate(row):
            if cell:
                at = left + CELL_WIDTH * j
                box = rect(at + 0.5, y + 0.5, CELL_WIDTH - 1, CELL_HEIGHT - 1, f"cell {classes(cell)}".strip())
                number = text(at + CELL_WIDTH / 2, y + 20, f"{cell.share * 100:.0f}", "m in")
                parts.append(mark(words_of(name, names[j], cell), [box, number]))
    size = len(names)
    return Drawing(
        round(left + CELL_WIDTH * size),
        TOP + CELL_HEIGHT * size,
        "".join(parts),
        f"{title}: {size} by {size}",
    )
