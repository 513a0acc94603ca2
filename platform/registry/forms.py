"""A spec as a form: fields with their words, and what was posted back as values. All checking is the spec's."""

import uuid
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from django.http import QueryDict
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from accounts.models import Project
from registry.chains import to_come
from registry.models import Dataset, Job, ModelVersion
from registry.specs import Spec, read_yaml, ref_of
from registry.specs.base import shown

ENDLESS = 10**9
"""A bound beyond this is only there so that a database can keep the number."""
COMING = {
    "policy": "the policy it will make",
    "base": "the model it will make",
    "reward": "the reward model it will make",
    "judge": "the judge it will make",
    "dataset": "the dataset it will make",
    "sample": "the answers it will write",
}


@dataclass(frozen=True)
class Control:
    """One field as the page shows it. `kind`: select, checks, check, number, text or yaml."""

    name: str
    label: str
    hint: str
    kind: str
    value: Any
    choices: list[tuple[str, str]]
    error: str = ""
    folded: bool = False
    """Whether it is one of those that few people set."""
    mark: str = ""
    """What it was before a preset or a person changed it."""


def controls(
    spec: type[Spec],
    *,
    project: Project,
    values: dict[str, Any],
    problems: dict[str, str] | None = None,
    marks: dict[str, str] | None = None,
) -> list[Control]:
    """The form of `spec`, filled with `values` over the defaults."""
    problems, marks = problems or {}, marks or {}
    found = []
    for name, field in spec.model_fields.items():
        kind, choices = kind_of(field, project)
        value = values.get(name, default_of(field))
        if kind == "yaml" and not isinstance(value, str):
            value = as_yaml(value)
        if kind == "text" and isinstance(value, list):
            value = ", ".join(map(str, value))
        known = [choice for choice, _ in choices]
        if kind == "select" and value not in ("", None) and str(value) not in known:
            # Else the browser would show, and send, the first that there is.
            choices = [(str(value), f"{shown(str(value))}: not here"), *choices]
        found.append(
            Control(
                name, name.replace("_", " "), hint_of(field), kind, value, choices, problems.get(name, ""),
                folded=bool(spec.usual) and name not in spec.usual, mark=marks.get(name, ""),
            )
        )  # fmt: skip
    return found


def hint_of(field: FieldInfo) -> str:
    """The setting in words, and between which bounds it may be."""
    words = field.description or ""
    low = high = ""
    for bound in field.metadata:
        if (value := getattr(bound, "ge", None)) is not None:
            low = f"{value:,}"
        elif (value := getattr(bound, "gt", None)) is not None:
            low = f"above {value:,}"
        if (value := getattr(bound, "le", None)) is not None and abs(value) < ENDLESS:
            high = f"{value:,}"
        elif (value := getattr(bound, "lt", None)) is not None:
            high = f"below {value:,}"
    if bare(field.annotation) not in (int, float) or not high:
        return words
    between = ", up to " if low.startswith("above") else " to "
    return f"{words}; {low}{between}{high}" if low else f"{words}; up to {high}"


def default_of(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True)
    return "" if default is PydanticUndefined else default


def kind_of(field: FieldInfo, project: Project) -> tuple[str, list[tuple[str, str]]]:
    if reference := ref_of(field):
        nothing = [("", "none")] if not field.is_required() else []
        there = [(name, name) for name in names_of(reference, project)]
        coming = [(job.name, f"{job.name}: {COMING[reference]} ({job.status})") for job in to_come(project, reference)]
        return "select", nothing + there + coming
    kind = bare(field.annotation)
    if kind is bool:
        return "check", []
    if kind in (int, float):
        return "number", []
    if get_origin(kind) is Literal:
        return "select", [(str(choice), choice_words(choice)) for choice in get_args(kind)]
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        if get_origin(item) is Literal:
            return "checks", [(str(choice), choice_words(choice)) for choice in get_args(item)]
        return ("yaml" if isinstance(item, type) and issubclass(item, BaseModel) else "text"), []
    return "text", []


def choice_words(choice: Any) -> str:
    return str(choice).replace("_", " ") or "none"


def bare(annotation: Any) -> Any:
    """int | None -> int"""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def names_of(reference: str, project: Project) -> list[str]:
    """The things of the project that a field may name, newest first."""
    if reference == "dataset":
        return [str(dataset) for dataset in Dataset.objects.filter(project=project)]
    if reference == "sample":
        jobs = Job.objects.filter(project=project, kind="sample", status=Job.Status.SUCCEEDED)
        return list(jobs.order_by("-pk").values_list("name", flat=True))
    # Models whose answers came from a file have no weights: there is nothing to sample, score with or train.
    kept = ModelVersion.objects.filter(project=project, archived_at=None)
    models = kept.exclude(format=ModelVersion.Format.OUTPUTS)
    if reference == "base":
        models = models.filter(role=ModelVersion.Role.POLICY).exclude(format=ModelVersion.Format.ADAPTER)
    elif reference == "judge":
        models = models.filter(role__in=[ModelVersion.Role.JUDGE, ModelVersion.Role.POLICY]).order_by("role")
    else:
        models = models.filter(role=reference)
    return list(models.values_list("name", flat=True))


def posted(spec: type[Spec], data: QueryDict) -> dict[str, Any]:
    """What the form sent, in the shape the spec reads. Raises SpecError for a list whose YAML cannot be read."""
    values = typed(spec, data)
    for name, field in spec.model_fields.items():
        if isinstance(values.get(name), str) and get_origin(bare(field.annotation)) is list:
            values[name] = typed_list(name, field, values[name])
    return values


def typed(spec: type[Spec], data: QueryDict) -> dict[str, Any]:
    """What the form sent, as a person typed it: so it is shown again. An empty field is left to its default."""
    values: dict[str, Any] = {}
    for name, field in spec.model_fields.items():
        kind = bare(field.annotation)
        text = data.get(name, "").strip()
        if kind is bool:
            values[name] = name in data
        elif get_origin(kind) is list and get_origin(get_args(kind)[0]) is Literal:
            values[name] = data.getlist(name)
        elif text or field.is_required():
            values[name] = text
    return values


def typed_list(name: str, field: FieldInfo, text: str) -> Any:
    (item,) = get_args(bare(field.annotation))
    if isinstance(item, type) and issubclass(item, BaseModel):
        return read_yaml(text, name=name)
    return [part.strip() for part in text.split(",") if part.strip()]


def as_yaml(value: Any) -> str:
    """A list of settings as its field shows it; what is none is shown as it came, beside what is wrong with it."""
    if not isinstance(value, list):
        return str(value)
    plain = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def posted_key(data: QueryDict) -> uuid.UUID | None:
    """The form's own key; a request without one (a script, say) is a new wish each time."""
    try:
        return uuid.UUID(data.get("request_key", ""))
    except ValueError:
        return None
