"""A rubric as a form: what was posted, what is wrong with it, and the buttons that add, remove and move dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.text import slugify

from annotate.design.rubrics import LEVELS, MAX_DIMENSIONS, RubricSpec

LONGEST = {"title": 120, "name": 60, "question": 300, "level": 300}
CALLED = {"title": "The title", "name": "The name", "question": "The question", "level": "The description"}


@dataclass
class Draft:
    """What is in the form; texts as they were typed."""

    title: str = ""
    dimensions: list[dict[str, Any]] = field(default_factory=list)
    """{key, name, question, levels}: `key` is empty for a dimension that was never saved."""

    @classmethod
    def of(cls, rubric: RubricSpec) -> "Draft":
        return cls(rubric.title, [one.model_dump() for one in rubric.dimensions])

    @classmethod
    def posted(cls, data: Mapping[str, str]) -> "Draft":
        count = data.get("count", "")
        dimensions = int(count) if count.isascii() and count.isdigit() and len(count) < 3 else 0
        return cls(data.get("title", "").strip(), [read(data, number) for number in range(min(dimensions, 20))])

    def act(self, act: str) -> None:
        """`add`, or `up-2`, `down-2`, `remove-2`; anything else changes nothing."""
        verb, _, number = act.partition("-")
        if verb == "add" and len(self.dimensions) < MAX_DIMENSIONS:
            self.dimensions.append(empty())
        if not number.isdigit() or int(number) >= len(self.dimensions):
            return
        at = int(number)
        if verb == "remove" and len(self.dimensions) > 1:
            del self.dimensions[at]
        to = at + {"up": -1, "down": 1}.get(verb, 0)
        if to != at and 0 <= to < len(self.dimensions):
            self.dimensions[at], self.dimensions[to] = self.dimensions[to], self.dimensions[at]

    def problems(self) -> dict[str, str]:
        """{name of the field: what is wrong}; empty when it can be saved."""
        found = check("title", self.title, "title")
        for number, one in enumerate(self.dimensions):
            found |= check(f"d{number}-name", one["name"], "name")
            found |= check(f"d{number}-question", one["question"], "question", needed=False)
            for level, words in enumerate(one["levels"], 1):
                found |= check(f"d{number}-level{level}", words, "level")
        names = [one["name"].casefold() for one in self.dimensions]
        for number, name in enumerate(names):
            if name and name in names[:number]:
                found[f"d{number}-name"] = "Another dimension has this name. Give each a name of its own."
        if not 1 <= len(self.dimensions) <= MAX_DIMENSIONS:
            found["count"] = f"A rubric has 1 to {MAX_DIMENSIONS} dimensions."
        return found

    def rubric(self) -> RubricSpec:
        """Call it when there are no problems. A dimension keeps the key that it was first saved with."""
        taken = {one["key"] for one in self.dimensions if one["key"]}
        dimensions = []
        for one in self.dimensions:
            key = one["key"] or new_key(one["name"], taken)
            taken.add(key)
            dimensions.append({**one, "key": key})
        return RubricSpec.model_validate({"title": self.title, "dimensions": dimensions})

    def preview(self) -> list[dict[str, Any]]:
        """As annotate.kinds.rubric.context gives it to the desk, gaps and all."""
        return [
            {
                "number": number, "prefix": f"rate-{number}-", "name": one["name"] or "No name yet",
                "question": one["question"],
                "levels": [(str(level), one["levels"][level - 1] or "–") for level in range(LEVELS, 0, -1)],
            }
            for number, one in enumerate(self.dimensions)
        ]  # fmt: skip

    def rows(self, problems: Mapping[str, str]) -> list[dict[str, Any]]:
        """The dimensions for the template, each field with its name, text and problem."""
        return [
            {
                "number": number, "key": one["key"], "title": one["name"],
                "fields": [control(number, "name", "Name", one["name"], problems),
                           control(number, "question", "Question", one["question"], problems)],
                "levels": [
                    control(number, f"level{level}", str(level), one["levels"][level - 1], problems)
                    for level in range(LEVELS, 0, -1)
                ],
                "first": number == 0, "last": number == len(self.dimensions) - 1,
            }
            for number, one in enumerate(self.dimensions)
        ]  # fmt: skip


def control(number: int, part: str, label: str, text: str, problems: Mapping[str, str]) -> dict[str, str]:
    name = f"d{number}-{part}"
    return {"name": name, "label": label, "text": text, "error": problems.get(name, "")}


def empty() -> dict[str, Any]:
    return {"key": "", "name": "", "question": "", "levels": [""] * LEVELS}


def read(data: Mapping[str, str], number: int) -> dict[str, Any]:
    def text(part: str) -> str:
        return data.get(f"d{number}-{part}", "").strip()

    key = text("key")
    return {
        "key": key if key == as_key(key) else "",
        "name": text("name"),
        "question": text("question"),
        "levels": [text(f"level{level}") for level in range(1, LEVELS + 1)],
    }


def check(name: str, text: str, part: str, *, needed: bool = True) -> dict[str, str]:
    if needed and not text:
        return {name: "Describe this level." if part == "level" else f"{CALLED[part]} is empty. Write one."}
    if len(text) > LONGEST[part]:
        return {name: f"{CALLED[part]} has {len(text)} characters, {LONGEST[part]} are allowed. Shorten it."}
    if "\x00" in text:
        return {name: f"{CALLED[part]} holds a NUL character, which cannot be stored. Remove it."}
    return {}


def as_key(name: str) -> str:
    key = slugify(name).replace("-", "_")[:40].strip("_")
    return key if key[:1].isalpha() else ""


def new_key(name: str, taken: set[str]) -> str:
    """A key from the name, in Latin letters; "dimension" where the name has none."""
    start = (as_key(name) or "dimension")[:36]
    return next(key for key in (start, *(f"{start}_{n}" for n in range(2, 99))) if key not in taken)
