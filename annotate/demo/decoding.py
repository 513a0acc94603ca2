"""The decoding settings that make the demo's responses.

A small model answers one question much the same way each time, and people can only have a preference where
the answers differ. So each prompt is answered under several settings: as it is, and with a style instruction
in the system prompt. Left alone, SmolLM2-135M runs into max_new_tokens in seven of ten answers, and two cut
answers hardly differ in length; three of the seven settings therefore ask for a short one (mean 50 tokens,
three in four end by themselves).

Every response keeps the name of its setting, and so the instruction. The pair that a rater sees is two
answers to the *plain* prompt: a model trained on it learns the style without being asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoDecoding:
    """One way to answer a demo prompt; `system` is an added style instruction, or empty."""

    name: str
    temperature: float
    top_p: float
    max_new_tokens: int = 96
    system: str = ""


_SHORT = "Answer in one short sentence."

DEMO_DECODING: tuple[DemoDecoding, ...] = (
    DemoDecoding("plain-warm", temperature=0.8, top_p=0.95),
    DemoDecoding("plain-hot", temperature=1.0, top_p=0.95),
    DemoDecoding("list", temperature=0.8, top_p=0.95, system="Answer as a list."),
    DemoDecoding("warm-words", temperature=0.8, top_p=0.95, system="Be very polite and thankful."),
    DemoDecoding("short-cool", temperature=0.3, top_p=0.95, system=_SHORT),
    DemoDecoding("short-warm", temperature=0.8, top_p=0.95, system=_SHORT),
    DemoDecoding("short-hot", temperature=1.0, top_p=0.95, system=_SHORT),
)
