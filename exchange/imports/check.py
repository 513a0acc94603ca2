"""What an import would do, with nothing written."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import Project
from annotate.models import Protocol
from exchange.imports import asking, values
from exchange.imports.backend import Reading
from exchange.imports.base import (
    LEFT_OUT,
    ROLES,
    SAMPLES,
    SHOWN,
    Becomes,
    Check,
    ColumnCheck,
    Counts,
    Format,
    Mapping,
    Problem,
    Progress,
    Record,
    Row,
    ValueFound,
)
from exchange.imports.mapping import Builder, get_of
from exchange.imports.plan import Plan
from exchange.imports.raters import Models
from exchange.imports.reading import Pass, builder_of
from exchange.imports.turns import LineError

MOST_VALUES = 24
COUNTED_VALUES = 500


def check(
    path: Path, format: Format, mapping: Mapping, project: Project, *, as_tasks: bool = False, wanted: int = 1,
    protocol: Protocol | None = None, progress: Progress | None = None, limit: int | None = None, filename: str = "",
) -> Check:  # fmt: skip
    """Read every line (or the first `limit`), count what it would become, and keep what is wrong with which.

    Raises UnreadableFile, and ValueError with a sentence for a mapping that makes no record (no prompt, no vote).
    """
    began = time.perf_counter()
    builder = builder_of(mapping)
    found = Check()
    models = Models(project, mapping.models, Reading())
    models.check()
    asked = asking.Asked(
        builder.steps, asking.protocol_of(builder, project, None, make=False), as_tasks, protocol, wanted
    )  # fmt: skip
    watch = Watch(builder, found)

    def bad(problem: Problem, row: Row | None, raw: bytes | None) -> None:
        if len(found.problems) < SHOWN:
            found.problems.append(problem)
        watch.missed(problem, row)

    with transaction.atomic():
        plan = Plan(project, asked, Reading(), source=mapping.source, models=models)
        one = Pass(format, builder, bad=bad, seen=watch.seen)
        one.over(path, plan, filename=filename, progress=progress, limit=limit)
    found.lines, found.fits, found.bad, found.counts = one.lines, one.fits, one.bad, plan.counts
    found.columns = watch.columns(mapping)
    found.models = models.names[:1_000]
    found.notes = notes_of(plan.counts, builder, as_tasks)
    found.seconds = time.perf_counter() - began
    return found


def notes_of(counts: Counts, builder: Builder, as_tasks: bool) -> list[str]:
    found = []
    if counts.without_text and not builder.has_texts:
        found.append(
            f"The file has no texts: {counts.without_text:,} answers come in empty, known by their model alone. "
            "Votes on them count, and nobody is given them to judge."
        )
    elif counts.without_text:
        found.append(f"{counts.without_text:,} answers are empty, and were judged as they are.")
    if counts.without_vote:
        lines = "line has" if counts.without_vote == 1 else "lines have"
        found.append(
            f"{counts.without_vote:,} {lines} no {words_of(builder)}: prompt and answers come in, without a vote."
        )
    if counts.models_new:
        found.append(
            f"{counts.models_new:,} models have no weights here: they are on the leaderboard, and cannot be trained "
            "or sampled."
        )
    if counts.votes_known:
        found.append(f"{counts.votes_known:,} votes are here already, from the same raters. They stay as they are.")
    if (
        "key" in builder.by_role
        and "prompt" not in builder.by_role
        and builder.prompts is None
        and not builder.has_texts
    ):
        found.append("Prompts are known by number only. Send the file of prompts along, or join them by key later.")
    if as_tasks and counts.votes:
        found.append("Items with votes are done; only those without become open tasks.")
    return found


def words_of(builder: Builder) -> str:
    """What raters of this file can have said: "preference or rating"."""
    titles = (asking.TITLES[kind] for kind, _ in builder.steps)
    return " or ".join(dict.fromkeys(titles))


class Watch:
    """What is found in each column, and the first records."""

    def __init__(self, builder: Builder, found: Check) -> None:
        self.builder, self.found = builder, found
        self.problems: Counter[str] = Counter()
        self.rows = 0
        self.filled: Counter[str] = Counter()
        self.types: dict[str, set[type]] = {}
        self.values: dict[str, Counter[str]] = {}
        self.gets = [
            (name, get_of(name), ROLES[one.role].mapped or one.role in ("lang", "model", "rater"))
            for name, one in builder.mapping.columns.items()
            if one.role != "skip"
        ]
        self.others: dict[str, None] = {}

    def seen(self, line: int, row: Row, records: list[Record]) -> None:
        if len(self.found.samples) < SAMPLES:
            self.found.samples += records[:1]
        if self.rows < 1_000:
            self.others |= dict.fromkeys(row)
        self.rows += 1
        for name, get, counted in self.gets:
            value = get(row)
            if value is None or value == "":
                continue
            self.filled[name] += 1
            self.types.setdefault(name, set()).add(type(value))
            if counted:
                self.count(name, value)

    def missed(self, problem: Problem, row: Row | None) -> None:
        """A value that made its line a bad one is asked about as well."""
        self.problems[problem.column] += 1
        for name, get, counted in self.gets:
            if counted and row is not None and name == problem.column:
                self.count(name, get(row))

    def count(self, name: str, value: Any) -> None:
        known = self.values.setdefault(name, Counter())
        there = values.plain(value) if not isinstance(value, dict) else ""
        if there in known or len(known) < COUNTED_VALUES:
            known[there] += 1

    def columns(self, mapping: Mapping) -> list[ColumnCheck]:
        found = [self.column(name, mapping.columns[name]) for name, _, _ in self.gets]
        names = {one.name for one in found} | {one.name.split(".")[0] for one in found}
        return found + [
            ColumnCheck(name, LEFT_OUT, "left out", "not read") for name in list(self.others)[:500] if name not in names
        ]

    def column(self, name: str, becomes: Becomes) -> ColumnCheck:
        filled, wrong = self.filled[name], self.problems[name]
        if not filled and not wrong:
            return ColumnCheck(name, becomes, "look", "empty in every line, or made while reading")
        words = [f"{kind_of(self.types.get(name, set()))}, {filled:,}"]
        if self.rows - filled > 0:
            words.append(f"{self.rows - filled:,} empty")
        known = self.values.get(name)
        if known and becomes.role == "lang":
            words = [", ".join(f"{value} {n:,}" for value, n in known.most_common(4))]
        elif known and becomes.role in ("model", "rater"):
            word = "models" if becomes.role == "model" else "raters"
            words = [f"{len(known):,}{'+' if len(known) == COUNTED_VALUES else ''} {word}"]
        elif known:
            words = [f"{len(known):,} values"]
        if wrong:
            words.append(f"wrong in {wrong:,} {'line' if wrong == 1 else 'lines'}")
        listed = self.found_values(name, becomes) if ROLES[becomes.role].mapped and known else ()
        unknown = any(not one.means for one in listed)
        return ColumnCheck(name, becomes, "look" if wrong or unknown else "fits", ", ".join(words), listed)

    def found_values(self, name: str, becomes: Becomes) -> list[ValueFound]:
        """Those that nobody knows first, so that none is missed among many; then the commonest."""
        found = [ValueFound(text, meaning(becomes, text), n) for text, n in self.values[name].most_common()]
        return sorted(found, key=lambda one: bool(one.means))[:MOST_VALUES]


def meaning(becomes: Becomes, text: str) -> str:
    """What a value is read as; "" where nothing is known of it."""
    try:
        if becomes.role == "winner":
            return (becomes.values or values.WINNERS).get(text, "")
        if becomes.role == "label":
            return "good" if values.good_of(text, becomes.values, "") else "bad"
        return str(values.rating_of(text, becomes.values, "") or "")
    except LineError:
        return ""


TYPES: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
}


def kind_of(types: set[Any]) -> str:
    words = {TYPES.get(one, "text") for one in types}
    return words.pop() if len(words) == 1 else "mixed"
