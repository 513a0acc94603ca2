"""Draws docs/pictures/loop.svg, the loop in one picture. python docs/pictures/draw_loop.py"""

from pathlib import Path

STATIONS = (
    ("Prompts", "any language"),
    ("Responses", "job: sample"),
    ("Votes", "people, in the browser"),
    ("Dataset", "frozen, hashed"),
    ("Models", "reward, DPO policy"),
    ("Verdicts", "judges and people"),
    ("Win rates", "95% intervals"),
)
W, H, GAP, TOP = 132, 58, 26, 16
STYLE = """
  text { font: 600 14px system-ui, sans-serif; fill: #33202f; text-anchor: middle; }
  .small { font-weight: 400; font-size: 11.5px; fill: #6b5a68; }
  rect { fill: #fbf7fa; stroke: #7d2a78; stroke-width: 1.25; }
  path { fill: none; stroke: #7d2a78; stroke-width: 1.5; }
  .back { stroke-dasharray: 5 4; }
"""


def main() -> None:
    width = len(STATIONS) * (W + GAP) - GAP + 16
    parts = []
    for i, (name, note) in enumerate(STATIONS):
        x = 8 + i * (W + GAP)
        parts.append(f'<rect x="{x}" y="{TOP}" width="{W}" height="{H}" rx="8"/>')
        parts.append(f'<text x="{x + W / 2}" y="{TOP + 26}">{name}</text>')
        parts.append(f'<text class="small" x="{x + W / 2}" y="{TOP + 44}">{note}</text>')
        if i:
            parts.append(f'<path d="M{x - GAP + 3} {TOP + H / 2}H{x - 4}m-6 -4l6 4l-6 4"/>')
    last, middle, below = 8 + 6 * (W + GAP) + W / 2, 8 + (W + GAP) + W / 2, TOP + H
    parts.append(f'<path class="back" d="M{last} {below + 4}V{below + 38}H{middle}V{below + 8}"/>')
    parts.append(f'<path d="M{middle - 4} {below + 12}l4 -6l4 6"/>')
    label = "the tuned model answers next; every number leads back to the votes behind it"
    parts.append(f'<text class="small" x="{(last + middle) / 2}" y="{below + 56}">{label}</text>')
    body = "\n  ".join(parts)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {below + 68}" role="img" '
        f'aria-label="The loop: from prompts to win rates and back">\n  <style>{STYLE}</style>\n'
        f'  <rect x="0" y="0" width="{width}" height="{below + 68}" style="fill:#fff;stroke:none"/>\n  {body}\n</svg>\n'
    )
    Path(__file__).with_name("loop.svg").write_text(svg)


if __name__ == "__main__":
    main()
