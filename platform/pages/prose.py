"""Markdown of people and models as safe HTML: nothing in it may run, load or look like ours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt

from pages import math

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}

# Answers may be long; a page that shows one twice must not parse it twice.
CACHED = 256


def build() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    parser.enable(["table", "strikethrough"])
    parser.disable("image")  # a remote picture tells its server who reads
    return parser


PARSER = build()
WITH_MATH = build()
math.add_math(WITH_MATH)
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "th": set(), "td": set()}


@lru_cache(maxsize=CACHED)
def to_html(text: str) -> str:
    """HTML of a Markdown text: no scripts, no pictures, no styles; links say where they lead. Formulas are MathML."""
    html = WITH_MATH.render(text) if math.MATH.search(text) else PARSER.render(text)
    if "<math" not in html:  # in a text it would be &lt;math
        return cleaned(html, TAGS, ATTRIBUTES)
    return cleaned(html, TAGS | math.TAGS, ATTRIBUTES | math.ATTRIBUTES, attribute_filter=math.keep_attribute)


def cleaned(html: str, tags: set[str], attributes: dict[str, set[str]], **more: Any) -> str:
    return nh3.clean(
        html,
        tags=tags,
        attributes=attributes,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        **more,
    )
