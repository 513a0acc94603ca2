"""The cases of a run, with both texts and what was said in each order; the pairs of a contrast, with what differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet

from evaluate.benchmarks.cases import title_of
from evaluate.benchmarks.on_cases import reads_both
from evaluate.bias.runs import Run
from evaluate.models import CaseVerdict, ContrastedPair

A_PAGE = 25
WORDS = {1.0: "right", 0.0: "wrong", 0.5: "a tie", None: "no verdict"}
ONLY = {
    "wrong": "Not right in both orders",
    "swayed": "Changed with the order",
    "unparseable": "Without a verdict",
}


@dataclass(frozen=True)
class Reading:
    """What was said in one order."""

    order: str
    """The letter of the better answer and what the judge chose, in words."""
    verdict: str
    certainty: float | None
    """Probability of the letter that was chosen, where it was read off the tokens."""
    text: str


@dataclass(frozen=True)
class Shown:
    """A case as the page shows it."""

    stored: CaseVerdict
    title: str
    readings: tuple[Reading, ...]
    scores: tuple[float, float] | None
    right: bool

    @property
    def prompt(self) -> str:
        return str(self.stored.case["prompt"][-1]["content"]) if self.stored.case["prompt"] else ""


def page_of(run: Run, *, kind: str, only: str, page: str) -> Page[Any]:
    found = CaseVerdict.objects.filter(job=run.job)
    if kind:
        found = found.filter(case_type=kind)
    return Paginator(narrowed(found, only, both=reads_both(run.voice)).order_by("pk"), A_PAGE).get_page(page or 1)


def narrowed(found: QuerySet[CaseVerdict], only: str, *, both: bool) -> QuerySet[CaseVerdict]:
    if only == "wrong":
        return found.exclude(Q(given=1, swapped=1) if both else Q(given=1))
    if only == "swayed":
        return found.filter(Q(given=1, swapped=0) | Q(given=0, swapped=1))
    if only == "unparseable":
        return found.filter(Q(given__isnull=True) | Q(swapped__isnull=True)) if both else found.filter(given=None)
    return found


def shown(cases: Sequence[CaseVerdict], run: Run) -> list[Shown]:
    both = reads_both(run.voice)
    return [
        Shown(
            one, title_of(one.case_type), readings_of(one) if both else (),
            tuple(one.readings["scores"]) if "scores" in one.readings else None,
            one.given == 1 and (not both or one.swapped == 1),
        )
        for one in cases
    ]  # fmt: skip


def readings_of(one: CaseVerdict) -> tuple[Reading, ...]:
    found = []
    for name, verdict, better_first in (
        ("given", one.given, one.better_first),
        ("swapped", one.swapped, not one.better_first),
    ):
        read = one.readings.get(name, {})
        said = read.get("probabilities") or {}
        better = "A" if better_first else "B"
        chose = "" if verdict is None else "C, a tie" if verdict == 0.5 else better if verdict == 1 else other(better)
        order = f"better shown as {better}, " + (f"chose {chose}" if chose else "said neither A, B nor C")
        certainty = max(said.values()) if said and chose else None
        found.append(Reading(order, WORDS[verdict], certainty, str(read.get("text", ""))))
    return tuple(found)


def other(letter: str) -> str:
    return "B" if letter == "A" else "A"


@dataclass(frozen=True)
class Contrast:
    """Two prompts that differ in one value, and what was written to each."""

    stored: ContrastedPair
    sides: tuple[dict[str, Any], dict[str, Any]]
    same: bool
    """Whether the plain continuations are the same: then only the contrast shows a difference."""

    @property
    def gap(self) -> float:
        return max((one for one in self.stored.gaps if one is not None), default=0.0)


def contrasts(job_pk: int) -> list[Contrast]:
    """The widest gap first."""
    found = []
    for one in ContrastedPair.objects.filter(job=job_pk).order_by("pk"):
        one_side, other_side = (side_of(one, place) for place in (0, 1))
        found.append(Contrast(one, (one_side, other_side), one.plain[0] == one.plain[1]))
    return sorted(found, key=lambda pair: (-pair.gap, pair.stored.key))


def side_of(one: ContrastedPair, place: int) -> dict[str, Any]:
    """The prompt cut around its value, so that the page can mark it."""
    before, value, after = one.prompts[place].partition(one.values[place])
    return {
        "letter": "AB"[place], "before": before, "value": value, "after": after, "plain": one.plain[place],
        "contrasted": one.contrasted[place], "gap": one.gaps[place],
    }  # fmt: skip
