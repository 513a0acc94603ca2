"""Charts as files: an SVG that carries its own colours, and the values as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape

from pages.charts.frame import Chart, Key
from pages.charts.svg import text_width

PAD = 16

# The tokens of palate.css as other programs read them; a test compares the two.
PALETTE: dict[str, dict[str, str]] = {
    "light": {
        "surface": "#ffffff",
        "sunken": "#f4f3f4",
        "hover": "#efedef",
        "line": "#e2e0e2",
        "edge": "#8f8a91",
        "ink": "#201921",
        "ink-2": "#4d464f",
        "ink-3": "#6b656d",
        "accent": "#7b2d7a",
        "a": "#065da0",
        "b": "#9d4c14",
        "c2": "#bf6519",
        "c3": "#649e88",
        "c4": "#610c6d",
        "c5": "#bcaf44",
        "c6": "#554d57",
    },
    "dark": {
        "surface": "#1b181c",
        "sunken": "#0d0b0e",
        "hover": "#29252b",
        "line": "#312d33",
        "edge": "#756f78",
        "ink": "#ebe8ec",
        "ink-2": "#bdb9bf",
        "ink-3": "#9d989f",
        "accent": "#e3a0e0",
        "a": "#72b8f2",
        "b": "#f2a866",
        "c2": "#f3ab75",
        "c3": "#539c8d",
        "c4": "#b146b3",
        "c5": "#f8e48e",
        "c6": "#666468",
    },
}


def to_csv(chart: Chart) -> str:
    """The values with every digit. Words that a spreadsheet would run as a formula are quoted."""
    table = chart.full() if chart.full else chart.table
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([harmless(header) for header in table.headers])
    writer.writerows([["" if cell is None else harmless(cell) for cell in row] for row in table.rows])
    return out.getvalue()


def harmless(cell: str | float | int) -> str | float | int:
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{cell}"
    return cell


def standalone_svg(chart: Chart, theme: str = "light") -> str:
    """The whole figure, title to source, in one file that needs nothing else."""
    width = max(chart.svg.width + 2 * PAD, 320)
    title = wrap(chart.title, width - 2 * PAD, 1.3)
    subtitle = wrap(chart.subtitle, width - 2 * PAD, 1.12)
    parts, y = [], PAD + 2
    for cls, lines, step in (("title", title, 19), ("subtitle", subtitle, 17)):
        for words in lines:
            y += step
            parts.append(f'<text class="{cls}" x="{PAD}" y="{y - 4}">{escape(words)}</text>')
    y += 8
    if chart.legend:
        parts.append(f'<g transform="translate({PAD} {y})">{legend(chart.legend)}</g>')
        y += 22
    plot = chart.svg
    parts.append(
        f'<svg x="{PAD}" y="{y}" width="{plot.width}" height="{plot.height}"'
        f' viewBox="0 0 {plot.width} {plot.height}">{plot.body}</svg>'
    )
    y += plot.height + 8
    for words in wrap(chart.source, width - 2 * PAD, 1):
        y += 16
        parts.append(f'<text x="{PAD}" y="{y - 4}">{escape(words)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + PAD}"'
        f' viewBox="0 0 {width} {y + PAD}" role="img" aria-label="{escape(plot.label)}">'
        f"<style>{style(PALETTE[theme])}</style>"
        f'<rect class="paper" width="{width}" height="{y + PAD}"/>{"".join(parts)}</svg>\n'
    )


def wrap(words: str, width: float, size: float) -> list[str]:
    """Break into lines that fit; size is relative to the 11.5 px that text_width measures."""
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}") * size <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def legend(keys: Sequence[Key]) -> str:
    out, x = "", 0.0
    for key in keys:
        wide = 24 if key.mark in ("line", "dash") else 14
        name = f'<text x="{wide + 4}" y="9">{escape(key.name)}</text>'
        out += f'<g transform="translate({x:g} 0)">{key.svg}{name}</g>'
        x += wide + 4 + text_width(key.name) + 16
    return out


def blend(colour: str, paper: str, share: float) -> str:
    """A mix for programs that know no color-mix(); plain sRGB is near enough for a fill."""
    one, two = (bytes.fromhex(c[1:]) for c in (colour, paper))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in zip(one, two, strict=True))


def style(c: dict[str, str]) -> str:
    """The rules of charts.css with colours filled in."""
    series = {"c1": c["a"], **{name: c[name] for name in ("c2", "c3", "c4", "c5", "c6")}}
    words = {
        "c1": c["a"],
        "c2": c["b"],
        "c3": c["ink-2"],
        "c4": c["accent"],
        "c5": c["ink-2"],
        "c6": c["ink-2"],
    }
    rules = [
        "text{font:11.5px system-ui,'Noto Sans',sans-serif;font-variant-numeric:tabular-nums}",
        f"text{{fill:{c['ink-3']}}}",
        f".title{{font-size:15px;font-weight:600;fill:{c['ink']}}}.subtitle{{font-size:13px;fill:{c['ink-2']}}}",
        f".l{{fill:{c['ink-2']}}}.v{{fill:{c['ink']};font-weight:600}}.in{{fill:{c['ink']}}}",
        ".e{text-anchor:end}.m{text-anchor:middle}.c{font-weight:600}",
        f".paper{{fill:{c['surface']}}}.g{{stroke:{c['line']}}}.ax{{stroke:{c['edge']};stroke-width:1.5}}",
        f".ref{{stroke:{c['ink-2']};stroke-dasharray:2 3}}.lost{{stroke:{c['edge']}}}",
        f".well{{fill:{c['sunken']}}}.cell{{fill:{c['sunken']}}}.hit{{fill:none}}",
        ".ln,.wh{fill:none;stroke-width:1.75;stroke-linejoin:round}.held{stroke-dasharray:5 3}",
        ".soft{opacity:.16}.half{opacity:.55}.past{opacity:.62}",
        f".ring{{fill:{c['surface']};stroke-width:2}}",
    ]
    for name, colour in series.items():
        rules.append(f".{name} .wh,.{name} .ring,.ln.{name},.{name} .ln{{stroke:{colour}}}")
        rules.append(f".fl.{name},.{name} .fl,.dot.{name},.soft.{name}{{fill:{colour}}}")
        rules.append(f"text.c.{name}{{fill:{words[name]}}}")
    for step in range(1, 21):
        rules.append(f".cell.m{step}{{fill:{blend(c['a'], c['sunken'], step * 0.025)}}}")
        rules.append(f".cell.lose.m{step}{{fill:{blend(c['c2'], c['sunken'], step * 0.025)}}}")
    return "".join(rules)
