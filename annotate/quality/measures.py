"""How far a project's raters agree: every measure by language, pairs of raters, contradictions, known answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db.models import Count

from accounts.models import Project
from annotate.models import Assignment, Contradiction, Feedback, Task
from annotate.quality.agreement import Estimate, Level, alpha, cohen_kappas, fleiss_kappa, raw
from annotate.quality.columns import Answers, finished, read_answers
from annotate.quality.intervals import Share, share
from annotate.quality.kept import Kept, kept
from annotate.quality.reliability import Table
from annotate.quality.tables import Measure, Ratings, main_measure, ratings_of

DRAWS = 500
ENOUGH_SHARED = 20
"""Two raters who share fewer items have no kappa that says anything."""
MOST_PAIRS = 2_000_000
"""Above so many pairs of ratings, kappa for each two raters takes longer than a page may."""


@dataclass(frozen=True)
class Row:
    """Agreement in one measure and language ("" for all of them)."""

    measure: Measure
    lang: str
    raw: Estimate
    fleiss: Estimate
    alphas: Mapping[Level, Estimate]
    raters: int

    @property
    def alpha(self) -> Estimate:
        """At the level that fits the values."""
        return self.alphas[self.measure.level]

    @property
    def units(self) -> int:
        return self.raw.n


@dataclass(frozen=True)
class Pair:
    """Cohen's kappa of two raters."""

    one: int
    other: int
    kappa: Estimate


@dataclass(frozen=True)
class Voice:
    """People, or simulated raters: what they agree on."""

    simulated: bool
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...] = ()
    main_measure: Measure | None = None
    """What the kappas are of, and what is spoken of first."""
    too_many: bool = False
    """Raters share more pairs of ratings than can be compared at once."""
    gold: Share = field(default_factory=lambda: share(0, 0))
    gold_kinds: tuple[tuple[str, Share], ...] = ()

    @property
    def main(self) -> Row | None:
        """The row to speak of, in all languages."""
        whole = [row for row in self.rows if not row.lang]
        return next((row for row in whole if row.measure == self.main_measure), next(iter(whole), None))


@dataclass(frozen=True)
class Rule:
    """How often one contradiction was found, and what became of it."""

    name: str
    kept: int
    changed: int
    open: int

    @property
    def total(self) -> int:
        return self.kept + self.changed + self.open


def voices(project: Project) -> Kept[tuple[Voice, ...]]:
    """People first, then simulated raters; only those who answered. Kept until answers change."""
    return kept(project, "voices", lambda: measure(project))


def measure(project: Project) -> tuple[Voice, ...]:
    answers = read_answers(project)
    ratings = ratings_of(project, answers)
    return tuple(
        voice(answers.where(answers.simulated == simulated), ratings, simulated=simulated)
        for simulated in (False, True)
        if (answers.simulated == simulated).any()
    )


def voice(answers: Answers, ratings: Mapping[Measure, Ratings], *, simulated: bool) -> Voice:
    rows: list[Row] = []
    for one, given in ratings.items():
        whole = given.table(simulated=simulated)
        if not whole.unit.size:
            continue
        langs = sorted(set(np.asarray(given.lang)[np.asarray(given.simulated) == simulated].tolist()))
        rows.append(row_of(one, "", whole))
        if len(langs) > 1:
            rows += [row_of(one, lang, given.table(simulated=simulated, lang=lang)) for lang in langs]
    gold, kinds = gold_accuracy(answers)
    main = main_measure(ratings, simulated=simulated)
    pairs: tuple[Pair, ...] = ()
    too_many = False
    if main:
        table = ratings[main].table(simulated=simulated)
        too_many = shared_pairs(table) > MOST_PAIRS
        pairs = () if too_many else kappas(table)
    return Voice(simulated, tuple(rows), pairs, main, too_many, gold, kinds)


def row_of(one: Measure, lang: str, table: Table) -> Row:
    return Row(
        one, lang, raw(table, draws=DRAWS), fleiss_kappa(table, draws=DRAWS),
        {level: alpha(table, level=level, draws=DRAWS) for level in one.levels}, len(table.raters),
    )  # fmt: skip


def shared_pairs(table: Table) -> int:
    sizes = np.bincount(table.unit) if table.unit.size else np.zeros(0, dtype=np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def kappas(table: Table) -> tuple[Pair, ...]:
    """Of each two raters who share enough items, those who share most first."""
    quick = cohen_kappas(table, draws=0)
    enough = {pair for pair, one in quick.items() if one.n >= ENOUGH_SHARED}
    # With intervals where they can be read; a thousand of them would take minutes and nobody looks at each.
    found = cohen_kappas(only(table, enough), draws=DRAWS) if 0 < len(enough) <= 200 else quick
    pairs = [Pair(int(a), int(b), found[a, b]) for a, b in enough]
    return tuple(sorted(pairs, key=lambda one: (-one.kappa.n, one.one, one.other)))


def only(table: Table, pairs: set[tuple[str, str]]) -> Table:
    """The table without raters who are in none of the pairs."""
    wanted = {name for pair in pairs for name in pair}
    keep = np.array([name in wanted for name in table.raters], dtype=bool)[table.rater]
    return Table(table.unit[keep], table.rater[keep], table.value[keep], table.raters, table.values)


def gold_accuracy(answers: Answers) -> tuple[Share, tuple[tuple[str, Share], ...]]:
    """Of answers to gold tasks the share that was right, in all and by kind."""
    known = answers.where((answers.purpose == Task.Purpose.GOLD) & (answers.right >= 0))
    kinds = sorted(set(known.kind.tolist()))
    return share(int(known.right.sum()), len(known)), tuple(
        (kind, share(int(known.right[known.kind == kind].sum()), int((known.kind == kind).sum()))) for kind in kinds
    )


def contradictions(project: Project, *, simulated: bool = False) -> tuple[list[Rule], Share]:
    """By rule, most often found first; and the share of finished items in which something was found.

    Of people, or of simulated raters.
    """
    asked = Contradiction.objects.filter(project=project, assignment__annotator__is_simulated=simulated)
    rows = asked.order_by().values_list("rule", "resolution").annotate(n=Count("pk"))
    counts: dict[str, dict[str, int]] = {}
    for rule, resolution, n in rows:
        counts.setdefault(rule, {})[resolution] = n
    if not counts:
        return [], share(0, 0)
    Resolution = Contradiction.Resolution
    rules = [
        Rule(name, of.get(Resolution.KEPT, 0), of.get(Resolution.CHANGED, 0), of.get(Resolution.OPEN, 0))
        for name, of in counts.items()
    ]
    origin = Feedback.Origin.SIMULATED if simulated else Feedback.Origin.HUMAN
    items = finished(project).filter(origin=origin).aggregate(n=Count("assignment_id", distinct=True))["n"]
    touched = asked.filter(assignment__status=Assignment.Status.SUBMITTED)
    found = touched.aggregate(n=Count("assignment_id", distinct=True))["n"]
    return sorted(rules, key=lambda one: (-one.total, one.name)), share(found, items)


def level_words(found: Estimate) -> str:
    """How good an agreement is, by the bounds of Krippendorff (2004) and what chance gives."""
    if found.value is None:
        return "undefined"
    if found.low is not None and found.low <= 0 <= (found.high or 0):
        return "no more than chance would give"
    steps: Sequence[tuple[float, str]] = ((0.8, "well"), (0.667, "fairly well"), (0.4, "somewhat"), (0.0, "little"))
    return next((words for bound, words in steps if found.value >= bound), "less than chance would give")
