"""Charts as SVG, drawn on the server: frozen dataclasses in, a Chart out. Knows neither Django nor the apps.

One module a chart. Colours are classes, so a chart follows the theme of the page around it; a downloaded
file carries its own. Every function escapes what it is given.
"""

from pages.charts.bars import Bar, bars
from pages.charts.curve import Line, curve, training
from pages.charts.dots import dots
from pages.charts.download import standalone_svg, to_csv
from pages.charts.frame import Chart, Estimate, Key, Rated, Table
from pages.charts.funnel import Stage, funnel
from pages.charts.heat import Cell, heat
from pages.charts.histogram import histogram
from pages.charts.whiskers import spark, whiskers

__all__ = [
    "Bar",
    "Cell",
    "Chart",
    "Estimate",
    "Key",
    "Line",
    "Rated",
    "Stage",
    "Table",
    "bars",
    "curve",
    "dots",
    "funnel",
    "heat",
    "histogram",
    "spark",
    "standalone_svg",
    "to_csv",
    "training",
    "whiskers",
]
