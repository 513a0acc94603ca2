"""The page Export: choose what, the format and how people are called, see the first rows, and have the file."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import AuditEvent, Project
from accounts.permissions import can_admin, can_research, project_view
from accounts.requests import MemberRequest
from exchange import api
from exchange.exports import consent, kept
from exchange.exports.errors import ExportError
from exchange.exports.formats import FORMATS, Format
from exchange.exports.formats.base import holds, shape_of
from exchange.exports.notes import notes
from exchange.exports.people import People
from exchange.exports.sources import SOURCES, Source
from exchange.exports.stream import FILES, Export, look, prepare
from registry import forms
from registry.models import Dataset, Job
from registry.specs import ExportSpec, SpecError, parse

AT_ONCE = 20_000
"""Rows up to which a file is sent in the answer to the click; larger ones are made by a job and wait."""
PAST = 10
DATASETS = 200
RAW = (
    ("events", "Full history, every answer and act"),
    ("answers", "Answers that stand, one a row"),
    ("items", "Prompts and responses"),
)
SWITCHES = (
    ("extras", "Where each row came from", "raters, agreement, models, ids of the votes, the split", ("dataset",)),
    ("comments", "Comments and critiques", "what annotators wrote about answers", ("events", "answers")),
    ("timing", "Time and side shown", "", ("events", "answers")),
    ("bom", "Mark of UTF-8, for Excel", "", ("csv",)),
)


@dataclass(frozen=True)
class Card:
    format: Format
    refused: str
    """Why it cannot hold what is chosen; empty where it can."""
    holds: str = ""
    """What it can hold, in words."""


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_research)
def export(request: MemberRequest, project: Project) -> HttpResponseBase:
    if request.htmx and "live" in request.GET:
        return render(request, "exchange/export.html#live", {"project": project, "running": running(project)})
    data = request.POST if request.method == "POST" else request.GET
    datasets = list(Dataset.objects.filter(project=project)[:DATASETS])
    values = chosen(data, datasets, cards_of=lambda what, name: cards(project, what, name))
    problem, made = "", None
    try:
        spec = parse(ExportSpec, values)
        assert isinstance(spec, ExportSpec)
        if reason := kept.refusal(request.user, project, spec):
            raise ExportError(reason)
        made = prepare(project, spec)
        if request.method == "POST":
            return start(request, project, made)
    except consent.WithdrawnError:
        problem = "Not exported. To take it with these answers, tick “Include answers of people who withdrew”."
    except (ExportError, SpecError) as error:
        problem = str(error)
    context = page_context(request, project, values=values, datasets=datasets, made=made, problem=problem)
    return render(request, "exchange/export.html", context, status=422 if problem and request.method == "POST" else 200)


def start(request: MemberRequest, project: Project, made: Export) -> HttpResponseBase:
    """The file itself where it is small, else a job and the page that shows how far it is."""
    if "now" in request.POST and not made.source.more_than(AT_ONCE):
        return api.whole(request, made, way="page")
    kept.request(project, made.spec, request.user, request_key=forms.posted_key(request.POST))
    return redirect("export", slug=project.slug)


def chosen(data: Any, datasets: list[Dataset], *, cards_of: Any) -> dict[str, Any]:
    """The settings of the form. What nobody chose, or what does not go together, gets what does."""
    default = f"dataset:{datasets[0]}" if datasets else "answers"
    source = data.get("source", "").replace("\0", "") or default
    what, _, name = source.partition(":")
    first_time = not {"format", "file"} & set(data)  # the form sends both; a link that names a dataset does not
    found = cards_of(what, name)
    able = [card.format.slug for card in found if not card.refused] or ["plain"]
    wanted = data.get("format", "")
    # Trainers' formats come first for what trainers read; raw answers are most often wanted as they are.
    chosen_format = wanted if wanted in able else able[0] if what == "dataset" else "plain"
    files = FORMATS[chosen_format].files
    file = data.get("file", "jsonl")
    values: dict[str, Any] = {
        "what": what, "dataset": name, "format": chosen_format, "file": file if file in files else files[0],
        "compress": data.get("compress", "none"), "people": data.get("people", "pseudonyms"),
    }  # fmt: skip
    if what == "dataset" and data.get("withdrawn") == consent.INCLUDE:
        values["withdrawn"] = consent.INCLUDE
    if what == "dataset" and data.get("split") in {"train", "held_out"}:
        values["splits"] = [data["split"]]
    for switch, *_ in SWITCHES:
        values[switch] = (switch in data) or (first_time and switch != "bom")
    values["bom"] = values["bom"] and values["file"] == "csv"
    return values


def cards(project: Project, what: str, name: str) -> list[Card]:
    """Every format, and why it cannot be taken for these rows."""
    sources: dict[str, Source | None] = {}

    def source_for(one: Format) -> Source | None:
        key = "tasks" if what == "answers" and one.together else what
        if key not in sources:
            try:
                spec = ExportSpec.model_construct(what=what, dataset=name)  # type: ignore[arg-type]
                sources[key] = SOURCES[key](project, spec, People(project, "left_out"))
            except (KeyError, ExportError, SpecError):
                sources[key] = None
        return sources[key]

    def refusal(one: Format) -> str:
        source = source_for(one)
        if source is None or not one.shapes:
            return ""
        try:
            shape_of(one, source.kind, source.title)
        except ExportError as error:
            return str(error)
        return ""

    found = [Card(one, refusal(one), holds(one)) for one in FORMATS.values()]
    return sorted(found, key=lambda card: bool(card.refused))


def page_context(
    request: MemberRequest, project: Project, *, values: dict[str, Any], datasets: list[Dataset],
    made: Export | None, problem: str,
) -> dict[str, Any]:  # fmt: skip
    seen = look(made) if made is not None else None
    count, about = counted(made) if made is not None else (0, False)
    beside = made.format.beside(made.source.kind, made.filename) if made and made.format.beside else None
    return {
        "project": project, "tab": "export", "values": values, "datasets": datasets, "raw": RAW, "problem": problem,
        "source": f"dataset:{values['dataset']}" if values["what"] == "dataset" else values["what"],
        "cards": cards(project, values["what"], values["dataset"]), "count": count, "about": about,
        "at_once": count <= AT_ONCE and not about,
        "files": [(name, title, name in FORMATS[values["format"]].files) for name, title in FILES.items()],
        "switches": [
            (name, title, hint) for name, title, hint, fits in SWITCHES
            if values["what"] in fits or (values["file"] in fits)
        ],
        "split": (values.get("splits") or [""])[0], "may_name": can_admin(request.user, project),
        "first": [pretty(row) for row in seen.rows] if seen else [], "look": seen, "made": made,
        "example": People(project, "pseudonyms").pseudonym(request.user.pk),
        "beside": json.dumps(beside, indent=1, ensure_ascii=False) if beside else "",
        "warnings": consent.warnings(project, made.spec) if made else [], "notes": notes(made) if made else [],
        "running": running(project), "past": past(project), "request_key": uuid.uuid4(),
    }  # fmt: skip


def counted(made: Export) -> tuple[int, bool]:
    """(how many rows, whether that is an estimate). Counted only as far as it decides something."""
    known = made.source.count(AT_ONCE + 1)
    if known <= AT_ONCE or made.source.estimate is None:
        return known, False
    return max(made.source.estimate(), known), True


def pretty(row: dict[str, Any]) -> str:
    """A row as a person reads it: a column a line, long texts cut."""
    return "{" + ",\n ".join(f'"{name}": {json.dumps(cut(value), ensure_ascii=False, default=str)}'
                             for name, value in row.items()) + "}"  # fmt: skip


def cut(value: Any, most: int = 160) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}…"
    if isinstance(value, dict):
        return {name: cut(inner) for name, inner in value.items()}
    return [cut(inner) for inner in value[:6]] + (["…"] if len(value) > 6 else []) if isinstance(value, list) else value


def running(project: Project) -> list[Job]:
    waiting = Job.objects.filter(project=project, kind="export", status__in=["queued", "running"])
    return list(waiting.select_related("project").order_by("-pk")[:5])


def past(project: Project) -> list[dict[str, Any]]:
    """The newest exports of the audit log, with the file where it is still there; and those that failed."""
    events = list(AuditEvent.objects.filter(project=project, action="export.made").select_related("actor")[:PAST])
    names = [event.data.get("way", "") for event in events]
    by_name = {
        job.name: job
        for job in Job.objects.filter(project=project, kind="export", name__in=names).select_related("project")
    }
    found = []
    for event in events:
        job = by_name.get(event.data.get("way", ""))
        spec = event.data.get("spec", {})
        found.append({
            "event": event, "job": job, "ready": bool(job and kept.file_of(job)),
            "until": kept.kept_until(job) if job else None, "again": again(spec),
            "format": FORMATS[event.data["format"]].title if event.data.get("format") in FORMATS else "",
            "file": FILES.get(event.data.get("file", ""), ""),
        })  # fmt: skip
    return found


def again(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields of the form that choose the same again."""
    what = spec.get("what", "")
    pairs = [("source", f"dataset:{spec.get('dataset')}" if what == "dataset" else what)]
    pairs += [(name, str(spec[name])) for name in ("format", "file", "compress", "people") if name in spec]
    pairs += [("split", one) for one in spec.get("splits", [])]
    return pairs + [(name, "on") for name, *_ in SWITCHES if spec.get(name)]


@require_safe
@project_view(can_research)
def download(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = get_object_or_404(Job.objects.select_related("project"), project=project, kind="export", name=name)
    if kept.file_of(job) is None and request.method == "GET":
        messages.error(request, f"{job} has no file: it is not finished, it failed, or its 7 days are over.")
        return redirect("export", slug=project.slug)
    try:
        return api.serve(request, job)
    except consent.WithdrawnError as error:
        context = {
            "project": project,
            "title": job.result["file"],
            "gone": error.gone,
            "back": reverse("export", args=[project.slug]),
        }
        return render(request, "curate/withdrawn.html", context, status=409)
