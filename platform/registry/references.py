"""From the names in a spec to rows of the project, or a sentence that says what does not exist."""

import re

from accounts.models import Project
from registry import chains
from registry.models import Dataset, Job, ModelVersion
from registry.specs import Spec, SpecError, ref_of

NUL = "\x00"
"""PostgreSQL cannot even be asked for a text that holds it."""
DATASET = re.compile(r"(.+)-v([0-9]{1,9})", re.ASCII)


class NotThere(SpecError):
    """A spec names something that the project does not have."""


def dataset_named(project: Project, name: str) -> Dataset:
    """By name and version, as prefs-v3, or by the name of the job that made it, as data-7."""
    if NUL in name:
        raise NotThere({"dataset": f"There is no dataset {name.replace(NUL, '')} in {project}."})
    if named := DATASET.fullmatch(name):
        found = Dataset.objects.filter(project=project, name=named[1], version=int(named[2])).first()
        if found:
            return found
    if made := Dataset.objects.filter(project=project, job__name=name).first():
        return made
    raise NotThere({"dataset": f"There is no dataset {name} in {project}."})


def model_named(project: Project, name: str, *, role: str) -> ModelVersion:
    # Any language model can be asked for a verdict; a trained judge has learned how.
    roles = [ModelVersion.Role.JUDGE, ModelVersion.Role.POLICY] if role == ModelVersion.Role.JUDGE else [role]
    named = ModelVersion.objects.filter(project=project, name=name.replace(NUL, "?"), role__in=roles)
    found = named.order_by("role").first()
    if found is None:
        raise NotThere({"model": f"There is no {role} model {name} in {project}."})
    if found.format == ModelVersion.Format.OUTPUTS:
        raise NotThere({"model": f"{name} has no weights here: its answers came from a file. Choose another model."})
    return found


def base_named(project: Project, name: str) -> ModelVersion:
    """A policy to train from. An adapter is none: the new one would stand on two."""
    found = model_named(project, name, role=ModelVersion.Role.POLICY)
    below = found
    while below.format == ModelVersion.Format.ADAPTER and below.parent is not None:
        below = below.parent
    if below != found:
        raise NotThere({"base": f"{found} is an adapter on {found.parent}. Train from {below}."})
    return found


def sample_named(project: Project, name: str) -> Job:
    finished = Job.objects.filter(project=project, kind="sample", status=Job.Status.SUCCEEDED)
    found = finished.filter(name=name.replace(NUL, "?")).first()
    if found is None:
        raise NotThere({"sample": f"There is no finished sample job {name} in {project}."})
    return found


def check_references(project: Project, spec: Spec, *, to_come: bool = False) -> None:
    """Raise SpecError, with the field's name, for each name in `spec` that is nothing in `project`.

    With `to_come` the name of a job that has yet to make such a thing is as good.
    """
    awaited = {job.name for job in chains.predecessors(project, spec)} if to_come else set()
    problems = {}
    for name, field in type(spec).model_fields.items():
        value, kind = getattr(spec, name), ref_of(field)
        if kind is None or value in awaited or (not value and not field.is_required()):
            continue
        if not value:
            problems[name] = f"{name} is missing: {field.description}."
            continue
        try:
            if kind == "dataset":
                dataset_named(project, value)
            elif kind == "sample":
                sample_named(project, value)
            elif kind == "base":
                base_named(project, value)
            else:
                model_named(project, value, role=kind)
        except NotThere as error:
            problems[name] = str(error)
    if problems:
        raise SpecError(problems)
