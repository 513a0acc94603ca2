"""Answers are written by models and strangers: what a page shows of them can do nothing."""

import datetime as dt

import pytest

from pages import words
from pages.prose import to_html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![pixel](https://tracker.example/p.png)",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](&#106;avascript:alert(1))",
        "[click](data:text/html,<script>alert(1)</script>)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        '<a href="javascript:alert(1)" onclick="alert(1)">x</a>',
        "<style>body{display:none}</style>",
        '<p style="position:fixed">x</p>',
        "<iframe src=https://example.org></iframe>",
        "<svg onload=alert(1)>",
        "<form action=/delete><button>x</button></form>",
        "`<script>alert(1)</script>`",
        "```\n</code></pre><script>alert(1)</script>\n```",
        '```"><script>alert(1)</script>\nx\n```',
        '[x](https://e.org "onmouseover=alert(1)")',
    ],
)
def test_nothing_in_an_answer_runs_or_loads(text: str) -> None:
    html = to_html(text)
    for tag in ("<script", "<img", "<style", "<iframe", "<svg", "<form", "<button", "<input"):
        assert tag not in html
    for start in html.split("<")[1:]:
        tag = start.split(">")[0]
        assert " on" not in tag
        assert "style=" not in tag
        assert "javascript:" not in tag.lower()
        assert "data:" not in tag.lower()


def test_markdown_reads_as_it_was_meant() -> None:
    html = to_html("# Title\n\nOne **bold** word and `code`.\n\n3. third\n\n| a |\n|---|\n| 1 |\n\n~~old~~")
    for part in (
        "<h1>Title</h1>",
        "<strong>bold</strong>",
        "<code>code</code>",
        '<ol start="3">',
        "<td>1</td>",
        "<s>",
    ):
        assert part in html


def test_a_line_break_stays_a_line_break() -> None:
    assert "<br>" in to_html("one\ntwo")


def test_html_in_an_answer_is_shown_as_text() -> None:
    assert "&lt;b&gt;" in to_html("<b>not bold</b>")


def test_links_say_where_they_lead_and_take_nothing_along() -> None:
    html = to_html("[docs](https://example.org/?a=1&b=2)")
    assert 'href="https://example.org/?a=1&amp;b=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_a_plain_address_is_not_made_a_link() -> None:
    assert "<a" not in to_html("see https://example.org now")


@pytest.mark.parametrize("lang", ["ar", "he", "fa", "ur", "ar_EG", "fa-IR", "az-Arab", "pa_Arab_PK", "AR"])
def test_these_languages_run_from_the_right(lang: str) -> None:
    assert words.text_dir(lang) == "rtl"


@pytest.mark.parametrize("lang", ["en", "ja_JP", "", None, "ku-Latn", "ar-Latn", "zh-Hant-TW"])
def test_these_languages_run_from_the_left(lang: str | None) -> None:
    assert words.text_dir(lang) == "ltr"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (41, "41 s"),
        (252, "4 min 12 s"),
        (300, "5 min"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (90_000, "1 day 1 h"),
        (dt.timedelta(minutes=3, seconds=5), "3 min 5 s"),
        (None, "n/a"),
    ],
)
def test_durations_have_two_units_at_most(seconds: object, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (dt.timedelta(seconds=10), "just now"),
        (dt.timedelta(minutes=3), "3 min ago"),
        (dt.timedelta(hours=5), "5 h ago"),
        (dt.timedelta(days=1), "1 day ago"),
        (dt.timedelta(days=40), "14 Oct"),
        (dt.timedelta(days=400), "19 Oct 2025"),
    ],
)
def test_moments_age(before: dt.timedelta, said: str) -> None:
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    assert words.ago(now - before, now) == said


def test_figures_in_words() -> None:
    assert words.thousands(4812) == "4,812"
    assert words.percent(0.914) == "91%"
    assert words.interval(0.69, 0.76) == "0.69 to 0.76"
    assert words.thousands(None) == words.percent(float("nan")) == words.interval(None, 1) == "n/a"
