"""Charts of a recipe's preview and of a dataset's card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.making.card import Lengths
from curate.making.funnel import Funnel
from curate.making.funnel import Stage as Step
from pages.charts import Chart, Stage, funnel, histogram
from registry.specs import BuildDatasetSpec

NEAR = 1.03
"""Mean lengths that differ by less than 3% are called alike."""
STRENGTHS = {0: "tie or faint", 1: "slightly", 2: "better", 3: "much better"}
MODELS = 12


@dataclass(frozen=True)
class ModelShare:
    name: str
    rows: int
    """In which its response was compared with another model's."""
    chosen: float


def funnel_of(found: Funnel, *, width: int = 410) -> Chart:
    return funnel_chart(found.stages, about=found.about, width=width)


def funnel_of_card(stages: Sequence[Mapping[str, Any]]) -> Chart:
    known = Step.__dataclass_fields__
    steps = [Step(**{name: value for name, value in one.items() if name in known}) for one in stages]
    return funnel_chart(steps, width=620)


def funnel_chart(steps: Sequence[Step], *, about: bool = False, width: int) -> Chart:
    """A bar a step. Where the unit changes, what is left is counted anew and the note says why."""
    if not steps:
        return funnel("Nothing was counted", "", [])
    last, first = steps[-1], steps[0]
    title = f"{last.count:,} {last.unit} come out of {first.count:,} {first.unit}"
    before = ["", *(one.unit for one in steps)]
    stages = [
        Stage(label_of(one, told=unit), one.count, one.why) for one, unit in zip(steps, before, strict=False)
    ]  # fmt: skip
    return funnel(
        f"About {title}" if about else title, "What is left after each step", stages,
        unit="answers, items and rows", width=width,
    )  # fmt: skip


def label_of(step: Step, *, told: str) -> str:
    """Names the unit where it is a new one."""
    if step.key == "answers":
        return "Answers of these kinds"
    words = step.label if step.unit in (told, step.label.split(" ", 1)[0]) else f"{step.unit} {step.label}"
    return words[:1].upper() + words[1:]


def histogram_of(
    lengths: Lengths, recipe: BuildDatasetSpec | None = None, *, size: tuple[int, int] = (420, 180)
) -> Chart:
    names = (lengths.names[1] if len(lengths.names) > 1 else "text", lengths.names[2] if len(lengths.names) > 2 else "")
    drawn = f"{lengths.drawn:,} of {lengths.of:,} rows" if lengths.drawn < lengths.of else f"{lengths.of:,} rows"
    about = f"{drawn}, {lengths.bin} tokens a bin, tokenizer of {lengths.tokenizer}"
    limit = (float(recipe.max_tokens), "max_tokens") if recipe and recipe.max_tokens else None
    return histogram(
        length_title(lengths, names), about, lengths.first, lengths.second, bin_width=lengths.bin,
        names=(names[0], names[1] or names[0]), limit=limit, size=size,
    )  # fmt: skip


def length_title(lengths: Lengths, names: tuple[str, str]) -> str:
    one, two = mean(lengths, 1), mean(lengths, 2)
    if one is None:
        return "No texts to measure"
    if two is None:
        return f"{names[0].capitalize()} has {one:,.{0 if one >= 10 else 1}f} tokens in the mean"
    if one > two * NEAR:
        return f"{names[0].capitalize()} texts are longer than {names[1]} ones"
    if two > one * NEAR:
        return f"{names[0].capitalize()} texts are shorter than {names[1]} ones"
    return f"{names[0].capitalize()} and {names[1]} texts are about as long"


def mean(lengths: Lengths, place: int) -> float | None:
    """In tokens. Cards that were written before means were kept have the middles of their bins."""
    if lengths.means:
        return lengths.means[place] if place < len(lengths.means) else None
    counts = (lengths.prompt, lengths.first, lengths.second)[place]
    total = sum(counts)
    return sum((i + 0.5) * lengths.bin * n for i, n in enumerate(counts)) / total if total else None


def models_of(models: Mapping[str, Sequence[int]]) -> list[ModelShare]:
    """How often each model's response was chosen over another model's."""
    found = [ModelShare(name or "unknown", n, won / n) for name, (n, won) in models.items() if n]
    return sorted(found, key=lambda one: -one.rows)[:MODELS]


def strengths_of(strengths: Mapping[Any, int]) -> list[tuple[str, int]]:
    """Rows by mean strength of the raters, rounded; empty where nobody said how strong."""
    counts = {int(key): n for key, n in strengths.items()}
    return [(words, counts.get(key, 0)) for key, words in STRENGTHS.items()] if any(counts.values()) else []
