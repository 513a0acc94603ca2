"""What a person should know before training on a dataset: balances, lengths, diversity, likely flips, warnings."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Notice:
    """Something looked at: a warning, or that it is fine."""

    key: str
    level: Literal["warn", "ok"]
    title: str
    """Short, with the figure: "Longer answers win 72% of the time"."""
    text: str
    """A sentence: what it means, and what to do."""

    def as_dict(self) -> dict[str, str]:
        return {"key": self.key, "level": self.level, "title": self.title, "text": self.text}


@dataclass
class Lengths:
    """Rows by length in tokens. Counts of bins of `bin` tokens from 0; the last bin takes all that is longer."""

    tokenizer: str = ""
    bin: int = 32
    drawn: int = 0
    """Rows that were counted in tokens."""
    of: int = 0
    """Rows that there are."""
    prompt: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Of the row type's first text after the prompt: chosen, completion, revised."""
    second: list[int] = field(default_factory=list)
    """Of its second: rejected. Empty where there is none."""
    names: tuple[str, ...] = ()
    """Columns that the three lists are of, as ("prompt", "chosen", "rejected")."""

    def as_dict(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "bin": self.bin, "drawn": self.drawn, "of": self.of,
                "prompt": self.prompt, "first": self.first, "second": self.second, "names": list(self.names)}  # fmt: skip


@dataclass
class Balance:
    """None where the rows have no two sides, or nobody knows."""

    rows: int = 0
    drawn: int = 0
    """Rows that the figures are of: all of them, or those that were drawn."""
    first: float | None = None
    """Share of the raters who saw the chosen response first."""
    longer: float | None = None
    """Share of rows whose chosen response has more characters; one half for as many."""
    languages: Counter[str] = field(default_factory=Counter)
    models: dict[str, tuple[int, int]] = field(default_factory=dict)
    """{model: (rows in which it was compared with another, rows of these in which its response was chosen)}"""
    strengths: Counter[int] = field(default_factory=Counter)
    """Rows by rounded mean strength, 0 to 3."""
    answers: int = 0
    simulated: int = 0
