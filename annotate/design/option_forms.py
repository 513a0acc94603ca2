"""The options of a kind as form fields, made from its pydantic schema, so that a new kind needs no form of its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from accounts.models import Project
from annotate.design.rubrics import READY, RubricSpec
from annotate.kinds import Options
from annotate.models import Rubric
from registry.specs import SpecError
from registry.specs.base import read_yaml

LONG = 500
"""Characters; a text that may be longer gets a box of several lines."""
CHOSEN_WITH_THE_RUBRIC = {"name", "version"}


@dataclass(frozen=True)
class Control:
    """One option as the page shows it. `kind`: check, select, number, text, area, lines, rubric or yaml."""

    name: str
    label: str
    hint: str
    kind: str
    value: Any
    choices: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""
    kept: str = ""
    """A rubric that is neither of the project nor ready, as JSON: it was written as YAML, or its row is gone."""


def controls(
    options: type[Options], *, prefix: str, values: Mapping[str, Any], problems: Mapping[str, str], project: Project
) -> list[Control]:
    """`values`: as stored or as typed, over the defaults. `problems`: {name of the option: sentence}."""
    skip = CHOSEN_WITH_THE_RUBRIC if holds_rubric(options) else set()
    return [
        control(name, info, prefix=prefix, values=values, error=problems.get(name, ""), project=project)
        for name, info in options.model_fields.items()
        if name not in skip
    ]


def control(
    name: str, info: FieldInfo, *, prefix: str, values: Mapping[str, Any], error: str, project: Project
) -> Control:
    kind = kind_of(info)
    default = info.get_default(call_default_factory=True)
    value = values.get(name, "" if default is PydanticUndefined else default)
    label, hint = name.replace("_", " "), info.description or ""
    if kind == "rubric":
        chosen, kept = chosen_rubric(value, values, project)
        choices = rubric_choices(project) + ([("kept", f"{title_of(kept)}, as it was written here")] if kept else [])
        return Control(f"{prefix}{name}", label, hint, kind, chosen, choices, error, kept)
    choices = [(str(one), str(one).replace("_", " ")) for one in get_args(bare(info.annotation))]
    return Control(f"{prefix}{name}", label, hint, kind, shown(kind, value), choices if kind == "select" else [], error)


def kind_of(info: FieldInfo) -> str:
    kind = bare(info.annotation)
    if kind is bool:
        return "check"
    if kind in (int, float):
        return "number"
    if kind is RubricSpec:
        return "rubric"
    if get_origin(kind) is Literal:
        return "select"
    if get_origin(kind) in (list, tuple) and get_args(kind)[0] in (str, int, float):
        return "lines"
    if kind is str:
        most = next((one.max_length for one in info.metadata if getattr(one, "max_length", None)), 0)
        return "area" if most > LONG else "text"
    return "yaml"


def bare(annotation: Any) -> Any:
    """int | None -> int"""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def shown(kind: str, value: Any) -> Any:
    if kind == "lines" and not isinstance(value, str):
        return "\n".join(str(one) for one in value or [])
    if kind == "yaml" and not isinstance(value, str):
        plain = json.loads(json.dumps(value, default=lambda one: one.model_dump(mode="json")))
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).removesuffix("...\n").strip()
    return value if kind == "check" or value is not None else ""


def posted(options: type[Options], data: Mapping[str, str], *, prefix: str, project: Project) -> dict[str, Any]:
    """What was typed, as values for `options.model_validate`; what is left empty falls back to its default."""
    values: dict[str, Any] = {}
    for name, info in options.model_fields.items():
        kind, text = kind_of(info), data.get(f"{prefix}{name}", "").replace("\r\n", "\n").strip()
        if kind == "check":
            values[name] = bool(text)
        elif kind == "rubric":
            values |= rubric_values(text, data.get(f"{prefix}{name}-kept", ""), project)
        elif kind == "lines":
            values[name] = [line.strip() for line in text.split("\n") if line.strip()]
        elif kind == "yaml" and text:
            values[name] = from_yaml(text)
        elif text and not (holds_rubric(options) and name in CHOSEN_WITH_THE_RUBRIC):
            values[name] = text
    return values


def from_yaml(text: str) -> Any:
    """What the YAML says, or the text itself, which then does not validate."""
    try:
        return read_yaml(text)
    except SpecError:
        return text


def checked(options: type[Options], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(options as they are stored, {name: problem}); a problem of several options together has the name ""."""
    try:
        return options.model_validate(dict(values)).model_dump(mode="json"), {}
    except ValidationError as error:
        found: dict[str, str] = {}
        for one in error.errors():
            name = str(one["loc"][0]) if one["loc"] else ""
            place = ".".join(str(part) for part in one["loc"][1:])
            found.setdefault(name, f"{place}: {sentence(one['msg'])}" if place else sentence(one["msg"]))
        return dict(values), found


def sentence(words: str) -> str:
    words = words.removeprefix("Value error, ")
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


# --- Rubrics ------------------------------------------------------------------------------------------------


def holds_rubric(options: type[Options]) -> bool:
    return any(kind_of(info) == "rubric" for info in options.model_fields.values())


def rubric_choices(project: Project) -> list[tuple[str, str]]:
    own = [(f"own:{one.name}:{one.version}", str(one)) for one in Rubric.objects.filter(project=project)]
    return own + [(f"ready:{slug}", f"{rubric.title} (ready)") for slug, rubric in READY.items()]


def as_spec(value: Any) -> RubricSpec | None:
    try:
        return RubricSpec.model_validate(value.model_dump() if isinstance(value, BaseModel) else value)
    except ValidationError:
        return None


def chosen_rubric(value: Any, values: Mapping[str, Any], project: Project) -> tuple[str, str]:
    """(the choice that gives this rubric, the rubric as JSON if no choice gives it)."""
    spec = as_spec(value)
    if spec is None:
        return "", ""
    name, version = values.get("name", ""), values.get("version", 0)
    own = Rubric.objects.filter(project=project, name=name, version=version).first() if name else None
    if own and as_spec({"title": own.title, "dimensions": own.dimensions}) == spec:
        return f"own:{name}:{version}", ""
    ready = next((slug for slug, one in READY.items() if one == spec), "")
    return (f"ready:{ready}", "") if ready else ("kept", spec.model_dump_json())


def title_of(kept: str) -> str:
    return str(json.loads(kept)["title"]) if kept else ""


def rubric_values(choice: str, kept: str, project: Project) -> dict[str, Any]:
    """The rubric itself, with the name and version that it came from: it is written into the protocol."""
    kind, _, rest = choice.partition(":")
    if kind == "ready" and rest in READY:
        return {"rubric": READY[rest].model_dump()}
    if kind == "own":
        name, _, version = rest.rpartition(":")
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 6 else 0
        own = Rubric.objects.filter(project=project, name=name, version=number).first()
        if own:
            rubric = {"title": own.title, "dimensions": own.dimensions}
            return {"rubric": rubric, "name": own.name, "version": own.version}
    if kind == "kept":
        return {"rubric": from_yaml(kept)}  # JSON is YAML
    return {"rubric": "There is no such rubric in this project."}
