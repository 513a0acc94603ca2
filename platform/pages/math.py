"""LaTeX in Markdown as MathML: $…$, $$…$$, \\(…\\), \\[…\\].

The rules are our own: those of mdit-py-plugins go through the rest of the text for each opening sign, which a text of
dollars makes quadratic. Here a formula is at most MAX_FORMULA characters long, so each sign costs one bounded search.
What cannot be read as a formula is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_FORMULA = 2_000
"""Characters."""
MAX_ALL = 20_000
"""Characters of all formulas of one text; what comes after is shown as it was written. A character takes about 8 µs."""
CLOSES = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
MATH = re.compile(r"\$|\\[(\[]")
"""A text without a match has no formula."""

TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mpadded"),
    *("mphantom", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"),
}
ATTRIBUTES: dict[str, set[str]] = {tag: set() for tag in TAGS} | {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "minsize", "maxsize", "accent", "movablelimits", "largeop"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mspace": {"width"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtd": {"columnalign"},  # not of MathML Core: palate.css aligns by it
}
LENGTH = re.compile(r"-?(?:\d(?:\.\d+)?|\.\d+)(?:em|ex)|0|true|false|[a-z-]+|[+-]?[0-3]")
"""No length of ten and more: a formula stays where it stands."""
# The environments that stand within a formula, as those that the converter knows.
SAME = {"aligned": "align*", "split": "align*", "gathered": "gather*"}
ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|split|gathered)\}")
TEXT_WITH_SIGNS = re.compile(r"\\(?:text|mbox|textbf|textit|textrm)\s*\{[^}]*[<&]")
UNKNOWN = re.compile(r">\\[A-Za-z]|<mi>&</mi>")
A_SENTENCE = re.compile(r"[\d.,]+[%kKmM]?\s+[^\W\d_]{2,}")
SIGNS = re.compile(r"[\\^_=+*/<>-]")


def add_math(parser: MarkdownIt) -> None:
    parser.inline.ruler.before("escape", "math_inline", inline)
    parser.block.ruler.before("fence", "math_block", block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    for name in ("math_inline", "math_block"):
        parser.add_render_rule(name, render)


def opening_at(text: str, at: int) -> str:
    return next((sign for sign in ("$$", "\\(", "\\[", "$") if text.startswith(sign, at)), "")


def closing_of(text: str, sign: str, start: int) -> int:
    """Where the formula that starts at `start` ends; -1 when it does not within MAX_FORMULA characters."""
    close, limit = CLOSES[sign], start + MAX_FORMULA
    at = text.find(close, start, limit)
    while at > 0 and sign[0] == "$" and text[at - 1] == "\\":  # \$ is a dollar
        at = text.find(close, at + 1, limit)
    return at


def inline(state: StateInline, silent: bool) -> bool:
    sign = opening_at(state.src, state.pos)
    if not sign:
        return False
    start = state.pos + len(sign)
    end = closing_of(state.src, sign, start)
    if end < 0 or not is_formula(state.src, sign, state.pos, start, end):
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.markup = state.src[start:end], sign
    state.pos = end + len(sign)
    return True


def is_formula(text: str, sign: str, opened: int, start: int, end: int) -> bool:
    """Not so: prices ("$5 and $10"), names ("$HOME:$PATH"), escaped brackets around words."""
    inside = text[start:end]
    if not inside.strip():
        return False
    if sign[0] == "\\":
        return bool(SIGNS.search(inside)) or len(inside.strip()) < 3
    if sign == "$$":
        return True
    before, after = text[opened - 1 : opened], text[end + 1 : end + 2]
    if inside[0].isspace() or inside[-1].isspace() or before.isdigit() or A_SENTENCE.match(inside):
        return False
    return not (after.isdigit() or "A" <= after <= "Z" or (after and after in "_{$"))


def block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A formula on lines of its own, which may begin with signs that Markdown reads otherwise ("+", "=", "-")."""
    if state.is_code_block(first):
        return False
    opened = state.bMarks[first] + state.tShift[first]
    sign = opening_at(state.src, opened)
    if sign not in {"$$", "\\["}:
        return False
    end = closing_of(state.src, sign, opened + 2)
    if end < 0:
        return False
    line = first + state.src.count("\n", opened, end)
    if line >= last or end < state.bMarks[line] or "\n\n" in state.src[opened + 2 : end]:
        return False
    if state.src[end + 2 : state.eMarks[line]].strip() or not is_formula(state.src, sign, opened, opened + 2, end):
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        lines = state.getLines(first, line + 1, state.blkIndent, False).strip()
        token.content, token.markup, token.block, token.map = lines[2:-2], sign, True, [first, line + 1]
        state.line = line + 1
    return True


def render(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
    token = tokens[at]
    env["math"] = env.get("math", 0) + len(token.content)
    display = token.markup in {"$$", "\\["}
    found = to_mathml(token.content.strip(), display) if env["math"] <= MAX_ALL else ""
    found = found or escape(f"{token.markup}{token.content}{CLOSES[token.markup]}")
    return f"<p>{found}</p>\n" if token.block else found


@lru_cache(maxsize=256)
def to_mathml(latex: str, display: bool) -> str:
    """MathML of a formula, still to be sanitised; empty when it cannot be read."""
    if TEXT_WITH_SIGNS.search(latex):
        return ""  # the converter does not escape them
    known = ENVIRONMENT.sub(lambda found: rf"\{found[1]}{{{SAME[found[2]]}}}", latex)
    try:
        found: str = convert(known, display="block" if display else "inline")
    except Exception:  # errors of its own, IndexError, KeyError, RecursionError: all mean that it is no formula
        return ""
    return "" if UNKNOWN.search(found) else found


def keep_attribute(tag: str, name: str, value: str) -> str | None:
    """For nh3: of the attributes of a formula, only plain words and small lengths."""
    if tag in TAGS and not LENGTH.fullmatch(value):
        return None
    return value
