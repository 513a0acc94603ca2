"""What the specs of all kinds of job share. Torch-free: the web process validates and shows them."""

from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

Precision = Literal["auto", "float32", "bfloat16"]
"""auto is bfloat16 where the machine multiplies in it, else float32."""

Ref = Literal["policy", "reward", "dataset", "sample"]


class Spec(BaseModel):
    """Parameters of a job. Every field has a description that its page shows; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class JobKind:
    """A line of SPECS: how a kind of job is shown, where it runs, and what it is given."""

    spec: type[Spec]
    title: str
    summary: str
    queue: Literal["default", "cpu", "gpu"]
    prefix: str
    """Runs are named <prefix>-<number>."""
    launchable: bool = True
    """Whether the launch page offers it."""


def ref(kind: Ref, description: str, **kwargs: Any) -> Any:
    """A field that names another thing of the project; forms offer the ones that exist."""
    return Field(description=description, json_schema_extra={"ref": kind}, **kwargs)


def ref_of(field: FieldInfo) -> Ref | None:
    extra = field.json_schema_extra
    return extra.get("ref") if isinstance(extra, dict) else None  # type: ignore[return-value]


class SpecError(ValueError):
    """Parameters that do not fit. `problems` holds one sentence a field, '' for the whole."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems.values()))


def parse(spec: type[Spec], values: dict[str, Any]) -> Spec:
    """Validate `values`, or raise SpecError with a sentence for each field that is wrong."""
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        raise SpecError(problems_of(spec, error)) from error


def problems_of(spec: type[Spec], error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for item in error.errors():
        path = [str(part) for part in item["loc"] if part != "__root__"]
        name = path[0] if path else ""
        where = ".".join(path) or "These settings"
        if item["type"] == "extra_forbidden":
            known = ", ".join(spec.model_fields)
            sentence = f"There is no setting {where}. Known settings are {known}."
        elif item["type"] == "missing":
            sentence = f"{where} is missing: {spec.model_fields[name].description}."
        else:
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            message = message[0].lower() + message[1:]
            sentence = f"{where} is {item['input']!r}: {message}."
        problems[name] = f"{problems[name]} {sentence}" if name in problems else sentence
    return problems


def to_yaml(spec: Spec) -> str:
    """The settings as YAML, in the order of the form."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def from_yaml(text: str) -> dict[str, Any]:
    """YAML back to values; raises SpecError that names the line where it is not YAML or not a mapping."""
    try:
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError({"": f"Line {line} of the YAML cannot be read: {error.problem}."}) from error
    if not isinstance(values, dict):
        raise SpecError({"": "The YAML is not a list of settings. Write one `name: value` a line."})
    return values
