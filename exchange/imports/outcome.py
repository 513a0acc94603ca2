"""What an import would do, and what it did: counts, columns, problems, samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exchange.imports.base import Becomes, Problem, Record


@dataclass
class Counts:
    """What will be written, or was."""

    prompts: int = 0
    """New ones."""
    joined_by_key: int = 0
    """Prompts that were in the project, and are found by key."""
    joined_by_text: int = 0
    responses: int = 0
    responses_known: int = 0
    without_text: int = 0
    """Of the new responses, those whose text the file does not have."""
    items: int = 0
    """New tasks: pairs (or sets) with votes, and open ones where tasks are made."""
    items_known: int = 0
    votes: int = 0
    """What raters said of an item, once an item and rater."""
    without_vote: int = 0
    """Answers in a file of votes of which nobody says anything: they come in and wait."""
    votes_known: int = 0
    """Given here by the same raters already; left as they are."""
    raters: int = 0
    models: int = 0
    """Models that the file names."""
    models_new: int = 0
    langs: dict[str, int] = field(default_factory=dict)
    """New and joined prompts by language."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class ValueFound:
    """One value of a column whose values are translated, for the page to ask what it means."""

    text: str
    """As a key of `Becomes.values`: in lower case, without space around."""
    means: str
    """What it is read as (a, b2, tie, 4, ...), "" where nothing is known of it."""
    lines: int


@dataclass(frozen=True)
class ColumnCheck:
    name: str
    becomes: Becomes
    verdict: str
    """fits, look or left out."""
    words: str
    """What was found: "text, 9,213, 1 empty", "3 values known, “1.5” in 2 lines"."""
    values: Sequence[ValueFound] = ()
    """Of a role that is `mapped`: at most 24 of the values found, those without a meaning first, then the commonest."""


@dataclass
class Check:
    """What `write` would do. Nothing is written."""

    lines: int = 0
    fits: int = 0
    bad: int = 0
    """Lines that cannot be imported; lines = fits + bad."""
    problems: list[Problem] = field(default_factory=list)
    """The first SHOWN of them."""
    counts: Counts = field(default_factory=Counts)
    columns: list[ColumnCheck] = field(default_factory=list)
    samples: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a person should know and that stops nothing: texts that are missing, models without weights."""
    models: list[str] = field(default_factory=list)
    """Names in the file, the first 1,000."""
    seconds: float = 0.0


@dataclass
class Outcome:
    """What `write` did."""

    lines: int
    written: int
    """Lines that are in."""
    skipped: int
    counts: Counts
    problems: list[Problem] = field(default_factory=list)
    number: int = 0
    """Of the `Import`, by which it can be taken back."""
    report: Path | None = None
    """The lines that were left out, with line number and reason each; None where there were none."""
    seconds: float = 0.0
