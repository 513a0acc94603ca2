"""Charts: they escape, survive odd numbers, and say the same in drawing, table and file."""

import csv
import io
import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pages import contrast
from pages.charts import (
    Bar,
    Cell,
    Chart,
    Estimate,
    Line,
    Rated,
    Stage,
    bars,
    curve,
    dots,
    funnel,
    heat,
    histogram,
    spark,
    standalone_svg,
    to_csv,
    training,
    whiskers,
)
from pages.charts.curve import spread, thin
from pages.charts.download import PALETTE
from pages.charts.frame import Table
from pages.charts.scale import figure, tick_labels, ticks
from pages.charts.svg import Drawing, link, wrapped

EVIL = "<script>alert(1)</script>\"'&"
RATED = [
    Rated("dpo-07", Estimate(1108, 1090, 1130), Estimate(1121, 1100, 1140)),
    Rated("base", Estimate(1000, 990, 1010)),
]


def every_chart(name: str = "dpo-07") -> list[Chart]:
    rows = [Rated(name, Estimate(60, 55, 65), Estimate(70, 66, 74), note=name, href="/votes/")]
    return [
        training(name, name, [(0, 0.7), (10, 0.5)], [(0, 0.7)], planned=20, source=name),
        curve(name, name, [Line(name, [(0, 1.0), (1, 2.0)])] * 3),
        bars(name, name, [Bar(name, 3), Bar(name, 5)], target=4, unit=name),
        whiskers(name, name, rows, reference=(50, name)),
        dots(name, name, rows, fair=(50, name), chance=20),
        heat(name, name, [name, name], [[None, Cell(0.7, 9, "/votes/")], [Cell(0.3, 9), None]]),
        histogram(name, name, [1, 4], [2, 2], bin_width=48, names=(name, name), limit=(60, name)),
        funnel(name, name, [Stage(name, 10), Stage(name, 4, name)]),
    ]


@pytest.mark.parametrize("chart", every_chart(EVIL))
def test_what_people_wrote_never_becomes_markup(chart: Chart) -> None:
    for markup in (str(chart.svg), str(chart.html or "<i/>"), standalone_svg(chart)):
        tags = {node.tag.split("}")[-1] for node in ET.fromstring(markup).iter()}
        assert "script" not in tags


@pytest.mark.parametrize("chart", every_chart())
def test_pages_get_no_inline_style(chart: Chart) -> None:
    assert "style=" not in str(chart.svg) + str(chart.html or "")


@pytest.mark.parametrize("chart", every_chart())
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_downloaded_chart_needs_nothing_else(chart: Chart, theme: str) -> None:
    markup = standalone_svg(chart, theme)
    assert ET.fromstring(markup).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in markup
    assert "url(" not in markup
    assert PALETTE[theme]["surface"] in markup


@pytest.mark.parametrize("chart", every_chart())
def test_every_chart_has_its_values_as_a_table_and_a_file(chart: Chart) -> None:
    assert chart.table.shown
    rows = list(csv.reader(io.StringIO(to_csv(chart))))
    assert rows[0] == list(chart.table.headers)
    assert all(len(row) == len(rows[0]) for row in rows)


@pytest.mark.parametrize("chart", every_chart())
def test_every_chart_speaks(chart: Chart) -> None:
    root = ET.fromstring(str(chart.svg))
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert list(root.iter("title"))


def test_a_formula_in_a_name_stays_text_in_a_spreadsheet() -> None:
    chart = whiskers("t", "s", [Rated("=HYPERLINK(1)", Estimate(1, 0, 2))])
    assert "'=HYPERLINK(1)" in to_csv(chart)


def test_charts_without_values_say_so() -> None:
    nothing = [
        training("t", "s", []),
        bars("t", "s", []),
        whiskers("t", "s", []),
        dots("t", "s", [], fair=(50, "fair")),
        heat("t", "s", [], []),
        histogram("t", "s", [], bin_width=1),
        funnel("t", "s", []),
    ]
    for chart in nothing:
        words = [node.text or "" for node in ET.fromstring(str(chart.svg)).iter("text")]
        assert any(word.startswith(("No", "Nothing")) for word in words)


@pytest.mark.parametrize(
    "values",
    [
        [0.693],
        [0.7, 0.6],
        [0.0] * 20,
        [31.0] * 20,
        [3e-6, 2e-6, 1e-9],
        [1e12, 2e12],
        [-5.0, -5.0],
        [math.nan, 1.0, math.inf, 2.0, -math.inf],
        [math.nan] * 3,
    ],
)
def test_a_curve_survives_odd_series(values: list[float]) -> None:
    chart = training("Loss", "s", list(enumerate(values)), planned=100)
    assert "nan" not in str(chart.svg).lower().replace("not a number", "")
    ET.fromstring(str(chart.svg))


def test_values_that_are_not_numbers_leave_a_gap_and_are_counted() -> None:
    chart = training("Loss", "s", [(0, 1.0), (1, 2.0), (2, math.nan), (3, 1.0), (4, 2.0)], source="run dpo-08")
    lines = [p for p in ET.fromstring(str(chart.svg)).iter("path") if p.get("class") == "ln c4"]
    assert len(lines) == 2
    assert chart.source == "run dpo-08 · 1 value is not a number and left out"


def test_a_long_curve_is_thinned_but_keeps_its_peaks() -> None:
    points = [(float(i), 100.0 if i == 31_234 else math.sin(i)) for i in range(50_000)]
    chart = training("Loss", "s", points)
    assert len(str(chart.svg)) < 20_000
    assert (31_234.0, 100.0) in thin(points, 200)
    assert len(chart.table.rows) <= 61
    assert to_csv(chart).count("\n") == 50_001


def test_train_and_held_out_read_apart_without_colour() -> None:
    markup = str(training("Loss", "s", [(0, 1), (1, 2)], [(0, 1), (1, 3)]).svg)
    assert 'class="ln c4"' in markup
    assert 'class="ln held c1"' in markup
    assert "2 train" in markup
    assert "3 held out" in markup


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
@example(4.5907123e-316, 4.4e-323)
def test_ticks_cover_the_values_with_few_round_numbers(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert 2 <= len(marks) <= 6
    slack = 1e-6 * max(abs(low), abs(low + span), 1e-9)
    assert marks[0] <= low + slack
    assert marks[-1] >= low + span - slack
    assert len(set(tick_labels(marks))) > 1 or span < 1e-3


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.31, 0.78, ["0.2", "0.4", "0.6", "0.8"]),
        (0, 3e-6, ["0", "1e-6", "2e-6", "3e-6"]),
        (0, 36_000, ["0", "10,000", "20,000", "30,000", "40,000"]),
    ],
)
def test_tick_labels_are_short(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(ticks(low, high)) == labels


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.4654, "0.465"),
        (1225, "1,225"),
        (3e-6, "3e-6"),
        (9.81e-7, "9.81e-7"),
        (0, "0"),
        (math.nan, "not a number"),
    ],
)
def test_figures_read_well(value: float, words: str) -> None:
    assert figure(value) == words


def test_names_at_the_ends_keep_apart() -> None:
    spots = spread([50.0, 51.0, 52.0], 13)
    assert all(b - a > 12.9 for a, b in pairwise(spots))


def test_bars_start_at_zero() -> None:
    assert ticks(40, 60, zero=True)[0] == 0


def test_a_cell_of_the_matrix_leads_to_its_votes() -> None:
    chart = heat("t", "s", ["x", "y"], [[None, Cell(0.71, 12, "/votes/?a=1&b=2")], [Cell(0.29, 12), None]])
    assert chart.html is not None
    assert 'href="/votes/?a=1&amp;b=2"' in chart.html
    assert 'class="m19"' in chart.html
    assert 'class="lose m19"' in chart.html


def test_an_address_that_would_run_is_no_link() -> None:
    assert link("javascript:alert(1)", "x") == "x"


def test_a_spark_fits_a_table_cell() -> None:
    assert "1,108 (1,090 to 1,130)" in spark(Estimate(1108, 1090, 1130), 900, 1200, reference=1000)


def test_templates_leave_a_drawing_as_it_is() -> None:
    drawing = Drawing(10, 10, "<path/>", "label")
    assert str(drawing).__html__() == str(drawing)  # type: ignore[attr-defined]


def test_a_missing_value_is_said_on_the_page_and_empty_in_the_file() -> None:
    chart = whiskers("t", "s", RATED)
    assert "none" in chart.table.shown[1]
    assert to_csv(chart).splitlines()[2].endswith(",,,")


def test_the_table_of_a_page_keeps_four_digits() -> None:
    assert Table(["x"], [[0.123456]]).shown == [["0.1235"]]


def test_downloads_wear_the_colours_of_the_stylesheet() -> None:
    for name, theme in contrast.themes(contrast.STYLESHEET.read_text()).items():
        assert {key: contrast.hexadecimal(theme[key]) for key in PALETTE[name]} == PALETTE[name]


def test_every_pair_of_colours_has_enough_contrast() -> None:
    assert contrast.faults(contrast.STYLESHEET.read_text()) == []


def test_a_colour_that_is_too_pale_is_reported() -> None:
    css = contrast.STYLESHEET.read_text().replace("oklch(.515 .014 320)", "oklch(.75 .014 320)")
    assert any("ink-3 on surface" in fault for fault in contrast.faults(css))


def test_a_step_of_a_funnel_is_read_whole() -> None:
    label, why = "Items with two responses that have a text", "a response is empty, or its text was never imported"
    found = funnel("t", "s", [Stage("Answers", 100), Stage(label, 40, why)], width=410)
    words = [node.text or "" for node in ET.fromstring(str(found.svg)).iter("{http://www.w3.org/2000/svg}text")]
    words += [node.text or "" for node in ET.fromstring(str(found.svg)).iter("text")]
    assert "…" not in "".join(words)
    for part in (label, f"−60, {why}"):
        assert part in " ".join(words)
    assert any(one.endswith("…") for one in wrapped("word " * 60, 160)) and wrapped("", 160) == []
