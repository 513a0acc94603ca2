"""A chart as PNG, drawn from the SVG that is downloaded."""

from pages.charts import Chart, standalone_svg

ZOOM = 2
"""Pixels a unit of the drawing, for paper and for sharp screens."""


def png(chart: Chart, theme: str = "light") -> bytes:
    import resvg_py  # only here: it loads the fonts of the machine

    return bytes(resvg_py.svg_to_bytes(svg_string=standalone_svg(chart, theme), zoom=ZOOM))
