"""Markdown of people and models as safe HTML: nothing in it may run, load or look like ours."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

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


@lru_cache(maxsize=CACHED)
def to_html(text: str) -> str:
    """HTML of a Markdown text: no scripts, no pictures, no styles; links say where they lead."""
    return nh3.clean(
        PARSER.render(text),
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}, "th": set(), "td": set()},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
