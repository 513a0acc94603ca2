"""What the parts of an import hand to each other. Nothing here reads a file or a table.

A *format* unfolds a line of its file into flat rows; a *mapping* says what each column becomes; the two together make a
`Record` of each row: a prompt, its responses, and what raters said of them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from typing import Any

SIDES = "ABCDEFGHIJKL"
"""Names of a line's responses, in the order of the file."""
SHOWN = 1_000
"""Problems that are kept in words; the rest is counted, and is in the report."""
SAMPLES = 20
PLAIN_WIN = 2
"""The strength of a win in a file that names only the winner: "better", between slightly (1) and much better (3)."""

Row = dict[str, Any]
Progress = Callable[[int, int], None]
"""(bytes read, bytes in all); called about once in a chunk of lines."""


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says what it is and what to do."""


class Refused(ValueError):
    """Lines are wrong and `on_bad` is "refuse": nothing was written. `problems` and `bad` are as in `Check`."""

    def __init__(self, message: str, *, problems: "Sequence[Problem]", bad: int, lines: int) -> None:
        super().__init__(message)
        self.problems, self.bad, self.lines = problems, bad, lines


@dataclass(frozen=True)
class Problem:
    """One line that cannot be imported."""

    line: int
    """From 1, as an editor counts; in a file that is one JSON array, the number of the element; 0: the file."""
    what: str
    """A sentence: what is wrong and what to do."""
    there: str = ""
    """An excerpt of the line around it."""
    column: str = ""


# --- Columns and what they become -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """What a column can become."""

    slug: str
    title: str
    summary: str
    sided: bool = False
    """It is about one response, so a side goes with it: `response:a`."""
    named: str = ""
    """What else goes with it, in a word: "dimension" of a rating, "rater" of a winner."""
    mapped: bool = False
    """Its values are translated: `values` of `Becomes`."""


ROLES: dict[str, Role] = {
    role.slug: role
    for role in (
        Role("prompt", "Prompt", "what the person asked: a text, or a list of turns"),
        Role("input", "Input", "goes below the prompt, after an empty line"),
        Role("system", "System prompt", "goes before the prompt"),
        Role("history", "Earlier turns", "turns before the prompt: [[question, answer], …] or a list of turns"),
        Role("messages", "Conversation", "all turns; the last answer is the response where no other column has one"),
        Role("response", "Answer", "the text of an answer; of a list of turns the last one", sided=True),
        Role("responses", "Answers", "a list of answers: texts, or objects with text and model"),
        Role("conversation", "Conversation with an answer",
             "all turns, the last one the answer of this side; the prompt is what both sides share", sided=True),
        Role("prompt_of", "Prompt of this answer", "where each answer belongs to a prompt of its own", sided=True),
        Role("model", "Model of the answer", "its name, hidden from annotators", sided=True),
        Role("models", "Models", "a list of names, one an answer"),
        Role("chosen", "Chosen answer", "the better one, as answer A, with a vote for it"),
        Role("rejected", "Rejected answer", "the worse one, as answer B"),
        Role("winner", "Preference", "which answer is better, or how much", named="rater", mapped=True),
        Role("label", "Good or bad", "a verdict on one answer alone, as KTO uses it", named="rater", mapped=True),
        Role("fits", "Acceptable", "whether an answer is good enough, yes or no", sided=True, mapped=True),
        Role("rating", "Rating", "1 to 5 on a dimension", sided=True, named="dimension", mapped=True),
        Role("rank", "Place", "1 is the best", sided=True),
        Role("ranking", "Ranking", "all places: a list in the order of the answers"),
        Role("critique", "Critique", "what is wrong with the first answer, in words", named="rater"),
        Role("strengths", "What is right", "praise of the first answer, in words"),
        Role("refinement", "What should change", "an instruction to the writer of the first answer"),
        Role("edited", "Edited answer", "the first answer as it should have been", named="rater"),
        Role("rater", "Rater", "who answered; becomes a named external rater"),
        Role("comment", "Comment", "why, in the rater's words"),
        Role("answered_at", "Time of the answer", "ISO 8601, or seconds since 1970"),
        Role("seconds", "Time spent", "seconds on this item"),
        Role("lang", "Language", "BCP-47, such as en or pt-BR"),
        Role("tags", "Tag", "a word or a list of words, kept at the prompt"),
        Role("key", "Key of the prompt", "tells prompts apart, and joins those that are here already"),
        Role("criterion", "Criterion", "what to judge by, for this item alone"),
        Role("skip", "Leave out", "is not read"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Becomes:
    """What one column becomes. As text, for forms and the command line:

    `prompt`, `response:a`, `rating:a:helpfulness`, `winner`, `winner:annotator1`, `winner(left=a, right=b, tie=tie)`.
    Values of a winner: a, b, tie, both_bad, or with a strength: a1 (slightly), a2 (better), a3 (much better).
    """

    role: str
    side: int | None = None
    name: str = ""
    """The dimension of a rating; the fixed rater of a winner, label, critique or edit."""
    values: MappingOf[str, str] = field(default_factory=dict)
    """What the file says (in lower case, without space around) -> what it means; empty takes the usual words."""

    def __str__(self) -> str:
        parts = [
            self.role,
            *([SIDES[self.side].lower()] if self.side is not None else []),
            *([self.name] * bool(self.name)),
        ]
        values = ", ".join(f"{key}={value}" for key, value in self.values.items())
        return ":".join(parts) + (f"({values})" if values else "")

    @property
    def title(self) -> str:
        """In words, for a list to choose from."""
        role = ROLES[self.role]
        words = f"{role.title} {SIDES[self.side]}" if self.side is not None else role.title
        return f"{words}, {self.name}" if self.name else words

    @classmethod
    def parse(cls, text: str) -> "Becomes":
        """Raises ValueError with a sentence."""
        whole = re.fullmatch(r"\s*([a-z_]+)((?::[^:()]+)*)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
        if not whole or whole[1] not in ROLES:
            raise ValueError(f"{text[:60]!r} is not something a column can become. There are {', '.join(ROLES)}.")
        role, rest = ROLES[whole[1]], [part.strip() for part in whole[2].split(":")[1:]]
        side: int | None = None
        if role.sided:
            letter = rest.pop(0).upper() if rest else ""
            if len(letter) != 1 or letter not in SIDES:
                raise ValueError(f"{role.slug} needs the answer that it is about, as in {role.slug}:a.")
            side = SIDES.index(letter)
        name = rest.pop(0) if rest and role.named else ""
        if rest or (role.named == "dimension" and not name):
            raise ValueError(f"{text[:60]!r} does not fit: write {cls.example(role)}.")
        return cls(role.slug, side, name, parse_values(whole[3] or ""))

    @staticmethod
    def example(role: Role) -> str:
        return role.slug + ":a" * role.sided + (f":{role.named.upper()}" if role.named else "")


def parse_values(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        there, sign, means = part.rpartition("=")
        if not sign:
            raise ValueError(f"{part[:40]!r} does not say what it means: write there=meaning, as in left=a.")
        found[there.strip().lower()] = means.strip().lower()
    return found


LEFT_OUT = Becomes("skip")


@dataclass(frozen=True)
class Column:
    """A column of the file, as the page shows it before anything is decided."""

    name: str
    first: Sequence[str]
    """Its first values, shortened."""
    type: str
    """text, number, true or false, list, object, mixed or empty."""
    guessed: Becomes
    """What it becomes if nobody says otherwise."""
    sure: bool = True
    """False where the guess wants a look."""


RATERS = {
    "auto": "the column says who; where none does, the votes on an item are numbered",
    "one": "all votes are one rater's",
    "none": "votes are left out: only prompts and answers come in",
}


@dataclass(frozen=True)
class Mapping:
    """What becomes of the file. `as_json` is what an Upload keeps; "Save as a recipe" is the same."""

    columns: MappingOf[str, Becomes] = field(default_factory=dict)
    """By column; those that are not named are left out."""
    raters: str = "auto"
    """A key of RATERS."""
    rater_name: str = ""
    """With raters = "one": who; empty takes the source."""
    source: str = ""
    """Where the votes are from, in a few words: raters of one source are the same people in the next file of it."""
    models: MappingOf[str, str] = field(default_factory=dict)
    """Name in the file -> name of a model of the project that it is. Others become models without weights."""
    lang: str = "en"
    """Where no column says."""
    tags: Sequence[str] = ()
    """Put on every new prompt."""
    prompts: str = ""
    """Path of a file with the texts of prompts that this file names by number (JSONL with id and text)."""

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": {name: str(one) for name, one in self.columns.items()}, "raters": self.raters,
            "rater_name": self.rater_name, "source": self.source, "models": dict(self.models), "lang": self.lang,
            "tags": list(self.tags), "prompts": self.prompts,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: MappingOf[str, Any]) -> "Mapping":
        """Raises ValueError with a sentence."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        columns = {str(name): Becomes.parse(text) for name, text in known.pop("columns", {}).items()}
        return cls(columns=columns, **known)

    def with_columns(self, changes: MappingOf[str, Becomes]) -> "Mapping":
        return replace(self, columns={**self.columns, **changes})


# --- Formats ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Format:
    """A format of files. A new one is a file in formats/ and a line in FORMATS."""

    slug: str
    title: str
    summary: str
    shapes: Sequence[str]
    """Keys of readers.SHAPES that it comes in: jsonl, json, csv, parquet, xlsx, folder."""
    columns: MappingOf[str, Becomes] = field(default_factory=dict)
    """The columns it knows, after `unfold`, and what they become."""
    needs: Sequence[str] = ()
    """Columns that a line of it has, before `unfold`; the default `fits` asks for all of them."""
    fits: Callable[[Sequence[Row]], float] | None = None
    """(first rows) -> 0 to 1, how likely it is this format."""
    unfold: Callable[[Row], Iterable[Row]] | None = None
    """One line -> flat rows, one a rater where it holds several. Raises ValueError with a sentence."""
    guess: Callable[[Sequence[Row]], MappingOf[str, Becomes]] | None = None
    """(first rows, unfolded) -> what columns become that have no fixed names, such as scores a dimension."""
    made: MappingOf[str, str] = field(default_factory=dict)
    """Columns that `unfold` makes -> the column of the file that they are read from, where it is one."""


# --- Records ----------------------------------------------------------------------------------------------------

Message = dict[str, str]


@dataclass(slots=True)
class Answer:
    """One response."""

    text: str
    """"" where the file names the model and not what it wrote."""
    model: str = ""
    messages: Sequence[Message] | None = None
    """Its own prompt, where the two sides answer different ones."""


@dataclass(slots=True)
class Said:
    """One answer of one rater to one step, in canonical order (position 0 is answer A of the line)."""

    kind: str
    """A key of annotate.kinds.KINDS."""
    value: dict[str, Any]
    """As the kind stores it, for the order 0, 1, …"""
    preference: int | None = None
    of: str = "all"
    comment: str = ""


@dataclass(slots=True)
class Vote:
    """All that one rater said of one item."""

    rater: str
    """The name in the file; "" where it names none."""
    said: list[Said]
    at: str = ""
    """ISO 8601, or empty."""
    seconds: float = 0.0
    repeats: bool = False
    """Not a person but the file's own label (chosen, rejected): the same line again says nothing new."""


@dataclass(slots=True)
class Record:
    """One row, read: what annotators will see, and what was said of it."""

    line: int
    messages: list[Message]
    answers: list[Answer] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    key: str = ""
    lang: str = "en"
    tags: Sequence[str] = ()
    criterion: str = ""

    @property
    def prompt(self) -> str:
        return self.messages[-1]["content"]

    @property
    def two_prompts(self) -> bool:
        return any(one.messages is not None for one in self.answers)
