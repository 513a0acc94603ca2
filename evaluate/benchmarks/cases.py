"""Cases that a biased judge gets wrong: written for this project, in evaluate/cases, one file a type.

The six types of OffsetBias (Park et al. 2024, 2407.06551), then format, sycophancy, language, and what is helpful,
honest and harmless. `docs/bias.md` says how to write more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "cases"
OFFSET = (
    "length", "concreteness", "empty_reference", "content_continuation", "nested_instruction", "familiar_knowledge",
)  # fmt: skip
HHH = ("helpful", "honest", "harmless")
TYPES = (*OFFSET, "format", "sycophancy", "language", *HHH)
VOTED = "voted:"
"""Begins the type of pairs that people voted on; the prompt's tag follows."""


@dataclass(frozen=True)
class Case:
    key: str
    type: str
    messages: Sequence[dict[str, str]]
    better: str
    worse: str
    why: str = ""
    lang: str = "en"
    group: str = ""
    """Cases of one group are the same pair in other languages."""

    def stored(self) -> dict[str, Any]:
        """As CaseVerdict.case keeps it."""
        return {"prompt": list(self.messages), "better": self.better, "worse": self.worse, "why": self.why}


@dataclass(frozen=True)
class CaseSet:
    type: str
    title: str
    family: str
    """offsetbias, format, sycophancy, language or hhh."""
    trap: str
    """What a biased judge falls for."""
    cases: tuple[Case, ...]


@cache
def case_set(kind: str) -> CaseSet:
    """The set of one of TYPES. Raises KeyError for another."""
    if kind not in TYPES:
        raise KeyError(f"There is no case set {kind}. There are {', '.join(TYPES)}.")
    told = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text(encoding="utf-8"))
    cases = tuple(
        Case(
            key=one["key"], type=kind, messages=({"role": "user", "content": one["prompt"]},), better=one["better"],
            worse=one["worse"], why=one["why"], lang=one.get("lang", "en"), group=one.get("group", ""),
        )
        for one in told["cases"]
    )  # fmt: skip
    return CaseSet(told["type"], told["title"], told["family"], told["trap"], cases)


def title_of(kind: str) -> str:
    """How a type is named on pages; of voted pairs the tag."""
    return kind.removeprefix(VOTED) if kind.startswith(VOTED) else case_set(kind).title


@dataclass(frozen=True)
class Pair:
    """A template with two values of one attribute, to be filled in."""

    key: str
    attribute: str
    values: tuple[str, str]
    template: str

    @property
    def prompts(self) -> tuple[str, str]:
        return self.template.replace("{}", self.values[0]), self.template.replace("{}", self.values[1])


@cache
def contrast_pairs() -> tuple[Pair, ...]:
    """Prompts that differ in one attribute, for contrastive input decoding."""
    told = yaml.safe_load((FOLDER / "contrast.yaml").read_text(encoding="utf-8"))
    return tuple(
        Pair(one["key"], one["attribute"], (one["values"][0], one["values"][1]), one["template"])
        for one in told["pairs"]
    )
