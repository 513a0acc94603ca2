"""What a check finds in each column of a file: how it is filled, its values, and what is odd about them."""

from collections import Counter
from typing import Any

from exchange.imports import values
from exchange.imports.base import LEFT_OUT, ROLES, SAMPLES, Becomes, Format, Mapping, Problem, Record, Row
from exchange.imports.mapping import Builder, Get, get_of
from exchange.imports.outcome import Check, ColumnCheck, ValueFound
from exchange.imports.turns import LineError

MOST_VALUES = 24
COUNTED_VALUES = 500
LONGEST = 200
"""Characters of a value by which it is told from others."""
WRITTEN = ("critique", "edited")
"""What a person writes for one item: the same text again and again was not written by one."""
COUNTED = ("lang", "model", "rater", *WRITTEN)
LEAST_SAME, SHARE_SAME = 5, 0.02


def short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


class Watch:
    """What is found in each column, and the first records."""

    def __init__(self, builder: Builder, format: Format, found: Check) -> None:
        self.builder, self.format, self.found = builder, format, found
        self.problems: Counter[str] = Counter()
        self.rows = 0
        self.filled: Counter[str] = Counter()
        self.types: dict[str, set[type]] = {}
        self.values: dict[str, Counter[str]] = {}
        self.gets = [
            (name, get_of(name), ROLES[one.role].mapped or one.role in COUNTED)
            for name, one in builder.mapping.columns.items()
            if one.role != "skip"
        ]
        self.others: dict[str, None] = {}
        self.made: set[str] = set()
        """Columns that are not in the file: the format makes them of a line."""

    def seen(self, row: Row, flat: list[Row], records: list[Record]) -> None:
        if len(self.found.samples) < SAMPLES:
            self.found.samples += records[:1]
        if self.rows < 1_000:
            self.others |= dict.fromkeys(row)
        self.rows += 1
        for name, get, counted in self.gets:
            given = [value] if (value := get(row)) not in (None, "") else self.unfolded(name, get, row, flat)
            if not given:
                continue
            self.filled[name] += 1
            self.types.setdefault(name, set()).update(map(type, given))
            if counted:
                for one in given:
                    self.count(name, one)

    def unfolded(self, name: str, get: Get, row: Row, flat: list[Row]) -> list[Any]:
        """What the format made of a line for this column: a value a rater where a line holds several."""
        if flat == [row]:
            return []
        found = [value for one in flat if (value := get(one)) not in (None, "")]
        if found:
            self.made.add(name)
        return found

    def missed(self, problem: Problem, row: Row | None) -> None:
        """A value that made its line a bad one is asked about as well."""
        self.problems[problem.column] += 1
        for name, get, counted in self.gets:
            if counted and row is not None and name == problem.column:
                self.count(name, get(row))

    def count(self, name: str, value: Any) -> None:
        known = self.values.setdefault(name, Counter())
        there = values.plain(value)[:LONGEST] if not isinstance(value, dict) else ""
        if there in known or len(known) < COUNTED_VALUES:
            known[there] += 1

    def columns(self, mapping: Mapping) -> list[ColumnCheck]:
        found = [self.column(name, mapping.columns[name]) for name, _, _ in self.gets]
        names = {one.name for one in found} | {one.name.split(".")[0] for one in found}
        return found + [
            ColumnCheck(name, LEFT_OUT, "left out", self.read_into(name))
            for name in list(self.others)[:500]
            if name not in names
        ]

    def read_into(self, name: str) -> str:
        """A column that is left out may still be what another one is made of."""
        into = [made for made, of in self.format.made.items() if of == name and made in self.made]
        return f"read into {' and '.join(into)}" if into else "not read"

    def column(self, name: str, becomes: Becomes) -> ColumnCheck:
        filled, wrong = self.filled[name], self.problems[name]
        if not filled and not wrong:
            return ColumnCheck(name, becomes, "look", "empty in every line")
        words = [f"{kind_of(self.types.get(name, set()))}, {filled:,}"]
        if self.rows - filled > 0:
            words.append(f"{self.rows - filled:,} empty")
        known = self.values.get(name)
        if known and becomes.role == "lang":
            words = [", ".join(f"{value} {n:,}" for value, n in known.most_common(4))]
        elif known and becomes.role in ("model", "rater"):
            word = becomes.role if len(known) == 1 else f"{becomes.role}s"
            words = [f"{len(known):,}{'+' if len(known) == COUNTED_VALUES else ''} {word}"]
        elif known:
            words = [f"{len(known):,} value{'' if len(known) == 1 else 's'}"]
        if name in self.made:
            words.append(f"made from {self.format.made[name]}" if name in self.format.made else "made while reading")
        if wrong:
            words.append(f"wrong in {wrong:,} {'line' if wrong == 1 else 'lines'}")
        listed = self.found_values(name, becomes) if ROLES[becomes.role].mapped and known else ()
        unknown = any(not one.means for one in listed)
        return ColumnCheck(name, becomes, "look" if wrong or unknown else "fits", ", ".join(words), listed)

    def notes(self) -> list[str]:
        """What is odd about what was found, and stops nothing."""
        found = []
        for name, becomes in self.builder.mapping.columns.items():
            known = self.values.get(name)
            if known and becomes.role in WRITTEN:
                found += self.repeated(name, known)
            elif known and becomes.role == "rating" and becomes.values:
                levels = sorted({meaning(becomes, text) for text in known} - {""})
                if len(levels) == 2:
                    found.append(
                        f"{name} has two values, and becomes {' and '.join(levels)} of five levels. If it is a yes or "
                        "no, let it become “Acceptable”: a judge trained on it as a rating learns levels that nobody "
                        "gave."
                    )
        return found

    def repeated(self, name: str, known: Counter[str]) -> list[str]:
        text, count = known.most_common(1)[0]
        if count < LEAST_SAME or count < SHARE_SAME * self.filled[name]:
            return []
        return [
            f"{name} is the same text in {count:,} lines: “{short(text)}”. If nobody wrote that, mend or leave out "
            "those lines: each comes in as what a person said."
        ]

    def found_values(self, name: str, becomes: Becomes) -> list[ValueFound]:
        """Those that nobody knows first, so that none is missed among many; then the commonest."""
        found = [ValueFound(text, meaning(becomes, text), n) for text, n in self.values[name].most_common()]
        return sorted(found, key=lambda one: bool(one.means))[:MOST_VALUES]


def meaning(becomes: Becomes, text: str) -> str:
    """What a value is read as; "" where nothing is known of it."""
    try:
        if becomes.role == "winner":
            return (becomes.values or values.WINNERS).get(text, "")
        if becomes.role in ("label", "fits"):
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
