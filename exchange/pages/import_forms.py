"""What a person says of a file on the page Import: its format, what its columns become, and what is made of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict

from accounts.models import Project
from annotate.intake.prompt_lines import MAX_RATERS
from annotate.intake.task_making import protocols_of
from annotate.models import Protocol
from exchange.imports import base
from exchange.imports.base import RATERS, ROLES, SIDES, Becomes, Column
from exchange.imports.outcome import Check, ValueFound
from exchange.imports.watch import meaning
from exchange.models import Upload
from registry.models import ModelVersion

MODELS_SHOWN = 60
"""Names of models that are asked about; the others become new ones."""
MAX_NAME = 80
ON_BAD = {"skip": "Skip them", "refuse": "All or nothing"}
LANG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("skip",)),
    ("What is asked", ("prompt", "input", "system", "history", "messages")),
    ("Answers", ("response", "responses", "conversation", "prompt_of", "chosen", "rejected", "model", "models")),
    (
        "Votes",
        ("winner", "label", "fits", "rating", "rank", "ranking", "critique", "strengths", "refinement", "edited"),
    ),
    ("Who and when", ("rater", "comment", "answered_at", "seconds")),
    ("About the item", ("lang", "tags", "key", "criterion")),
)
WINNERS = (
    ("a", "A is better"), ("b", "B is better"), ("tie", "a tie"), ("both_bad", "both bad"),
    ("a1", "A slightly"), ("a2", "A better"), ("a3", "A much better"),
    ("b1", "B slightly"), ("b2", "B better"), ("b3", "B much better"),
)  # fmt: skip
MEANINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "winner": WINNERS,
    "label": (("good", "good"), ("bad", "bad")),
    "fits": (("good", "acceptable"), ("bad", "not acceptable")),
    "rating": tuple((str(level), str(level)) for level in range(1, 6)),
}
"""What a value of a translated column can mean, by role."""


@dataclass(frozen=True)
class Wish:
    """What shall become of an upload. `problems`: field -> a sentence, for what was posted and cannot be."""

    format: str
    mapping: base.Mapping
    on_bad: str = "skip"
    as_tasks: bool = False
    wanted: int = 1
    protocol: Protocol | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """As an Upload keeps them."""
        protocol = self.protocol.pk if self.protocol else None
        return {"on_bad": self.on_bad, "as_tasks": self.as_tasks, "wanted": self.wanted, "protocol": protocol}

    @classmethod
    def kept(cls, upload: Upload, project: Project) -> "Wish":
        """As it was left; what cannot be read any more is as if nobody had said it."""
        try:
            mapping = base.Mapping.from_json(upload.mapping)
        except (ValueError, TypeError):
            mapping = base.Mapping()
        said = upload.options
        protocol = project.protocols.filter(pk=said.get("protocol")).first()
        return cls(
            upload.format, mapping, said.get("on_bad", "skip"), bool(said.get("as_tasks")), said.get("wanted", 1),
            protocol,
        )  # fmt: skip


# --- Reading the form -------------------------------------------------------------------------------------------


class Posted:
    """One POST, and what is wrong with it as it is read."""

    def __init__(self, data: QueryDict) -> None:
        self.data = data
        self.problems: dict[str, str] = {}

    def wrong(self, name: str, sentence: str) -> None:
        self.problems.setdefault(name, sentence)

    def text(self, name: str, most: int) -> str:
        text = self.data.get(name, "").strip()
        if len(text) > most or not text.isprintable():
            self.wrong(name, f"This may have {most} characters, without line breaks, and it has {len(text):,}.")
            return ""
        return text

    def choice(self, name: str, known: Mapping[str, Any], kept: str) -> str:
        """One of `known`; what is not sent is left as it was, what is forged is said."""
        value = self.data.get(name, kept)
        if value in known:
            return value
        self.wrong(name, f"{value[:40]!r} is no choice here. There are {', '.join(known)}.")
        return kept

    def number(self, name: str, low: int, high: int) -> int:
        text = self.data.get(name, "").strip() or str(low)
        if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        self.wrong(name, f"{text[:20]!r} is not a whole number from {low} to {high}.")
        return low


def read(data: QueryDict, kept: Wish, columns: Sequence[Column], project: Project) -> Wish:
    """The form of `columns` as it was sent, over what was kept."""
    posted = Posted(data)
    becomes = {
        column.name: read_column(posted, number, column, kept.mapping.columns.get(column.name, column.guessed))
        for number, column in enumerate(columns)
    }
    mapping = replace(
        kept.mapping,
        columns=becomes,
        raters=posted.choice("raters", RATERS, kept.mapping.raters),
        rater_name=posted.text("rater_name", MAX_NAME),
        source=posted.text("source", MAX_NAME) or kept.mapping.source,
        models=read_models(posted, project),
        lang=read_lang(posted, kept.mapping.lang),
        tags=read_tags(posted),
    )
    protocol = read_protocol(posted, project)
    return Wish(
        kept.format, mapping, posted.choice("on_bad", ON_BAD, kept.on_bad), data.get("as_tasks") == "1",
        posted.number("wanted", 1, MAX_RATERS), protocol, posted.problems,
    )  # fmt: skip


def read_column(posted: Posted, number: int, column: Column, kept: Becomes) -> Becomes:
    name = f"column-{number}"
    text = posted.data.get(name)
    if text is None:
        return kept
    try:
        becomes = Becomes.parse(text)
    except ValueError as error:
        posted.wrong(name, str(error))
        return kept
    if becomes.values or len(becomes.name) > MAX_NAME:  # values have fields of their own
        posted.wrong(name, f"{text[:40]!r} is not something a column can become. Choose one of the list.")
        return kept
    plainly = replace(becomes, values=usual(column, becomes))
    if becomes.role != kept.role:  # the values in the form were asked of what the column was before
        return plainly
    return replace(becomes, values=read_values(posted, number, plainly, kept))


def usual(column: Column, becomes: Becomes) -> Mapping[str, str]:
    """What its values mean where nobody says otherwise; empty for the words that every file may use."""
    return column.guessed.values if column.guessed.role == becomes.role else {}


def read_values(posted: Posted, number: int, plainly: Becomes, kept: Becomes) -> Mapping[str, str]:
    """{value in the file: what it means}; a value that nobody explains is not there."""
    known = {value for value, _ in MEANINGS.get(plainly.role, ())}
    if not known:  # an older tab may still ask
        return plainly.values
    said: dict[str, str] = {}
    for place in range(count_values(posted.data, number)):
        there = posted.data.get(f"value-{number}-{place}", "")[:200]
        means = posted.data.get(f"means-{number}-{place}", "")
        if means and means not in known:
            posted.wrong(f"column-{number}", f"{means[:40]!r} is not a meaning. There are {', '.join(sorted(known))}.")
        else:
            said[there] = means
    if not said:
        return kept.values
    if all(meaning(plainly, there) == means for there, means in said.items()):
        return plainly.values
    found = {there: means for there, means in {**kept.values, **said}.items() if means}
    for there in found:
        if "," in there:  # a mapping is kept as text, with commas between its values
            posted.wrong(f"column-{number}", f"{there[:40]!r} holds a comma and cannot be translated here.")
    return {there: means for there, means in found.items() if "," not in there}


def count_values(data: QueryDict, number: int) -> int:
    """How many values the form holds for a column; forged forms do not make us count for long."""
    place = 0
    while place < 100 and f"value-{number}-{place}" in data:
        place += 1
    return place


def read_models(posted: Posted, project: Project) -> dict[str, str]:
    asked = {}
    for place in range(MODELS_SHOWN):
        there, mine = posted.data.get(f"model-{place}", ""), posted.data.get(f"is-{place}", "")
        if there and mine:
            asked[there[:200]] = mine
    named = ModelVersion.objects.filter(project=project, name__in={one for one in asked.values() if one.isprintable()})
    known = set(named.values_list("name", flat=True))
    for there, mine in asked.items():
        if mine not in known:
            posted.wrong("models", f"There is no model {mine[:60]!r} in this project, for {there[:60]!r} of the file.")
    return {there: mine for there, mine in asked.items() if mine in known}


def read_lang(posted: Posted, kept: str) -> str:
    lang = posted.data.get("lang", "").strip() or kept
    if len(lang) > 20 or not LANG.fullmatch(lang):
        posted.wrong("lang", f"{lang[:30]!r} is no language code. Write one such as en, ja or pt-BR.")
        return kept
    return lang


def read_tags(posted: Posted) -> list[str]:
    text = posted.text("tags", 400)
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def read_protocol(posted: Posted, project: Project) -> Protocol | None:
    chosen = posted.data.get("protocol", "")
    found = next((one for one in protocols_of(project) if str(one.pk) == chosen), None)
    if chosen and found is None:
        posted.wrong("protocol", "This protocol is not in the project any more. Choose another one.")
    return found


# --- Showing it -------------------------------------------------------------------------------------------------


def groups(column: Column, chosen: Becomes, sides: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(group, [(value, title)]) of what one column can become; ratings take the column's name as their dimension."""
    offered = set()
    own = plain(chosen)
    for group, roles in GROUPS:
        found = []
        for slug in roles:
            role = ROLES[slug]
            for side in range(sides) if role.sided else (None,):
                name = dimension_of(column.name) if role.named == "dimension" else ""
                one = Becomes(slug, side, name)
                found.append((str(one), one.title))
        for special in (plain(column.guessed), own):
            value = str(special)
            if special.role in roles and value not in {known for known, _ in found}:
                found.append((value, special.title))
        offered |= {value for value, _ in found}
        yield group, found
    if str(own) not in offered:
        yield "As it is", [(str(own), own.title)]


def plain(becomes: Becomes) -> Becomes:
    """Without its values, which have fields of their own."""
    return replace(becomes, values={})


def dimension_of(name: str) -> str:
    """A name that can stand in `rating:a:NAME`."""
    return re.sub(r"[:()]+", " ", name).strip()[:MAX_NAME] or "score"


def sides_of(mapping: base.Mapping) -> int:
    """How many answers an item is offered: one more than are in use, and at least two."""
    used = [one.side for one in mapping.columns.values() if one.side is not None]
    return min(max([1, *used]) + 1 + (max(used, default=0) > 1), len(SIDES))


@dataclass(frozen=True)
class ColumnRow:
    """One line of the mapping table."""

    number: int
    column: Column
    groups: list[tuple[str, list[tuple[str, str]]]]
    chosen: str
    becomes: Becomes
    verdict: str
    words: str
    values: Sequence[ValueFound]
    """Of a column whose values are translated."""
    choices: Sequence[tuple[str, str]]
    """What each of those can mean: (value, title)."""
    error: str


def rows(columns: Sequence[Column], wish: Wish, check: Check | None) -> list[ColumnRow]:
    checks = {one.name: one for one in check.columns} if check else {}
    sides = sides_of(wish.mapping)
    found = []
    for number, column in enumerate(columns):
        becomes = wish.mapping.columns.get(column.name, column.guessed)
        checked = checks.get(column.name)
        values = checked.values if checked and becomes.role in MEANINGS else ()
        if becomes.role == "rating" and not becomes.values and all(one.means for one in values):
            values = ()  # 1 to 5, as in most files: nothing to ask
        found.append(
            ColumnRow(
                number, column, list(groups(column, becomes, sides)), str(plain(becomes)), becomes,
                verdict=checked.verdict if checked else "", words=checked.words if checked else column.type,
                values=values, choices=MEANINGS.get(becomes.role, ()),
                error=wish.problems.get(f"column-{number}", ""),
            )
        )  # fmt: skip
    return found
