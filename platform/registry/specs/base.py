"""What the specs of all kinds of job share. Torch-free: the web process validates and shows them."""

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

Precision = Literal["auto", "float32", "bfloat16"]
"""auto is bfloat16 where the machine multiplies in it, else float32."""

Ref = Literal["policy", "base", "reward", "judge", "dataset", "sample"]
"""base is a policy that can be trained: one that is no adapter. A judge is one that was trained to, or any policy."""

LARGEST_SEED = 2**63 - 1
YAML_LIMIT = 100_000
FORGOTTEN_MINUS = re.compile(r"[0-9.]{1,12}e\+?[0-9]{1,3}", re.ASCII)
SHOWN = 80
"""So much of a wrong value is repeated to the person who gave it."""


class Spec(BaseModel):
    """Parameters of a job. Every field has a description that its page shows; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    usual: ClassVar[tuple[str, ...]] = ()
    """What most people set. The form folds the other settings away; empty folds none."""

    @field_validator("*")
    @classmethod
    def can_be_kept(cls, value: Any) -> Any:
        """PostgreSQL keeps no NUL."""
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and "\x00" in text:
                raise ValueError("it holds the character NUL, which cannot be kept")
        return value


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
    makes: tuple[Ref, ...] = ()
    """As what a field of another spec may name, by the job's name, the thing that it makes: before it is there."""


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
            sentence = f"There is no setting {shown(where)}. Known settings are {known}."
        elif item["type"] == "missing":
            sentence = f"{where} is missing: {spec.model_fields[name].description}."
        else:
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            message = message[0].lower() + message[1:]
            # What is wrong with a whole list or mapping is not seen better by repeating it.
            given = "" if isinstance(item["input"], (list, dict)) else f" is {shown(repr(item['input']))}"
            sentence = f"{where}{given}: {message}.{meant(item)}"
        problems[name] = f"{problems[name]} {sentence}" if name in problems else sentence
    return problems


def meant(item: Any) -> str:
    """The question whether a minus was forgotten, where 5e7 is too high and 5e-7 would do."""
    bounds, text = item.get("ctx") or {}, str(item["input"]).lower()
    high = bounds.get("le", bounds.get("lt"))
    if high is None or not FORGOTTEN_MINUS.fullmatch(text):
        return ""
    small = text.replace("e+", "e").replace("e", "e-")
    return f" Did you mean {small}?" if 0 < float(small) < high else ""


def shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def to_yaml(spec: Spec) -> str:
    """The settings as YAML, in the order of the form."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class PlainLoader(yaml.SafeLoader):
    """Takes no anchors: with them a few lines stand for gigabytes, or for a list that holds itself."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="anchors are not followed, write the value again", problem_mark=mark)
        return super().compose_node(parent, index)


def read_yaml(text: str, *, name: str = "") -> Any:
    """What the YAML says; raises SpecError for setting `name` that names the line where it cannot be read."""
    where = name or "the YAML"
    if len(text) > YAML_LIMIT:
        raise SpecError({name: f"Of {where} only {YAML_LIMIT:,} characters are read, and it has {len(text):,}."})
    try:
        values = yaml.load(text, Loader=PlainLoader)
        # It must also be possible to keep and to show it: half a character or 5,000 digits are not.
        json.dumps(values, default=str, ensure_ascii=False).encode()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError({name: f"Line {line} of {where} cannot be read: {error.problem}."}) from error
    except RecursionError as error:
        raise SpecError({name: f"{where[0].upper()}{where[1:]} cannot be read: it is nested too deep."}) from error
    except Exception as error:  # whatever a constructor raises for a value it cannot make: 2020-13-45, !!bool perhaps
        reason = str(error).splitlines()[0] if str(error) else "a value in it is none"
        raise SpecError({name: f"{where[0].upper()}{where[1:]} cannot be read: {shown(reason)}."}) from error
    return values


def from_yaml(text: str) -> dict[str, Any]:
    """YAML back to settings; raises SpecError where it cannot be read or is not a mapping."""
    values = read_yaml(text)
    if not isinstance(values, dict):
        raise SpecError({"": "The YAML is not a list of settings. Write one `name: value` a line."})
    return values
