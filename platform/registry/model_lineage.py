"""Where a model came from and what was made from it, laid out in columns for the page to draw."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from django.urls import reverse

from registry.models import Job, ModelVersion

WIDTH, GAP, HEIGHT, STEP = 172, 44, 40, 52
"""Of a box and of what is between two, in units of the drawing."""
COLUMNS = 5
MOST = 4
"""Boxes in a column; of what is beyond, the number is told."""
LETTERS = 24


@dataclass(frozen=True)
class Box:
    title: str
    about: str
    url: str
    here: bool = False
    x: float = 0
    y: float = 0

    @property
    def short(self) -> str:
        return self.title if len(self.title) <= LETTERS else f"{self.title[: LETTERS - 1]}…"


@dataclass(frozen=True)
class Drawing:
    boxes: list[Box]
    arrows: list[tuple[str, str]]
    """The path of each arrow, and of its tip."""
    width: int
    height: int
    said: str
    """The same in words."""


def draw(model: ModelVersion) -> Drawing:
    columns = [column for column in (answers(model), sources(model), run(model), [here(model)], made(model)) if column]
    height = max(len(column) for column in columns) * STEP
    placed = [
        [Box(one.title, one.about, one.url, one.here, number * (WIDTH + GAP) + 0.5,
             (height - len(column) * STEP) / 2 + row * STEP + (STEP - HEIGHT) / 2)
         for row, one in enumerate(column)]
        for number, column in enumerate(columns)
    ]  # fmt: skip
    arrows = [
        arrow(start, end)
        for left, right in pairwise(placed)
        for start in left for end in right
        # Answers went into the dataset, not into the parent, which stands below it.
        if not (left is placed[0] and model.dataset and end.title != str(model.dataset) and len(right) > 1)
    ]  # fmt: skip
    said = ", then ".join(" and ".join(f"{one.title} ({one.about})" for one in column) for column in columns)
    boxes = [one for column in placed for one in column]
    # As wide as with all columns, so that a box has the same size whatever is known of a model.
    return Drawing(boxes, arrows, COLUMNS * (WIDTH + GAP) - GAP + 1, height, said)


def arrow(start: Box, end: Box) -> tuple[str, str]:
    x, y = start.x + WIDTH, start.y + HEIGHT / 2
    to, down = end.x - 6, end.y + HEIGHT / 2
    middle = (x + to) / 2
    return f"M{x} {y}C{middle} {y} {middle} {down} {to} {down}", f"M{end.x} {down}l-7-3.5v7z"


def answers(model: ModelVersion) -> list[Box]:
    if model.dataset is None or "feedback" not in model.dataset.card:
        return []
    card = model.dataset.card
    people = f"{card['raters']:,} raters" if "raters" in card else "open the dataset to read them"
    return [Box(f"{card['feedback']:,} answers", people, model.dataset.get_absolute_url())]


def sources(model: ModelVersion) -> list[Box]:
    found = []
    if model.dataset:
        rows = model.dataset.rows.get("train", 0)
        found.append(Box(str(model.dataset), f"{rows:,} rows to train on", model.dataset.get_absolute_url()))
    if model.parent:
        above = model.parent.parent
        found.append(Box(model.parent.name, f"parent, from {above.name}" if above else "parent",
                         model.parent.get_absolute_url()))  # fmt: skip
    return found


def run(model: ModelVersion) -> list[Box]:
    return [Box(model.job.name, f"run, {model.job.status}", model.job.get_absolute_url())] if model.job else []


def here(model: ModelVersion) -> Box:
    return Box(model.name, "this model", model.get_absolute_url(), here=True)


def made(model: ModelVersion) -> list[Box]:
    found = list(products(model))
    kept = found if len(found) <= MOST else found[: MOST - 1]
    more = len(found) - len(kept)
    return [*kept, *([Box(f"{more:,} more", "listed below", "#made")] if more else [])]


def products(model: ModelVersion) -> Iterable[Box]:
    for child in model.children.select_related("project").order_by("pk"):
        yield Box(child.name, f"{child.role} that comes from it", child.get_absolute_url())
    setting = "model" if model.role == "policy" else "reward_model"
    kinds = ("sample", "judge") if model.role == "policy" else ("judge", "score")
    for job in Job.objects.filter(
        project=model.project, kind__in=kinds, **{f"params__{setting}": model.name}, status=Job.Status.SUCCEEDED
    ).select_related("project").order_by("-pk")[:50]:  # fmt: skip
        yield Box(job.name, "answers by it" if job.kind == "sample" else f"{job.kind} run with it",
                  job.get_absolute_url())  # fmt: skip
    if model.role == "policy" and model.responses.filter(task_responses__isnull=False).exists():
        yield Box("Leaderboard", "its answers were compared", reverse("leaderboard", args=[model.project.slug]))
