"""A report that needs nothing else: one HTML file with its charts inside, each chart as SVG, PNG and CSV, and a CSV of
every number, in one zip."""

import csv
import io
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from html import escape

from accounts.models import Project
from evaluate.boards.board import Board
from evaluate.boards.slices import Slice
from evaluate.charts import matrix, ratings
from evaluate.leaderboard import findings
from evaluate.reports.numbers import COLUMNS, rows
from evaluate.reports.picture import png
from evaluate.stats import Estimate
from pages.charts import Chart, standalone_svg, to_csv
from pages.charts.download import harmless

STYLE = """
body{font:15px/1.6 system-ui,sans-serif;color:#201921;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.5rem 0 .5rem}p{margin:.25rem 0}.soft{color:#4d464f}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.875rem}th,td{padding:.3rem .9rem .3rem 0;
text-align:start;border-bottom:1px solid #e2e0e2}td{text-align:end}
img{display:block;max-width:100%;height:auto;margin:.5rem 0}
"""


def charts_of(project: Project, boards: Sequence[Board], chosen: Slice) -> dict[str, Chart]:
    """{name of the file: chart}, the ratings first, then a matrix a voice."""
    found = {"ratings": ratings.draw(boards)}
    for number, board in enumerate(boards, 1):
        if board.battles:
            found[f"matrix-{number}"] = matrix.draw(project, board, chosen=chosen, linked=False)
    return found


def numbers_csv(boards: Sequence[Board]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(boards):
        writer.writerow(["" if (cell := row[name]) is None else harmless(cell) for name in COLUMNS])
    return out.getvalue()


def zipped(project: Project, boards: Sequence[Board], chosen: Slice, *, at: datetime) -> bytes:
    """report.html, numbers.csv and charts/<name>.svg, .png and .csv."""
    charts, out = charts_of(project, boards, chosen), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.html", html(project, boards, charts, chosen, at=at))
        archive.writestr("numbers.csv", numbers_csv(boards))
        for name, chart in charts.items():
            archive.writestr(f"charts/{name}.svg", standalone_svg(chart))
            archive.writestr(f"charts/{name}.png", png(chart))
            archive.writestr(f"charts/{name}.csv", to_csv(chart))
    return out.getvalue()


def html(project: Project, boards: Sequence[Board], charts: dict[str, Chart], chosen: Slice, *, at: datetime) -> str:
    title = escape(f"Leaderboard of {project}" + (f", {chosen.words}" if chosen.query else ""))
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f'<style>{STYLE}</style></head><body><h1>{title}</h1><p class="soft">As of {at:%Y-%m-%d %H:%M} UTC</p>',
        inside(charts["ratings"]),
    ]
    for number, board in enumerate(boards, 1):
        parts.append(f"<h2>{escape(board.voice.full)}</h2><p>{escape(findings(board))}</p>")
        parts.append(table(board))
        if chart := charts.get(f"matrix-{number}"):
            parts.append(inside(chart))
    parts.append(
        '<p class="soft">Ratings are Bradley-Terry on the Elo scale, a tie is half a win to each: 400 points are odds'
        " of 10 to 1. All intervals are 95% and resample prompts with all their battles. Battles on prompts that a"
        " model, or a reward model that judges, was trained on are left out.</p></body></html>\n"
    )
    return "".join(parts)


def inside(chart: Chart) -> str:
    """The chart as an image, so that the style of one is not that of another."""
    data = b64encode(standalone_svg(chart).encode()).decode()
    return f'<img alt="{escape(chart.title)}" src="data:image/svg+xml;base64,{data}">'


def table(board: Board) -> str:
    head = "".join(f"<th>{words}</th>" for words in ("Model", "Rating", "95%", "Win rate", "95%", "Battles", "Prompts"))
    body = ""
    for name in board.order:
        rating, rate = board.rating(name), board.rates[name]
        cells = [f"{rating.value:,.0f}", f"{rating.low:,.0f} to {rating.high:,.0f}"] if rating else ["n/a", ""]
        cells += [*shares(rate), f"{rate.n:,}", f"{rate.clusters:,}"]
        body += f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shares(rate: Estimate) -> tuple[str, str]:
    if rate.value is None or rate.low is None or rate.high is None:
        return "n/a", ""
    return f"{rate.value:.1%}", f"{rate.low:.1%} to {rate.high:.1%}"
