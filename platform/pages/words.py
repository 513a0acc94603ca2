"""Figures and times in words, the way every page writes them."""

from __future__ import annotations

import datetime as dt
import math

MISSING = "n/a"
RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ku", "ps", "sd", "syr", "ug", "ur", "yi"}
# of these languages only some scripts run from the right
SCRIPTS_FROM_THE_RIGHT = {"arab", "hebr", "thaa", "syrc", "nkoo", "adlm", "rohg"}
PILLS = {
    "queued": "queued",
    "waiting": "queued",
    "running": "running",
    "succeeded": "ok",
    "ok": "ok",
    "done": "ok",
    "failed": "bad",
    "bad": "bad",
    "warn": "warn",
    "cancelled": "off",
    "off": "off",
}


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def as_number(value: object) -> float | None:
    """A finite number out of whatever a template hands over, or None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def thousands(value: object) -> str:
    number = as_number(value)
    if number is None:
        return MISSING
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def percent(value: object, digits: int = 0) -> str:
    """A share of one: 0.914 is 91%."""
    number = as_number(value)
    return MISSING if number is None else f"{number * 100:.{digits}f}%"


def interval(low: object, high: object, digits: int = 2) -> str:
    """0.69 to 0.76"""
    one, two = as_number(low), as_number(high)
    if one is None or two is None:
        return MISSING
    return f"{one:,.{digits}f} to {two:,.{digits}f}"


def duration(value: object) -> str:
    """Two units at most: 41 s, 4 min 12 s, 2 h 10 min, 3 days 4 h."""
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else as_number(value)
    if seconds is None:
        return MISSING
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(max(seconds, 0))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days} {'day' if days == 1 else 'days'}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    if minutes:
        return f"{minutes} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole} s"


def ago(moment: dt.datetime | None, now: dt.datetime | None = None) -> str:
    """How long since: just now, 3 min ago, 5 h ago, 2 days ago, later the date."""
    if not isinstance(moment, dt.datetime):
        return "never"
    now = now or dt.datetime.now(moment.tzinfo)
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(round(seconds / 60), 1)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    if days < 14:
        return f"{days} {'day' if days == 1 else 'days'} ago"
    return f"{moment.day} {moment:%b %Y}" if moment.year != now.year else f"{moment.day} {moment:%b}"


def text_dir(lang: object) -> str:
    """The direction of a language tag: ar, fa-IR and ku-Arab run from the right; az-Latn does not."""
    parts = str(lang or "").replace("_", "-").lower().split("-")
    scripts = [part for part in parts[1:] if len(part) == 4 and part.isalpha()]
    if scripts:
        return "rtl" if scripts[0] in SCRIPTS_FROM_THE_RIGHT else "ltr"
    return "rtl" if parts[0] in RIGHT_TO_LEFT else "ltr"


def lang_tag(lang: object) -> str:
    """ja_JP as HTML writes it: ja-JP."""
    return str(lang or "").replace("_", "-")
