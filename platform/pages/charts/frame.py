"""What every chart is: a finding, how it was measured, a drawing, and the values as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pages.charts.scale import figure
from pages.charts.svg import Drawing, Markup, line, text

Value = str | float | int | None

KEYS = {
    "disc": '<svg width="10" height="10" class="plot {c}"><circle class="fl" cx="5" cy="5" r="4.5"/></svg>',
    "ring": '<svg width="10" height="10" class="plot {c}"><path class="ring" d="M5 1l4 4-4 4-4-4z"/></svg>',
    "line": '<svg width="22" height="8" class="plot {c}"><path class="ln" d="M0 4H22"/></svg>',
    "dash": '<svg width="22" height="8" class="plot {c}"><path class="ln held" d="M0 4H22"/></svg>',
    "box": '<svg width="10" height="10" class="plot {c}"><path class="fl half" d="M0 0h10v10H0z"/></svg>',
    "step": '<svg width="14" height="10" class="plot {c}"><path class="ln" d="M0 9V3H7V1H14V9"/></svg>',
}


@dataclass(frozen=True)
class Table:
    """The values behind a chart. Cells are words or numbers; None is a value that does not exist."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Value]]

    @property
    def shown(self) -> list[list[str]]:
        """Rows as a page shows them; the download keeps every digit."""
        return [[cell_words(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Key:
    """One entry of a legend: disc, ring, line, dash, box or step, in a series colour c1 to c6."""

    mark: str
    colour: str
    name: str

    @property
    def svg(self) -> Markup:
        return Markup(KEYS[self.mark].format(c=self.colour))


@dataclass(frozen=True)
class Estimate:
    """A value and its interval."""

    mid: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{figure(self.mid)} ({figure(self.low)} to {figure(self.high)})"


@dataclass(frozen=True)
class Rated:
    """A row of whiskers or dots: what people say, what the judge says; either may be missing."""

    name: str
    people: Estimate | None = None
    judge: Estimate | None = None
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart, ready for templates/pages/chart.html.

    `html` replaces the drawing on the page where a table reads better (the heat map); the drawing is
    still what is downloaded. `full` gives the rows of the download where the page shows fewer.
    """

    title: str
    subtitle: str
    svg: Drawing
    table: Table
    source: str = ""
    legend: Sequence[Key] = ()
    html: Markup | None = None
    full: Callable[[], Table] | None = field(default=None, compare=False)


def cell_words(cell: Value) -> str:
    if cell is None:
        return "none"
    return cell if isinstance(cell, str) else figure(float(cell), 4)


def empty(width: int, height: int, words: str, label: str) -> Drawing:
    """A chart without a single value says so, and keeps its size so that nothing moves when data comes."""
    body = line(34, height - 22, width - 8, height - 22, "g") + text(width / 2, height / 2, words, "m")
    return Drawing(width, height, body, f"{label}: {words}")
