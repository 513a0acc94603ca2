"""Scales and ticks: from data to pixels, and to round numbers that people can read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SMALLEST = 1e-290
"""Below it a float has too few digits left to divide by."""


def linear(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Map low..high to start..end. An empty range maps to the middle instead of dividing by zero."""
    if high == low:
        middle = (start + end) / 2
        return lambda _: middle
    slope = (end - start) / (high - low)
    return lambda value: start + (value - low) * slope


def step_for(span: float, count: int) -> float:
    """The round step (1, 2, 2.5 or 5 times a power of ten) that cuts span into at most count parts."""
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((s * power for s in STEPS if s * power >= raw * (1 - 1e-9)), 10 * power)


def ticks(low: float, high: float, count: int = 4, *, zero: bool = False) -> list[float]:
    """Round numbers that cover low..high; the first and last are the ends of the axis."""
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if not high - low > max(abs(high) * 1e-9, SMALLEST):  # a constant series still gets an axis around it
        pad = abs(high) * 0.1 if abs(high) > SMALLEST else 1.0
        low, high = (0.0, high + pad) if zero and high >= 0 else (low - pad, high + pad)
    for parts in range(count, 0, -1):
        step = step_for(high - low, parts)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= count:
            break
    return [0.0 if i == 0 else i * step for i in range(first, last + 1)]


def decimals(step: float) -> int:
    """How many digits after the point tell neighbours apart."""
    for digits in range(12):
        if abs(round(step, digits) - step) < abs(step) * 1e-6:
            return digits
    return 12


def tick_labels(values: Sequence[float]) -> list[str]:
    """Labels of one axis, all in the same form: 0.25, 12,000 or 3e-6."""
    if not values:
        return []
    largest = max(abs(v) for v in values)
    step = abs(values[1] - values[0]) if len(values) > 1 else largest or 1.0
    if 0 < largest < 1e-3 or largest >= 1e7:
        short = ([scientific(v, digits) for v in values] for digits in range(3, 15))
        return next((labels for labels in short if len(set(labels)) == len(values)), [repr(v) for v in values])
    digits = min(decimals(step), 6)
    return [f"{v:,.{digits}f}" for v in values]


def scientific(value: float, digits: int = 3) -> str:
    """3e-6, not 3.000e-06."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def figure(value: float, digits: int = 3) -> str:
    """A value in words: about `digits` significant digits, thousands marked, tiny ones as 3e-6."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size < 1e-3 or size >= 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    places = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:,.{places}f}"
