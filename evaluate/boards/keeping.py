"""Boards that are kept for as long as what they were worked out from stays as it is."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Project
from evaluate.battles import Voice, held_out, judged, voted
from evaluate.boards import counting, reading
from evaluate.boards.board import Board, boards_of
from evaluate.boards.slices import ALL, Slice
from evaluate.models import Evaluation, KeptBoard
from evaluate.stats import Estimate, Rating, Ratings
from registry.models import ModelVersion

SHORT = 0.25
"""Seconds of work that a page may wait for; what takes longer is shown as it was, and asked for once more."""


@dataclass(frozen=True)
class Found:
    """Boards, and what they cover: `behind` when something newer is not in them."""

    boards: list[Board]
    made_at: datetime | None
    waiting: int
    behind: bool


def boards(project: Project, chosen: Slice = ALL) -> list[Board]:
    """A board a voice, with everything in it that is written by now."""
    return current(project, chosen, counting.count(project))


def at_hand(project: Project, chosen: Slice = ALL) -> Found:
    """The boards as fast as a page needs them: brought up to date where that is quick, else as they were."""
    kept = KeptBoard.objects.filter(project=project, slice=chosen.key).first()
    found = counting.covered(project)
    slow = kept is not None and kept.seconds > SHORT
    if found.waiting and not slow:
        found = counting.count(project, seconds=SHORT)
    fresh = kept is not None and (kept.version, kept.models_hash) == (found.version, models_hash(project))
    if kept is not None and (fresh or slow):
        return Found(read(kept.boards), kept.made_at, found.waiting, not fresh or found.waiting > 0)
    return Found(current(project, chosen, found), timezone.now(), found.waiting, found.waiting > 0)


def brought_up(project: Project, chosen: Slice = ALL, *, seconds: float = 5.0) -> Found:
    """The same with as much work done as a request may take; `behind` until all is counted."""
    found = counting.count(project, seconds=seconds)
    return Found(current(project, chosen, found), timezone.now(), found.waiting, found.waiting > 0)


def current(project: Project, chosen: Slice, found: counting.Covered) -> list[Board]:
    """Boards of the counts as they are, kept or worked out; equal counts give equal boards and no work."""
    models = models_hash(project)
    kept = KeptBoard.objects.filter(project=project, slice=chosen.key).first()
    if kept and (kept.version, kept.models_hash) == (found.version, models):
        return read(kept.boards)
    begin = time.perf_counter()
    if chosen.evaluation:
        made = from_scratch(project, chosen)
        keep(project, chosen, made, begin=begin, version=found.version, models_hash=models, counts_hash="")
        return made
    rows = reading.counts(project, chosen)
    content = reading.counts_hash(rows)
    if kept and (kept.counts_hash, kept.models_hash) == (content, models):
        KeptBoard.objects.filter(pk=kept.pk, version__lt=found.version).update(version=found.version)
        return read(kept.boards)
    made = boards_of(project, held_out(project, reading.battles(project, rows)))
    keep(project, chosen, made, begin=begin, version=found.version, models_hash=models, counts_hash=content)
    return made


def keep(project: Project, chosen: Slice, made: list[Board], *, begin: float, **values: Any) -> None:
    values |= {
        "boards": written(made), "seconds": time.perf_counter() - begin, "made_at": timezone.now(),
    }  # fmt: skip
    KeptBoard.objects.update_or_create(project=project, slice=chosen.key, defaults=values)


def from_scratch(project: Project, chosen: Slice = ALL) -> list[Board]:
    """The same boards from every vote and verdict, without counts: what the kept ones are held against."""
    evaluation = named(project, chosen.evaluation) if chosen.evaluation else None
    found = [*voted(project, evaluation=evaluation), *judged(project, evaluation=evaluation)]
    if chosen.lang or chosen.tag or chosen.turn:
        prompts = set(chosen.prompts(project).values_list("pk", flat=True))
        found = [one.on(prompts) for one in found]
    return boards_of(project, held_out(project, [one for one in found if len(one)]))


def named(project: Project, name: str) -> Evaluation:
    """One that is not there has no battles."""
    return Evaluation.objects.filter(project=project, name=name).first() or Evaluation(pk=0, project=project)


def models_hash(project: Project) -> str:
    """Of what decides names and what is held out. Datasets are frozen, so which they are says what is in them."""
    rows = ModelVersion.objects.filter(project=project).order_by("pk")
    return hashlib.sha256(
        json.dumps(list(rows.values_list("pk", "name", "parent_id", "dataset_id"))).encode()
    ).hexdigest()


def written(made: list[Board]) -> list[dict[str, Any]]:
    return [
        {
            "voice": asdict(one.voice),
            "ratings": asdict(one.ratings),
            "rates": {name: values(rate) for name, rate in one.rates.items()},
            # Of each pair one side: the other is the same battles turned round.
            "pairs": [[first, second, *values(rate)] for (first, second), rate in one.pairs.items()],
            "trained": one.trained,
        }
        for one in made
    ]


def values(rate: Estimate) -> list[Any]:
    return [rate.value, rate.low, rate.high, rate.n, rate.clusters]


def read(kept: list[dict[str, Any]]) -> list[Board]:
    return [
        Board(
            Voice(**one["voice"]),
            ratings_of(one["ratings"]),
            {name: Estimate(*rate) for name, rate in one["rates"].items()},
            {(first, second): Estimate(*rate) for first, second, *rate in one["pairs"]},
            one["trained"],
        )
        for one in kept
    ]


def ratings_of(kept: dict[str, Any]) -> Ratings:
    rows = tuple(Rating(**row) for row in kept["rows"])
    return Ratings(**kept | {"rows": rows, "groups": tuple(tuple(group) for group in kept["groups"])})
