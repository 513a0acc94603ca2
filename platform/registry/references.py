"""From the names in a spec to rows of the project, or a sentence that says what does not exist."""

from accounts.models import Project
from registry.models import Dataset, Job, ModelVersion
from registry.specs import Spec, SpecError, ref_of


class NotThere(SpecError):
    """A spec names something that the project does not have."""


def dataset_named(project: Project, name: str) -> Dataset:
    base, _, version = name.rpartition("-v")
    if base and version.isdigit():
        found = Dataset.objects.filter(project=project, name=base, version=int(version)).first()
        if found:
            return found
    raise NotThere({"dataset": f"There is no dataset {name} in {project}."})


def model_named(project: Project, name: str, *, role: str) -> ModelVersion:
    found = ModelVersion.objects.filter(project=project, name=name, role=role).first()
    if found is None:
        raise NotThere({"model": f"There is no {role} model {name} in {project}."})
    return found


def sample_named(project: Project, name: str) -> Job:
    found = Job.objects.filter(project=project, name=name, kind="sample", status=Job.Status.SUCCEEDED).first()
    if found is None:
        raise NotThere({"sample": f"There is no finished sample job {name} in {project}."})
    return found


def check_references(project: Project, spec: Spec) -> None:
    """Raise SpecError, with the field's name, for each name in `spec` that is nothing in `project`."""
    problems = {}
    for name, field in type(spec).model_fields.items():
        value, kind = getattr(spec, name), ref_of(field)
        if not value or kind is None:
            continue
        try:
            if kind == "dataset":
                dataset_named(project, value)
            elif kind == "sample":
                sample_named(project, value)
            else:
                model_named(project, value, role=kind)
        except NotThere as error:
            problems[name] = str(error)
    if problems:
        raise SpecError(problems)
