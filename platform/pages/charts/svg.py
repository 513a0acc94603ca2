"""The pen: SVG elements as strings. Everything that comes from outside is escaped here, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

MIN_WIDTHS = (820, 620, 480, 380, 280)  # the classes p820 to p280 of charts.css


class Markup(str):
    """A string that is already markup. Template engines ask for __html__ and leave it as it is."""

    def __html__(self) -> str:
        return self


@dataclass(frozen=True)
class Drawing:
    """An SVG before it is written down: the page and the download frame it differently."""

    width: int
    height: int
    body: str
    label: str

    def __str__(self) -> str:
        fit = next((f" p{w}" for w in MIN_WIDTHS if w <= self.width * 0.85), "")
        head = f'<svg class="plot{fit}" viewBox="0 0 {self.width} {self.height}" role="img"'
        return Markup(f'{head} aria-label="{escape(self.label)}">{self.body}</svg>')

    def __html__(self) -> str:
        return str(self)


def number(value: float) -> str:
    """A coordinate: one decimal is a tenth of a pixel, and enough."""
    return f"{round(value, 1):g}"


def text(x: float, y: float, words: object, cls: str = "") -> str:
    kind = f' class="{cls}"' if cls else ""
    return f'<text x="{number(x)}" y="{number(y)}"{kind}>{escape(str(words))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    return f'<path class="{cls}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def path(points: Sequence[tuple[float, float]], cls: str, *, close: bool = False) -> str:
    d = "L".join([f"{x:.1f} {y:.1f}" for x, y in points])
    return f'<path class="{cls}" d="M{d}{"Z" if close else ""}"/>'


def rect(x: float, y: float, width: float, height: float, cls: str, *, round_by: float = 0) -> str:
    corner = f' rx="{round_by:g}"' if round_by else ""
    size = f'width="{number(max(width, 0))}" height="{number(max(height, 0))}"'
    return f'<rect class="{cls}" x="{number(x)}" y="{number(y)}" {size}{corner}/>'


def disc(x: float, y: float, radius: float, cls: str) -> str:
    return f'<circle class="{cls}" cx="{number(x)}" cy="{number(y)}" r="{radius:g}"/>'


def diamond(x: float, y: float, radius: float, cls: str) -> str:
    r = f"{radius:g}"
    return f'<path class="{cls}" d="M{number(x)} {number(y - radius)}l{r} {r}-{r} {r}-{r}-{r}z"/>'


def mark(title: str, parts: Iterable[str], cls: str = "") -> str:
    """One thing that can be pointed at; the title is what the pointer and the screen reader get."""
    kind = f' class="{cls}"' if cls else ""
    return f"<g{kind}><title>{escape(title)}</title>{''.join(parts)}</g>"


def link(href: str, body: str) -> str:
    """Only addresses of this site or the web: a javascript: address would run."""
    if not href.startswith(("/", "#", "?", "https://", "http://")):
        return body
    return f'<a href="{escape(href)}">{body}</a>'


def text_width(words: object) -> float:
    """About how wide 11.5 px text is: CJK glyphs are square, the rest is a little over half."""
    return sum(11.5 if ord(c) > 0x2E7F else 6.3 for c in str(words))


def wrapped(words: str, width: float, most: int = 3) -> list[str]:
    """In lines of that width, broken between words; what does not go into the last one is cut."""
    lines: list[str] = []
    rest = words.split()
    while rest and len(lines) < most - 1:
        fits = 1
        while fits < len(rest) and text_width(" ".join(rest[: fits + 1])) <= width:
            fits += 1
        lines.append(shorten(" ".join(rest[:fits]), width))
        rest = rest[fits:]
    return [*lines, shorten(" ".join(rest), width)] if rest else lines


def shorten(words: str, width: float) -> str:
    """Cut to a width with an ellipsis; the whole name stays in the title of the mark."""
    if text_width(words) <= width:
        return words
    kept = words
    while kept and text_width(kept) + 8 > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"
