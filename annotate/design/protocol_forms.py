"""A protocol as a form: steps that are added, moved and filled in, and the same thing as YAML."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from accounts.models import Project
from annotate.design import option_forms
from annotate.design.protocols import MAX_STEPS, ProtocolError, Step, parse_steps
from annotate.kinds import KINDS
from registry.specs import SpecError
from registry.specs.base import read_yaml

OF = {
    "all": "all answers",
    "winner": "the best answer of an earlier step",
    "loser": "the worst answer of an earlier step",
    "first": "the answer shown first",
}
MAX_TITLE = 120


@dataclass
class Draft:
    """What is in the form. Steps are as they are stored; their options may be as they were typed."""

    title: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    yaml: str = ""
    """The YAML as it was typed; empty where it is to be written from the steps."""
    problems: dict[str, str] = field(default_factory=dict)
    """{name of the field: what is wrong}; "steps" for all of them, "yaml" for the YAML."""
    yaml_was: str | None = None
    """The YAML as the page had it, while what was typed in its place is not taken yet."""
    torn: bool = False
    """The form and the YAML were both changed, and nobody has said which of them holds."""

    @classmethod
    def posted(cls, data: Mapping[str, str], project: Project) -> "Draft":
        """The steps of the form, or of the YAML where that was edited and the form was not.

        `yaml_was`: the YAML as the page had it. `take`: "yaml" or "form", where both were changed and the person says.
        """
        draft = cls(data.get("title", "").strip())
        draft.read_form(data, project)
        typed, was, take = unix(data.get("yaml", "")), unix(data.get("yaml_was", "")), data.get("take", "")
        if take == "form" or (take != "yaml" and ("yaml_was" not in data or typed == was)):
            return draft
        if take != "yaml" and draft.changed_since(was, typed):
            draft.yaml, draft.torn = typed, True
            draft.problems["yaml"] = "The form and the YAML were both changed. Say which of them holds."
        else:
            draft.problems.clear()
            draft.read_yaml(typed, was)
        if "yaml" in draft.problems:
            draft.yaml_was = was
        return draft

    def changed_since(self, was: str, typed: str) -> bool:
        """Whether the form says something else than the page did, where the YAML cannot simply go before it."""
        before, wanted = outline(was), outline(typed)
        if self.title != before[0] and wanted[0] not in {before[0], self.title}:
            return True
        return bool(self.problems) or (plain(self.lean()) != before[1] and whole(self.steps) != whole(before[1]))

    def read_form(self, data: Mapping[str, str], project: Project) -> None:
        count = data.get("count", "")
        number = int(count) if count.isascii() and count.isdigit() and len(count) < 3 else 0
        for at in range(min(number, MAX_STEPS)):
            self.read_step(data, at, project)

    def read_step(self, data: Mapping[str, str], at: int, project: Project) -> None:
        slug, prefix = data.get(f"s{at}-kind", ""), f"s{at}-{data.get(f's{at}-kind', '')}-"
        kind = KINDS.get(slug)
        values: dict[str, Any] = {}
        # Fields of the kind that was shown: after a change of kind there are none, and its defaults hold.
        if kind and data.get(f"s{at}-was") == slug:
            typed = option_forms.posted(kind.options, data, prefix=prefix, project=project)
            values, wrong = option_forms.checked(kind.options, typed)
            self.problems |= {f"{prefix}{name}" if name else f"s{at}": words for name, words in wrong.items()}
        elif kind:
            values = kind.options().model_dump(mode="json")
        question = data.get(f"s{at}-question", "").strip()
        self.steps.append({"kind": slug, "of": data.get(f"s{at}-of", "all"), "question": question, "options": values})

    def read_yaml(self, text: str, was: str = "") -> None:
        """The steps of the YAML, and its title if that was edited too. What is at fault changes nothing."""
        self.yaml = text
        try:
            found = read_yaml(text)
        except SpecError as error:
            self.problems["yaml"] = " ".join(error.problems.values())
            return
        if isinstance(found, dict) and "steps" in found:
            title = str(found.get("title") or "").strip()
            self.title = title if title and title != outline(was)[0] else self.title
            found = found["steps"]
        try:
            self.steps = [stored(step) for step in parse_steps(found)]
        except ProtocolError as error:
            self.problems["yaml"] = str(error)

    def act(self, act: str) -> None:
        """`add`, or `up-2`, `down-2`, `remove-2`; anything else changes nothing."""
        verb, _, number = act.partition("-")
        if verb == "add" and len(self.steps) < MAX_STEPS:
            self.steps.append(blank())
        if not number.isdigit() or int(number) >= len(self.steps):
            return
        at = int(number)
        if verb == "remove" and len(self.steps) > 1:
            del self.steps[at]
        to = at + {"up": -1, "down": 1}.get(verb, 0)
        if to != at and 0 <= to < len(self.steps):
            self.steps[at], self.steps[to] = self.steps[to], self.steps[at]

    def check(self) -> list[Step]:
        """The steps, ready to be stored, or what is wrong in `problems`."""
        if not self.title:
            self.problems["title"] = "The title is empty. Write one."
        elif len(self.title) > MAX_TITLE or "\x00" in self.title:
            self.problems["title"] = f"The title has {len(self.title)} characters, {MAX_TITLE} are allowed. Shorten it."
        if set(self.problems) - {"title"}:
            return []
        try:
            steps = parse_steps(self.steps)
        except ProtocolError as error:
            self.problems["yaml" if self.yaml else "steps"] = str(error)
            return []
        low, high = span(steps)
        if low > high:
            self.problems["steps"] = (
                f"No item fits all steps: one of them needs {low} answers or more, another shows {high} at most. "
                "Ask the second of one answer, or make two protocols."
            )
        return list(steps)

    def rows(self, project: Project) -> list[dict[str, Any]]:
        return [self.row(number, one, project) for number, one in enumerate(self.steps)]

    def row(self, number: int, one: Mapping[str, Any], project: Project) -> dict[str, Any]:
        kind = KINDS.get(str(one["kind"]))
        prefix = f"s{number}-{one['kind']}-"
        wrong = {key.removeprefix(prefix): words for key, words in self.problems.items() if key.startswith(prefix)}
        found = (
            option_forms.controls(
                kind.options, prefix=prefix, values=one.get("options", {}), problems=wrong, project=project
            )
            if kind
            else []
        )
        return {
            "number": number, "kind": one["kind"], "of": one.get("of", "all"), "question": one.get("question", ""),
            "usual": kind.question if kind else "", "title": kind.title if kind else "Unknown kind", "controls": found,
            "error": self.problems.get(f"s{number}", ""), "first": number == 0, "last": number == len(self.steps) - 1,
        }  # fmt: skip

    def as_yaml(self) -> str:
        """What was typed where it has a fault, else the steps as they are."""
        if self.yaml and "yaml" in self.problems:
            return self.yaml
        return yaml.safe_dump(
            {"title": self.title, "steps": plain(self.lean())}, sort_keys=False, allow_unicode=True, width=100
        )

    def lean(self) -> list[dict[str, Any]]:
        return [{key: value for key, value in one.items() if value not in ("", {})} for one in self.steps]


def unix(text: str) -> str:
    """Without what a browser does to the ends of lines."""
    return text.replace("\r\n", "\n").strip()


def outline(text: str) -> tuple[str, Any]:
    """(title, steps) of a YAML as it was shown; nothing where it cannot be read."""
    try:
        found = read_yaml(text)
    except SpecError:
        return "", None
    if not isinstance(found, dict):
        return "", found
    return str(found.get("title") or "").strip(), found.get("steps")


def whole(steps: Any) -> list[dict[str, Any]] | None:
    """Steps with every default written out, so that two ways to write the same thing are equal."""
    try:
        return [stored(step) for step in parse_steps(steps)]
    except ProtocolError:
        return None


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def blank() -> dict[str, Any]:
    slug = next(iter(KINDS))
    return {"kind": slug, "of": "all", "question": "", "options": KINDS[slug].options().model_dump(mode="json")}


def stored(step: Step) -> dict[str, Any]:
    """A step as it is written down: whole, so that a default that changes later changes nothing for it."""
    question = "" if step.question == step.kind.question else step.question
    options = step.options.model_dump(mode="json")
    return {"kind": step.kind.slug, "of": step.of, "question": question, "options": options}


def span(steps: Sequence[Step]) -> tuple[int, int]:
    """How many responses an item may have so that each step can be asked."""
    whole = [step.kind for step in steps if step.of == "all"]
    low = max([kind.least for kind in whole] + [0 if all(kind.most == 0 for kind in whole) and whole else 1])
    return low, min([kind.most for kind in whole] + [12])


def say(steps: Sequence[Step]) -> str:
    """What annotators will see, in a line."""
    low, high = span(steps)
    if high == 0:
        return f"Annotators see a prompt and no answers, and are asked: {steps[0].question}"
    joined = "or" if high == low + 1 else "to"
    many = f"{low} answers" if low == high else f"{low} {joined} {high} answers"
    many = "1 answer" if (low, high) == (1, 1) else many
    parts = [
        f"“{step.question}”" + ("" if step.of == "all" else f" about {OF[step.of].removesuffix(' of an earlier step')}")
        for step in steps
    ]
    return f"Annotators see {many} to a prompt, and are asked {', then '.join(parts)}."
