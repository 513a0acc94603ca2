"""Protocols to start from. One is offered where all of its kinds are there."""

from dataclasses import dataclass
from typing import Any

from annotate.kinds import KINDS


@dataclass(frozen=True)
class Preset:
    slug: str
    title: str
    why: str
    steps: tuple[dict[str, Any], ...]


def step(kind: str, of: str = "all", question: str = "", **options: Any) -> dict[str, Any]:
    return {"kind": kind, "of": of, "question": question, "options": options}


PRESETS = (
    Preset("compare", "Compare", "Which of two answers is better, and how much. The quickest.", (step("pairwise"),)),
    Preset(
        "compare-critique-edit",
        "Compare, critique the loser, edit the winner",
        "A preference, what is wrong with the worse answer, and an answer to learn from.",
        (
            step("pairwise"),
            step("critique", "loser", "What is wrong with it?"),
            step("edit", "winner", "Make it as good as you can."),
        ),
    ),
    Preset(
        "menlo",
        "Rate with MENLO",
        "Two answers rated 1 to 5 on fluency, tone and how native they are; the preference follows.",
        (step("rubric"),),
    ),
    Preset("rank", "Rank", "Several answers in order, ties allowed.", (step("ranking"),)),
    Preset("edit", "Edit", "A better answer, written by hand from the one that is shown.", (step("edit", "first"),)),
    Preset("select", "Select", "Which of several answers fit; none may.", (step("selection"),)),
    Preset(
        "chat",
        "Chat",
        "People talk to a model and pick the better of two answers each turn. Prompts need no responses.",
        (step("chat"),),
    ),
    Preset("critique", "Critique", "Marks and remarks on one answer.", (step("critique", "first"),)),
)


def offered() -> list[Preset]:
    return [one for one in PRESETS if all(part["kind"] in KINDS for part in one.steps)]
