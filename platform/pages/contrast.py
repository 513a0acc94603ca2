"""Check the colours: contrast of every text on every paper, and chart colours for colour-blind eyes.

Run it with `python -m pages.contrast [palate.css]`. It reads the tokens out of the stylesheet and exits
with 1 when a pair falls below WCAG 2.2 AA or two chart colours come too close.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
from pathlib import Path

Colour = tuple[float, float, float]
Theme = dict[str, Colour]

STYLESHEET = Path(__file__).resolve().parents[2] / "static" / "css" / "palate.css"
TOKEN = re.compile(r"--([\w-]+):\s*light-dark\((oklch\([^)]*\)),\s*(oklch\([^)]*\))\)")
NEAREST = 10  # OKLab distance, where black to white is 100
SERIES = [f"c{i}" for i in range(1, 7)]
PAPERS = ["bg", "surface", "sunken", "raised", "hover"]
INKS = ["ink", "ink-2", "ink-3", "accent", "a", "b", "ok", "warn", "bad"]
TINTED = ["accent", "a", "b", "ok", "warn", "bad"]

PAIRS: list[tuple[str, str, float]] = [
    *((ink, paper, 4.5) for ink in INKS for paper in PAPERS),
    *((name, f"{name}-tint", 4.5) for name in TINTED),
    *(("ink", f"{name}-tint", 4.5) for name in TINTED),
    *(("ink-2", f"{name}-tint", 4.5) for name in ("accent", "ok", "warn", "bad")),
    ("on-accent", "accent", 4.5),
    ("surface", "a", 4.5),
    ("surface", "b", 4.5),
    ("surface", "ink-3", 4.5),  # the initials in the navigation
    *(("edge", paper, 3.0) for paper in ("bg", "surface", "raised", "sunken")),
    *((name, "surface", 3.0) for name in SERIES if name != "c5"),
    ("c5", "surface", 1.5),  # only for fills that carry a label
    *(("ink", f"job-{name}", 4.5) for name in SERIES),
    ("ink", "heat-a", 4.5),
    ("ink", "heat-c2", 4.5),
]

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB
VISION: dict[str, tuple[Colour, Colour, Colour]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.01182, 0.04294, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.3039),
    ),
}


def clip(rgb: Colour) -> Colour:
    red, green, blue = (min(1.0, max(0.0, v)) for v in rgb)
    return red, green, blue


def from_oklab(lab: Colour) -> Colour:
    """Linear sRGB of an OKLab colour (Ottosson 2020), clipped to the gamut."""
    light, a, b = lab
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.291485548 * b) ** 3
    return clip(
        (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
        )
    )


def to_oklab(rgb: Colour) -> Colour:
    red, green, blue = (max(0.0, v) for v in rgb)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short,
    )


def parse(oklch: str) -> Colour:
    light, chroma, hue = (float(v) for v in re.findall(r"[\d.]+", oklch))
    return from_oklab((light, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """What color-mix(in oklab, one share, other) gives."""
    first, second = to_oklab(one), to_oklab(other)
    light, a, b = (share * x + (1 - share) * y for x, y in zip(first, second, strict=True))
    return from_oklab((light, a, b))


def themes(css: str) -> dict[str, Theme]:
    """The tokens of both themes as linear RGB, with the mixed fills that carry words."""
    found: dict[str, Theme] = {"light": {}, "dark": {}}
    for name, light, dark in TOKEN.findall(css):
        found["light"][name], found["dark"][name] = parse(light), parse(dark)
    for theme in found.values():
        theme["c1"] = theme["a"]
        for name in SERIES:
            theme[f"job-{name}"] = mix(theme[name], theme["surface"], 0.26)
        for name in ("a", "c2"):  # the strongest step of the heat map
            theme[f"heat-{name}"] = mix(theme[name], theme["sunken"], 0.5)
    return found


def luminance(rgb: Colour) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def ratio(one: Colour, other: Colour) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def nearest(theme: Theme, kind: str) -> tuple[float, str, str]:
    """The two series that look most alike for one kind of vision, and their distance."""
    seen = {name: to_oklab(seen_by(theme[name], kind)) for name in SERIES}
    return min((100 * math.dist(seen[x], seen[y]), x, y) for x, y in itertools.combinations(SERIES, 2))


def seen_by(rgb: Colour, kind: str) -> Colour:
    red, green, blue = (sum(k * v for k, v in zip(row, rgb, strict=True)) for row in VISION[kind])
    return red, green, blue


def hexadecimal(rgb: Colour) -> str:
    """#rrggbb, for programs that know no oklch()."""
    srgb = (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in rgb)
    return "#" + "".join(f"{round(255 * v):02x}" for v in srgb)


def faults(css: str) -> list[str]:
    """Every pair that fails, as a sentence."""
    out = []
    for name, theme in themes(css).items():
        for ink, paper, need in PAIRS:
            got = ratio(theme[ink], theme[paper])
            if got < need:
                out.append(f"{name}: {ink} on {paper} has a contrast of {got:.2f}, it needs {need:g}.")
        for kind in VISION:
            distance, one, other = nearest(theme, kind)
            if distance < NEAREST:
                out.append(f"{name}, {kind} vision: {one} and {other} are {distance:.1f} apart, under {NEAREST}.")
    return out


def main(path: Path = STYLESHEET) -> int:
    found = faults(path.read_text())
    print("\n".join(found) if found else f"{len(PAIRS) * 2} pairs of colours, all with enough contrast")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
