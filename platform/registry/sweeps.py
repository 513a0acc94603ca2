"""A sweep: runs that were asked for together and differ in one or two settings."""

import itertools
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

import yaml
from django.db import transaction

from accounts.models import Project, User
from registry import jobs
from registry.forms import bare
from registry.models import Job, Sweep
from registry.references import check_references
from registry.specs import SPECS, Spec, SpecError, parse

MOST_RUNS = 24
MOST_SETTINGS = 2


@dataclass(frozen=True)
class Plan:
    """The runs that a form asks for: one, or one for each combination of the values in `varied`."""

    varied: dict[str, list[Any]]
    specs: list[Spec]

    @property
    def count(self) -> int:
        return len(self.specs)

    @property
    def first(self) -> Spec:
        return self.specs[0]

    @property
    def words(self) -> str:
        return " × ".join(
            f"{name.replace('_', ' ')} {', '.join(map(str, values))}" for name, values in self.varied.items()
        )

    def to_yaml(self) -> str:
        """A list where values are tried, as `plan` reads it back."""
        values = {**self.first.model_dump(mode="json"), **self.varied}
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def can_vary(spec: type[Spec], name: str) -> bool:
    """A setting that is one value: a number, a choice, a name. Of others a list is the value itself."""
    kind = bare(spec.model_fields[name].annotation) if name in spec.model_fields else list
    return kind in (int, float, str) or get_origin(kind) is Literal


def several(spec: type[Spec], name: str, value: Any) -> list[Any] | None:
    """The values to try: a list in YAML, or numbers with commas between them; None for one value."""
    if not can_vary(spec, name):
        return None
    if isinstance(value, str) and "," in value and bare(spec.model_fields[name].annotation) in (int, float):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else None


def plan(spec: type[Spec], values: Mapping[str, Any]) -> Plan:
    """Every run that `values` ask for. Raises SpecError with a sentence for each wrong setting."""
    in_order = [name for name in spec.model_fields if name in values]
    found = {name: tried for name in in_order if (tried := several(spec, name, values[name])) is not None}
    empty = {name: f"{name} is an empty list. Give a value." for name, tried in found.items() if not tried}
    if empty:
        raise SpecError(empty)
    varied = {name: once(tried) for name, tried in found.items()}
    single = {name: tried[0] for name, tried in varied.items() if len(tried) == 1}
    varied = {name: tried for name, tried in varied.items() if len(tried) > 1}
    refuse_too_many(varied)
    combinations = itertools.product(*varied.values())
    asked = [parse(spec, {**values, **single, **dict(zip(varied, chosen, strict=True))}) for chosen in combinations]
    # 0.1 and 0.10 are one value.
    specs = list({one.model_dump_json(): one for one in asked}.values())
    read = {name: once([getattr(one, name) for one in specs]) for name in varied}
    return Plan({name: tried for name, tried in read.items() if len(tried) > 1}, specs)


def once(values: list[Any]) -> list[Any]:
    """In their order, each once."""
    return list({json.dumps(value, default=str): value for value in values}.values())


def refuse_too_many(varied: dict[str, list[Any]]) -> None:
    if len(varied) > MOST_SETTINGS:
        names = ", ".join(varied)
        sentence = f"{len(varied)} settings have several values ({names}). Vary at most {MOST_SETTINGS} in one sweep."
        raise SpecError(dict.fromkeys(list(varied)[MOST_SETTINGS:], sentence))
    count = 1
    for tried in varied.values():
        count *= len(tried)
    if count > MOST_RUNS:
        last = list(varied)[-1]
        raise SpecError({last: f"That would be {count} runs. A sweep has at most {MOST_RUNS}: give fewer values."})


def request(
    *, project: Project, kind: str, plan: Plan, user: User, name: str = "", cloned_from: Job | None = None,
    request_key: uuid.UUID | None = None,
) -> Job | Sweep:  # fmt: skip
    """Queue the run, or all runs of the sweep together or none. Raises SpecError."""
    for spec in plan.specs:
        check_references(project, spec, to_come=True)
    if plan.count == 1:
        return jobs.request_job(
            project=project, kind=kind, params=plan.first.model_dump(mode="json"), user=user, name=name,
            cloned_from=cloned_from, request_key=request_key,
        )  # fmt: skip
    wish = uuid.uuid5(request_key, plan.to_yaml()) if request_key else None
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if wish and (seen := Sweep.objects.filter(request_key=wish).select_related("project").first()):
            return seen
        sweep = Sweep.objects.create(
            project=project, name=next_name(project), kind=kind, varied=plan.varied, request_key=wish, created_by=user
        )
        for spec in plan.specs:
            jobs.request_job(
                project=project, kind=kind, params=spec.model_dump(mode="json"), user=user, sweep=sweep,
                cloned_from=cloned_from,
            )  # fmt: skip
    return sweep


def next_name(project: Project) -> str:
    numbers = [
        int(found[1])
        for name in Sweep.objects.filter(project=project).values_list("name", flat=True)
        if (found := re.fullmatch(r"sweep-([0-9]{1,9})", name))
    ]
    return f"sweep-{max(numbers, default=0) + 1}"


def title_of(kind: str) -> str:
    return SPECS[kind].title if kind in SPECS else kind
