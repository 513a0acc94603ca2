"""One file a chart: function of a project and of a judge's key -> chart. A new one is a file and a line in CHARTS.

Each file also has `draw`, which takes what a page has read already.
"""

from collections.abc import Callable

from accounts.models import Project
from evaluate.boards.slices import Slice
from evaluate.charts import answers, bias, bias_cases, matrix, ratings, winners
from pages.charts import Chart

ChartOf = Callable[[Project, str], Chart]
"""The second argument is the key of the voice where a chart shows one at a time, and may be empty."""

CHARTS: dict[str, ChartOf] = {
    "answers": answers.chart,
    "bias": bias.chart,
    "bias_cases": bias_cases.chart,
    "matrix": matrix.chart,
    "ratings": ratings.chart,
    "winners": winners.chart,
}

__all__ = ["CHARTS", "ChartOf"]

SLICED: dict[str, Callable[[Project, str, Slice], Chart]] = {"matrix": matrix.chart, "ratings": ratings.chart}
"""Those that can be narrowed to a language, a tag or a turn."""
