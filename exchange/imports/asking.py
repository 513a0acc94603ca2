"""The protocol that imported votes answer: its steps follow from what the columns become."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Project, User
from annotate.design.protocols import parse_steps
from annotate.design.rubrics import MAX_DIMENSIONS
from annotate.models import Protocol
from exchange.imports.mapping import Builder
from exchange.imports.said import key_of


@dataclass(frozen=True)
class Asked:
    """What is asked of items: of those that come with votes, and of those that wait for some."""

    steps: Sequence[tuple[str, str]]
    """(kind, of) of the votes in the file."""
    protocol: Protocol | None = None
    """Of the votes; None: one plain comparison."""
    open: bool = False
    """Whether items without votes become open tasks."""
    open_protocol: Protocol | None = None
    wanted: int = 1

    @property
    def kind(self) -> str:
        return self.steps[0][0] if self.steps else "pairwise"

    @property
    def open_kind(self) -> str:
        return str(self.open_protocol.steps[0]["kind"]) if self.open_protocol else "pairwise"


TITLES = {
    "pairwise": "comparison", "rubric": "ratings", "ranking": "ranking", "selection": "good or bad",
    "critique": "critique", "edit": "edit",
}  # fmt: skip
MAX_LEVEL = 200
"""Characters of a level's words that are kept."""
LEVELS = ["1, the lowest", "2", "3", "4", "5, the highest"]


def steps_of(builder: Builder) -> list[dict[str, Any]]:
    """As Protocol.steps keeps them. Raises ValueError with a sentence."""
    return [{"kind": kind, "of": of, "question": "", "options": options(kind, builder)} for kind, of in builder.steps]


def options(kind: str, builder: Builder) -> dict[str, Any]:
    if kind == "critique":
        return {"needs_refinement": False}
    if kind != "rubric":
        return {}
    if len(builder.dimensions) > MAX_DIMENSIONS:
        raise ValueError(
            f"There are ratings on {len(builder.dimensions)} dimensions, {MAX_DIMENSIONS} fit. Leave some out."
        )
    keys = [key_of(name) for name in builder.dimensions]
    if len(set(keys)) < len(keys):
        raise ValueError("Two dimensions have names that differ in nothing but signs. Rename one of them.")
    dimensions = [
        {"key": key, "name": name[:60], "question": "", "levels": levels_of(builder, name)}
        for key, name in zip(keys, builder.dimensions, strict=True)
    ]
    return {"rubric": {"title": f"Imported: {builder.mapping.source or 'ratings'}"[:120], "dimensions": dimensions}}


def levels_of(builder: Builder, dimension: str) -> list[str]:
    """In the file's own words where it has some, so that nobody reads levels into it that it does not have."""
    words: dict[str, list[str]] = {}
    for _, becomes, _ in builder.by_role["rating"]:
        if becomes.name == dimension:
            for there, means in becomes.values.items():
                words.setdefault(means, []).append(there)
    if not words:
        return LEVELS
    given = {level: " or ".join(dict.fromkeys(there))[:MAX_LEVEL] for level, there in words.items()}
    return [given.get(str(level), "not a level of the file") for level in range(1, len(LEVELS) + 1)]


def protocol_of(builder: Builder, project: Project, user: User | None, *, make: bool) -> Protocol | None:
    """None where one step without settings asks it all; an unsaved one where there is none yet and `make` is false."""
    steps = steps_of(builder)
    if not steps or (len(steps) == 1 and steps[0]["of"] == "all" and steps[0]["kind"] != "rubric"):
        return None
    parse_steps(steps)
    name = f"imported-{hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:10]}"
    found = Protocol.objects.filter(project=project, name=name).first()
    title = "Imported: " + ", ".join(TITLES[step["kind"]] for step in steps)
    made = Protocol(project=project, name=name, version=1, title=title[:120], steps=steps, created_by=user)
    if found is None and make:
        made.save()
    return found or (made if make else Protocol(pk=1 << 40, project=project, name=name, steps=steps))
