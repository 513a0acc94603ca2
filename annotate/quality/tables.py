"""Reliability tables from the answers of a project: what counts as a unit and as a value, kind by kind.

Values are brought into canonical order first, so that "the left one" of two raters who saw different orders is not
taken for agreement. People and simulated raters never share a table.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accounts.models import Project, User
from annotate.kinds import KINDS
from annotate.models import Feedback, Protocol
from annotate.quality.agreement import Level
from annotate.quality.columns import NONE, SHARED, Answers, valued
from annotate.quality.reliability import Table

SIDES = ("both bad", "first", "second", "tie")
"""Values of a comparison in canonical order: the response at position 0 is the first, whoever saw it where."""
WIDE = 16
"""More than the steps or the responses of an item, so that one number can hold a task, a step and a place."""


@dataclass(frozen=True, order=True)
class Measure:
    """Something that raters can agree on."""

    kind: str
    name: str
    level: Level
    """The level that fits its values; values of another level than nominal are numbers."""

    @property
    def levels(self) -> tuple[Level, ...]:
        return ("nominal",) if self.level == "nominal" else ("nominal", "ordinal", "interval")


BETTER = Measure("pairwise", "which is better", "nominal")
STRENGTH = Measure("pairwise", "how much better", "ordinal")


@dataclass
class Ratings:
    """Ratings of one measure as they are collected: a list each, then arrays."""

    unit: list[int] | NDArray[np.int64] = field(default_factory=list)
    rater: list[int] | NDArray[np.int64] = field(default_factory=list)
    value: list[Any] | NDArray[Any] = field(default_factory=list)
    lang: list[str] | NDArray[np.str_] = field(default_factory=list)
    simulated: list[bool] | NDArray[np.bool_] = field(default_factory=list)

    def settled(self) -> "Ratings":
        return Ratings(
            np.asarray(self.unit, dtype=np.int64), np.asarray(self.rater, dtype=np.int64), np.asarray(self.value),
            np.asarray(self.lang, dtype=np.str_), np.asarray(self.simulated, dtype=bool),
        )  # fmt: skip

    def table(self, *, simulated: bool, lang: str = "") -> Table:
        """Of people or of simulated raters, of one language or of all. Raters are named by their id."""
        chosen = np.asarray(self.simulated) == simulated
        if lang:
            chosen &= np.asarray(self.lang) == lang
        return table_of(np.asarray(self.unit)[chosen], np.asarray(self.rater)[chosen], np.asarray(self.value)[chosen])


def table_of(unit: NDArray[np.int64], rater: NDArray[np.int64], value: NDArray[Any]) -> Table:
    """The same as reliability.table, for arrays: each rater gave each unit one value. All (ratings,)."""
    _, units = np.unique(unit, return_inverse=True)
    raters, who = np.unique(rater, return_inverse=True)
    values, what = np.unique(value, return_inverse=True)
    return Table(
        units.astype(np.int64), who.astype(np.int64), what.astype(np.int64), tuple(map(str, raters.tolist())),
        tuple(values.tolist()),
    )  # fmt: skip


def sides(answers: Answers) -> tuple[Ratings, Ratings]:
    """BETTER and STRENGTH, from columns alone: most projects have nothing else, and a hundred thousand of it."""
    paired = answers.where((answers.kind == "pairwise") & np.isin(answers.purpose, SHARED))
    unit = paired.task * WIDE + paired.step
    code = np.where(paired.preference == NONE, 0, np.where(paired.preference > 0, 1, 2))
    better = np.array(SIDES)[np.where(paired.preference == 0, 3, code)]
    graded = paired.where(paired.preference != NONE)
    return (
        Ratings(unit, paired.rater, better, paired.lang, paired.simulated),
        Ratings(
            graded.task * WIDE + graded.step, graded.rater, graded.preference, graded.lang, graded.simulated
        ),
    )  # fmt: skip


def ratings_of(project: Project, answers: Answers, *, around: User | None = None) -> dict[Measure, Ratings]:
    """Every measure that the answers hold, the two of comparisons first. `around`: as in read_answers."""
    better, strength = sides(answers)
    found: dict[Measure, Ratings] = defaultdict(Ratings)
    asked = AskedOf(project)
    rows = valued(project, set(READERS) - {"pairwise"}, around=around).values_list(
        "task_id", "step", "annotator_id", "task__lang", "origin", "kind", "value", "order", "task__protocol_id"
    )
    for task, step, rater, lang, origin, kind, value, order, protocol in rows.iterator(chunk_size=20_000):
        simulated, base = origin == Feedback.Origin.SIMULATED, task * WIDE + step
        for measure, place, said in READERS[kind](value, order, asked.options(protocol, step)):
            one = found[measure]
            one.unit.append(base * WIDE**2 + place)  # type: ignore[union-attr]
            one.rater.append(rater)  # type: ignore[union-attr]
            one.value.append(said)  # type: ignore[union-attr]
            one.lang.append(lang)  # type: ignore[union-attr]
            one.simulated.append(simulated)  # type: ignore[union-attr]
    given = {BETTER: better, STRENGTH: strength} if len(better.unit) else {}
    return given | {measure: found[measure].settled() for measure in sorted(found)}


def main_measure(ratings: Mapping[Measure, Ratings], *, simulated: bool) -> Measure | None:
    """What to speak of: which answer is better, where that is shared; else what most shared items are behind."""
    units = {
        one: int((np.bincount(table.unit) >= 2).sum()) if (table := given.table(simulated=simulated)).unit.size else 0
        for one, given in ratings.items()
    }
    if units.get(BETTER):
        return BETTER
    return max(units, key=lambda one: units[one]) if any(units.values()) else None


class AskedOf:
    """The options of the steps of a project's protocols, as they are stored."""

    def __init__(self, project: Project) -> None:
        self.steps = dict(Protocol.objects.filter(project=project).values_list("pk", "steps"))

    def options(self, protocol: int | None, step: int) -> Mapping[str, Any]:
        steps = self.steps.get(protocol, ()) if protocol else ()
        return steps[step].get("options") or {} if step < len(steps) else {}


# --- A reader a kind: (value as shown, order, options) -> (measure, place in the item below WIDE^2, value) ----------

Said = tuple[Measure, int, Any]
Options = Mapping[str, Any]
Reader = Callable[[Mapping[str, Any], Sequence[int], Options], Iterator[Said]]


def dimensions(value: Mapping[str, Any], order: Sequence[int], options: Options) -> Iterator[Said]:
    """Each dimension of a comparison, -3 to 3, positive for position 0."""
    sign = 1 if order[0] == 0 else -1
    for name, strength in (value.get("dimensions") or {}).items():
        yield Measure("pairwise", name, "ordinal"), 0, sign * int(strength)


def rubric(value: Mapping[str, Any], order: Sequence[int], options: Options) -> Iterator[Said]:
    """The level, 1 to 5, of each response in each dimension."""
    names = names_of(options)
    for position, levels in zip(order, value.get("ratings") or (), strict=False):
        for name, level in (levels or {}).items():
            if level is not None:
                yield Measure("rubric", names.get(name, name), "ordinal"), position, int(level)


def names_of(options: Options) -> Mapping[str, str]:
    """{key: name} of a rubric's dimensions, as the raters read them; keys where two have one name."""
    asked = (options.get("rubric") or {}).get("dimensions") or ()
    names = {str(one["key"]): str(one["name"]) for one in asked or usual_dimensions()}
    return names if len(set(names.values())) == len(names) else {}


@cache
def usual_dimensions() -> Sequence[Mapping[str, Any]]:
    """Those of a rubric step that says nothing of its own."""
    found: Mapping[str, Any] = KINDS["rubric"].options().model_dump() if "rubric" in KINDS else {"rubric": {}}
    return found["rubric"].get("dimensions", ())


def ranking(value: Mapping[str, Any], order: Sequence[int], options: Options) -> Iterator[Said]:
    """The rank of each response, and which of each two is above; those without a rank are below all others."""
    given = list(value.get("ranks") or ())
    last = 1 + sum(rank is not None for rank in given)
    ranks = {position: last if rank is None else int(rank) for position, rank in zip(order, given, strict=False)}
    for position, rank in ranks.items():
        yield Measure("ranking", "rank", "ordinal"), position, rank
    placed = sorted(ranks)
    for i, one in enumerate(placed):
        for other in placed[i + 1 :]:
            above = "tie" if ranks[one] == ranks[other] else "first" if ranks[one] < ranks[other] else "second"
            yield Measure("ranking", "which of two is above", "nominal"), one * WIDE + other, above


def selection(value: Mapping[str, Any], order: Sequence[int], options: Options) -> Iterator[Said]:
    """Of each candidate whether it fits."""
    fits = set(value.get("fits") or ())
    for place, position in enumerate(order):
        yield Measure("selection", "which fit", "nominal"), position, "fits" if place in fits else "does not"


def critique(value: Mapping[str, Any], order: Sequence[int], options: Options) -> Iterator[Said]:
    """Of a response whether anything is marked in it, and for each label that was offered, whether it was given.

    Where in the text a mark is, is not compared: two raters who mark the same mistake rarely mark the same letters.
    """
    given = {str(mark.get("label", "")) for mark in value.get("marks") or ()}
    yield Measure("critique", "anything marked", "nominal"), order[0], "marked" if given else "not"
    for label in offered(options):
        said = "marked" if label in given else "not"
        yield Measure("critique", f"“{label}” marked", "nominal"), order[0], said


def offered(options: Options) -> Sequence[str]:
    """The labels of a step: its own, or those that a critique has unless told otherwise."""
    if "labels" in options:
        return [str(label) for label in options["labels"]]
    kind = KINDS.get("critique")
    return list(kind.options.model_fields["labels"].default) if kind else []


READERS: dict[str, Reader] = {
    "pairwise": dimensions, "rubric": rubric, "ranking": ranking, "selection": selection, "critique": critique,
}  # fmt: skip
