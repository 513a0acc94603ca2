"""What a launch form is filled with, and what is said about it: links, presets, clones, changed settings, cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from django.http import QueryDict
from pydantic import BaseModel

from accounts.models import Project
from registry import forms, presets, sweeps
from registry.models import Dataset, Job
from registry.references import check_references, dataset_named
from registry.specs import SPECS, Spec, SpecError, TrainingSpec, from_yaml, ref_of
from registry.specs.base import shown

THINGS = {
    "policy": "policy model", "base": "policy model", "reward": "reward model", "judge": "judge model",
    "dataset": "dataset", "sample": "finished sample job",
}  # fmt: skip
NOT_SETTINGS = {"clone", "preset", "page"}


@dataclass(frozen=True)
class Cost:
    """What a training reads, at most: pairs that are too long are left out when it starts."""

    dataset: Dataset
    pairs: int
    steps: int
    held_out: int
    measurements: int
    spec: TrainingSpec

    @property
    def tokens_a_step(self) -> int:
        """Both sides of a pair are read, each with the prompt."""
        return min(self.spec.batch_size, self.pairs) * 2 * self.spec.max_tokens


@dataclass
class Filled:
    """A form's values as people typed them or a link gave them, and what is wrong with them."""

    values: dict[str, Any]
    problems: dict[str, str] = field(default_factory=dict)
    vary: str = ""
    """A setting that is no number and shall be tried with the values in `vary_values`."""
    vary_values: str = ""


def read(spec: type[Spec], data: QueryDict) -> sweeps.Plan:
    """The run or the sweep that a form asks for, by its YAML where that shall be used. Raises SpecError."""
    if "use_yaml" in data and (text := data.get("yaml", "").strip()):
        return sweeps.plan(spec, from_yaml(text))
    values = posted(spec, data)
    if vary := data.get("vary", ""):
        if not sweeps.can_vary(spec, vary):
            raise SpecError({"": f"{shown(vary)} is no setting that can be tried with several values."})
        if tried := [part.strip() for part in data.get("vary_values", "").split(",") if part.strip()]:
            values[vary] = tried
    return sweeps.plan(spec, values)


def posted(spec: type[Spec], data: QueryDict) -> dict[str, Any]:
    return forms.posted(spec, data)


def typed(spec: type[Spec], data: QueryDict) -> Filled:
    return Filled(forms.typed(spec, data), vary=data.get("vary", ""), vary_values=data.get("vary_values", ""))


def planned(plan: sweeps.Plan) -> Filled:
    """The form that says the same as a plan: several numbers stand in their field, others in the row beneath."""
    filled = Filled(plan.first.model_dump(mode="json"))
    for name, tried in plan.varied.items():
        if forms.bare(type(plan.first).model_fields[name].annotation) in (int, float):
            filled.values[name] = ", ".join(map(str, tried))
        else:
            filled.vary, filled.vary_values = name, ", ".join(map(str, tried))
    return filled


def linked(project: Project, kind: str, query: QueryDict, clone: Job | None) -> Filled:
    """The form that a link opens: a clone's settings, or single ones ("train on this dataset"), each looked at."""
    spec = SPECS[kind].spec
    given = {name: value for name, value in query.items() if name in spec.model_fields}
    if clone and clone.kind == kind:
        given = {**{name: value for name, value in clone.params.items() if name in spec.model_fields}, **given}
    filled = Filled(first_choices(project, spec, given))
    problems = wrong(project, spec, filled.values)
    filled.problems = {name: problem for name, problem in problems.items() if name in given}
    if unknown := [shown(name) for name in query if name not in spec.model_fields and name not in NOT_SETTINGS]:
        filled.problems[""] = f"The link sets {', '.join(unknown)}, and there is no such setting. It was left out."
    return filled


def first_choices(project: Project, spec: type[Spec], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, and for names that must be chosen the first that another field does not have already."""
    values, taken = dict(given), list(given.values())
    for name, info in spec.model_fields.items():
        if name in values or not ref_of(info) or not info.is_required():
            continue
        _, choices = forms.kind_of(info, project)
        free = [choice for choice, _ in choices if choice not in taken]
        if free:
            values[name] = free[0]
            taken.append(free[0])
    return values


def wrong(project: Project, spec: type[Spec], values: Mapping[str, Any]) -> dict[str, str]:
    """A sentence for each wrong value."""
    try:
        plan = sweeps.plan(spec, dict(values))
        for one in plan.specs:
            check_references(project, one, to_come=True)
    except SpecError as error:
        return {**not_there(project, spec, values), **error.problems}
    return {}


def not_there(project: Project, spec: type[Spec], values: Mapping[str, Any]) -> dict[str, str]:
    """Names that can be looked up though another setting is wrong."""
    found = {}
    for name, info in spec.model_fields.items():
        reference, value = ref_of(info), values.get(name)
        if reference and value and value not in [choice for choice, _ in forms.kind_of(info, project)[1]]:
            found[name] = f"There is no {THINGS[reference]} {shown(str(value))} in {project}."
    return found


def filled_by(preset: presets.Preset, kind: str, project: Project, values: dict[str, Any]) -> dict[str, Any]:
    """The values with those of the preset over them. What only another preset would fill goes back to its default."""
    others = {name for one in presets.presets_of(kind).values() for name in presets.values_of(one, kind)}
    values = {name: value for name, value in values.items() if name not in others}
    try:
        dataset = dataset_named(project, str(values.get("dataset", "")))
    except SpecError:
        dataset = None
    return {**values, **presets.values_of(preset, kind, dataset)}


def marks(spec: type[Spec], values: Mapping[str, Any], clone: Job | None) -> dict[str, str]:
    """What each changed setting was: in the run it was cloned from, else by default."""
    found = {}
    for name, info in spec.model_fields.items():
        if name not in values or (clone is None and (ref_of(info) or info.is_required())):
            continue
        was = clone.params.get(name, forms.default_of(info)) if clone else forms.default_of(info)
        if not same(values[name], was):
            found[name] = f"{words(was)} in {clone.name}" if clone else f"{words(was)} by default"
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values of a setting mean the same: typed, from YAML or as they were kept."""
    one, other = plain(one), plain(other)
    if one == other:
        return True
    if isinstance(one, list) or isinstance(other, list):
        return words(one) == words(other)
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return words(one) == words(other)


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(words(plain(item)) for item in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{name} {item}" for name, item in value.items() if item not in ("", None))
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value in ("", None) else str(value)


def cost_of(project: Project, spec: Spec) -> Cost | None:
    """What a training will read; None for other kinds of run, and where its dataset is not there yet."""
    if not isinstance(spec, TrainingSpec):
        return None
    try:
        dataset = dataset_named(project, spec.dataset)
    except SpecError:
        return None
    pairs = dataset.rows["train"]
    return Cost(dataset, pairs, spec.steps(pairs), dataset.rows["held_out"], spec.measurements(pairs), spec)


def first_plan(spec: type[Spec], filled: Filled, controls: list[forms.Control]) -> sweeps.Plan | None:
    """Of the form as it is shown: a choice that nobody made yet is the first that is offered."""
    shown_first = {
        one.name: one.choices[0][0]
        for one in controls
        if one.kind == "select" and one.value in ("", None) and one.choices
    }
    try:
        return sweeps.plan(spec, {**shown_first, **readable(spec, filled)})
    except SpecError:
        return None


def readable(spec: type[Spec], filled: Filled) -> dict[str, Any]:
    """Values as the spec reads them: lists that were typed into one field are taken apart."""
    values = {}
    for name, value in filled.values.items():
        info = spec.model_fields.get(name)
        if info is not None and isinstance(value, str) and get_origin(forms.bare(info.annotation)) is list:
            value = forms.typed_list(name, info, value)
        values[name] = value
    if filled.vary and filled.vary_values:
        values[filled.vary] = [part.strip() for part in filled.vary_values.split(",") if part.strip()]
    return values


def can_be_varied(spec: type[Spec]) -> list[tuple[str, str]]:
    """Settings that are no numbers (those take several values in their own field), for the row of a sweep."""
    return [
        (name, name.replace("_", " "))
        for name, info in spec.model_fields.items()
        if sweeps.can_vary(spec, name) and forms.bare(info.annotation) not in (int, float)
    ]
