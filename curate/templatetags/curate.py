"""Marks of withdrawn consent for pages that know nothing of datasets: {% load curate %}."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Project, User
from accounts.permissions import can_research
from curate import consent
from curate.models import ConsentWithdrawal
from registry.models import Dataset, ModelVersion
from registry.references import dataset_named
from registry.specs import Spec, SpecError

register = template.Library()

PILL = '<span class="pill warn" title="{}">{}</span>'


def marks_of(context: Context, project: Project) -> consent.Marks:
    """Read once a request, however many rows of a page ask."""
    request = context.get("request")
    known: dict[int, consent.Marks] = request.__dict__.setdefault("_consent_marks", {}) if request else {}
    if project.pk not in known:
        known[project.pk] = consent.marks(project)
    return known[project.pk]


def said(mark: consent.Mark) -> str:
    who = "1 person" if mark.people == 1 else f"{mark.people:,} people"
    return f"Holds answers of {who} who withdrew consent"


@register.simple_tag(takes_context=True)
def consent_pill(context: Context, thing: Dataset | ModelVersion | None) -> SafeString | str:
    """A word beside the name of a dataset or model that holds answers of people who withdrew consent."""
    if thing is None:
        return ""
    found = marks_of(context, thing.project)
    mark = (found.datasets if isinstance(thing, Dataset) else found.models).get(thing.pk)
    return format_html(PILL, said(mark), "consent withdrawn") if mark else ""


@register.inclusion_tag("curate/_consent_note.html", takes_context=True)
def consent_note(context: Context, thing: Dataset | ModelVersion) -> dict[str, Any]:
    """What is held and what can be done, for the page of a dataset or model; nothing where all is well."""
    found = marks_of(context, thing.project)
    is_dataset = isinstance(thing, Dataset)
    mark = (found.datasets if is_dataset else found.models).get(thing.pk)
    return {
        "project": thing.project, "thing": thing, "mark": mark, "is_dataset": is_dataset, "marks": found,
        "said": said(mark) if mark else "", "request_key": context.get("rebuild_key", ""),
        "csrf_token": context.get("csrf_token"),
        "through": [(one, found.datasets[one.pk]) for one in mark.datasets] if mark else [],
        "own_dataset": getattr(thing, "dataset_id", None) in found.datasets,
    }  # fmt: skip


@register.inclusion_tag("curate/_consent_launch.html", takes_context=True)
def consent_launch(context: Context, project: Project, spec: Spec) -> dict[str, Any]:
    """Before a launch: the dataset or model that it would use, where that is marked."""
    found = marks_of(context, project)
    warned: list[tuple[Dataset | ModelVersion, consent.Mark]] = []
    if found.datasets and (name := getattr(spec, "dataset", "")):
        try:
            dataset = dataset_named(project, name)
        except SpecError:
            dataset = None
        if dataset and dataset.pk in found.datasets:
            warned.append((dataset, found.datasets[dataset.pk]))
    if found.models and (name := getattr(spec, "base", "")):
        model = ModelVersion.objects.filter(project=project, name=name, pk__in=found.models).first()
        if model:
            warned.append((model, found.models[model.pk]))
    return {"warned": [(thing, said(mark), mark) for thing, mark in warned]}


@register.simple_tag
def consent_of(project: Project, user: User) -> ConsentWithdrawal | None:
    """The person's withdrawal in the project, where there is one: {% consent_of project user as withdrawal %}."""
    return consent.current(project, user)


@register.simple_tag
def may_research(user: User, project: Project) -> bool:
    return can_research(user, project)


@register.filter
def slug_id(name: object) -> str:
    """An id that a selector can name: options.model becomes options-model."""
    return str(name).replace(".", "-")
