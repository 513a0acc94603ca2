"""Tags and filters of every page: {% load palate %}."""

from __future__ import annotations

import datetime as dt
import json

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from pages import words
from pages.prose import to_html

register = template.Library()

FLIPPED = {"left", "right", "undo", "skip", "exit"}  # they point along the line, so they turn with it

register.filter("thousands", words.thousands)
register.filter("duration", words.duration)
register.filter("text_dir", words.text_dir)
register.filter("lang_tag", words.lang_tag)


@register.simple_tag
def icon(name: str, label: str = "", extra: str = "") -> SafeString:
    """{% icon "check" %} beside a word; {% icon "x" label="Close" %} where it stands alone."""
    cls = " ".join(filter(None, ("icon", "flip" if name in FLIPPED else "", extra)))
    said = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="{}" viewBox="0 0 16 16" {}><use href="{}#i-{}"/></svg>',
        cls,
        said,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def pill(state: str, label: str = "") -> SafeString:
    """The state of a thing that changes, as a word and a mark: {% pill job.state "running 61%" %}."""
    return format_html('<span class="pill {}">{}</span>', words.PILLS.get(str(state), ""), label or state)


@register.filter
def get(values: object, name: object) -> object:
    """{{ draft|get:field }} where the name of the field is itself a variable; empty when there is none."""
    return values.get(str(name), "") if isinstance(values, dict) else ""


@register.filter
def percent(value: object, digits: int = 0) -> str:
    return words.percent(value, int(digits))


@register.filter
def to(low: object, high: object) -> str:
    """{{ a.low|to:a.high }} is 0.69 to 0.76."""
    return words.interval(low, high)


@register.filter
def interval(estimate: object, digits: int = 2) -> str:
    """{{ estimate|interval }} of anything with low and high, an object or a pair."""
    if isinstance(estimate, (tuple, list)) and len(estimate) == 2:
        return words.interval(estimate[0], estimate[1], int(digits))
    return words.interval(getattr(estimate, "low", None), getattr(estimate, "high", None), int(digits))


@register.filter
def fixed(value: object, digits: int = 2) -> str:
    """A number with so many decimals, n/a where there is none."""
    number = words.as_number(value)
    return words.MISSING if number is None else f"{number:,.{int(digits)}f}"


@register.filter
def ago(moment: dt.datetime | None) -> SafeString | str:
    """Words that age, with the exact time on hover and for machines."""
    if not isinstance(moment, dt.datetime):
        return words.ago(None)
    exact = timezone.localtime(moment) if timezone.is_aware(moment) else timezone.make_aware(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact.day} {exact:%b %Y %H:%M}",
        words.ago(exact, timezone.now()),
    )


@register.filter
def prose(text: object) -> SafeString:
    """Markdown that is safe whoever wrote it; put it into an element of class read."""
    return mark_safe(to_html(str(text or "")))  # to_html sanitises


@register.filter
def initials(name: object) -> str:
    """Two letters for the round mark beside a name."""
    parts = [part for part in str(name or "").replace("@", " ").replace(".", " ").split() if part[0].isalnum()]
    return "".join(part[0] for part in parts[:2]).upper()


@register.filter
def past_turns(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The turns before the last one that are not the system's."""
    return [m for m in messages[:-1] if m.get("role") != "system"]


@register.filter
def system_turns(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    return [m for m in messages if m.get("role") == "system"]


@register.filter
def as_json(value: object) -> str:
    """For data- attributes; the template escapes it like any other text."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def last_text(messages: list[dict[str, str]]) -> str:
    """What the person said last."""
    return str(messages[-1].get("content", "")) if messages else ""


@register.filter
def join_words(value: object) -> str:
    """A setting as words: a list becomes its items with commas, nothing becomes "none"."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    return "none" if value in ("", None) else str(value)
