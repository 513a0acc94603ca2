"""The page Dataset builder: a recipe as a form or as YAML, and what it would give while it is being changed."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any, get_origin

from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.models import Prompt
from curate.builders import BUILDERS, Builder
from curate.making.plan import RecipeError, asked
from curate.making.preview import Preview, preview
from curate.making.source import kinds_of
from curate.making.tokens import NoTokenizer, tokens_of
from curate.pages import preview_charts, row_words
from curate.pages.recipe_form import OPTION, Form, as_yaml, defaults, from_recipe, posted
from curate.pages.recipe_offers import ORIGINS, Offers, offers
from curate.rows import EDIT
from registry import forms, jobs
from registry.forms import Control
from registry.models import Dataset
from registry.references import dataset_named
from registry.specs import BuildDatasetSpec, SpecError, ref_of

AGGREGATES = (
    ("majority", "Majority of the raters"), ("mean", "Mean strength of the raters"),
    ("dawid_skene", "Dawid and Skene: raters by how reliable they are"),
    ("mace", "MACE: raters by how often they guess"), ("each", "Each rater is a row"),
)  # fmt: skip
TIES = (("drop", "Drop"), ("half", "Both ways"), ("keep", "Keep as tie"))
MARGINS = (("strength", "Strength"), ("disagreement", "Disagreement"), ("none", "None"))
DUPLICATES = (("none", "Keep"), ("exact", "Exact"), ("near", "Near too"))
SPLITS = (("cluster", "Near-duplicates too"), ("prompt", "The same prompt"))
PICKERS = (
    ("languages", "Languages", "answers"), ("tags", "Tags of prompts", "prompts"), ("annotators", "People", "answers"),
    ("rounds", "Sample runs", "responses"),
)  # fmt: skip
EARLIER = 12
CUT = 90
"""So many characters of a text are shown in the example row."""


@dataclass(frozen=True)
class Picker:
    name: str
    label: str
    unit: str
    offers: list[Any]
    chosen: list[str]


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new(request: MemberRequest, project: Project) -> HttpResponseBase:
    """`freeze` asks for the job. htmx gets the preview as the recipe changes, or the form where `view` is asked for."""
    offered = cache(lambda: offers(request, project))
    form = starting(request, project) if request.method == "GET" else posted(project, request.POST, offered)
    # htmx sends the button last pressed along with a preview that was under way.
    freezing = "freeze" in request.POST and not request.htmx
    if freezing and form.recipe is not None and not refused(project, form.recipe):
        job = jobs.request_job(
            project=project, kind="build_dataset", params=form.recipe.model_dump(mode="json"), user=request.user,
            request_key=forms.posted_key(request.POST),
        )  # fmt: skip
        return redirect(job)
    context = {"project": project, "form": form, "problems": form.problems, **previewed(request, project, form)}
    context |= ways_out(project, form, context, offered)
    status = 422 if context["problems"] else 200
    if request.htmx and "view" not in request.POST:
        # Kinds and settings belong to a kind of rows: they are sent where another one was chosen.
        turned = form.mode == "form" and request.POST.get("kinds_of") != form.builder.slug
        context |= {"htmx": True, "turned": turned, "fields": [*BuildDatasetSpec.model_fields, *options_of(form)]}
        context |= of_kind(project, form, offered()) if turned else {}
        return render(request, "curate/dataset_new.html#preview", context, status=status)
    context |= page(project, form, offered())
    template = "curate/dataset_new.html#builder" if request.htmx else "curate/dataset_new.html"
    return render(request, template, context, status=status)


def starting(request: MemberRequest, project: Project) -> Form:
    """The recipe of a version that ?from= names, or the defaults."""
    name = request.GET.get("from", "")
    if not name:
        rows, origins = request.GET.get("rows", ""), [one for one in request.GET.getlist("origins") if one in ORIGINS]
        named = {"rows": rows} if rows in BUILDERS else {}
        return from_recipe({**defaults(), **named, **({"origins": origins} if origins else {})})
    try:
        return from_recipe(dataset_named(project, name).recipe)
    except SpecError as error:
        raise Http404(str(error)) from error


# --- The form ---------------------------------------------------------------------------------------------------------


def page(project: Project, form: Form, offered: Offers) -> dict[str, Any]:
    """Everything but the preview."""
    return {
        "values": form.values, "yaml": as_yaml(form), "request_key": uuid.uuid4(),
        "cards": cards(), "aggregates": AGGREGATES, "ties": TIES, "margins": MARGINS, "duplicates": DUPLICATES,
        "splits": SPLITS, "tokenizers": forms.names_of("policy", project), "origins": offered.origins,
        "pickers": pickers(form, offered), "filters": filters(form),
        "lengths_open": any(form.values.get(name) for name in ("max_prompt_tokens", "max_tokens", "tokenizer")),
        "earlier": Dataset.objects.filter(project=project).order_by("-created_at")[:EARLIER],
        **of_kind(project, form, offered),
    }  # fmt: skip


def cards() -> list[tuple[str, list[Builder]]]:
    """Kinds of rows under what reads them."""
    order = sorted(BUILDERS.values(), key=lambda one: list(row_words.LAYOUTS).index(one.row.slug))
    return [(builders[0].row.title, builders) for builders in
            (list(group) for _, group in groupby(order, key=lambda one: one.row.slug))]  # fmt: skip


def of_kind(project: Project, form: Form, offered: Offers) -> dict[str, Any]:
    """What hangs on the kind of rows: the feedback it is made of, and its own settings."""
    builder = form.builder
    recipe = form.recipe or BuildDatasetSpec()
    ticked = form.values.get("kinds") or kinds_of(builder, BuildDatasetSpec())
    return {
        "builder": builder,
        "kinds": [(one, one.value in ticked) for one in offered.kinds if one.value in builder.kinds],
        "options": option_controls(project, builder, form),
        "recipe": recipe,
    }


def options_of(form: Form) -> list[str]:
    return [OPTION + name for name in form.builder.options.model_fields]


def option_controls(project: Project, builder: Builder, form: Form) -> list[Control]:
    """The builder's options as the launch page shows settings."""
    given = form.values.get("options") or {}
    found = []
    for name, info in builder.options.model_fields.items():
        kind, choices = forms.kind_of(info, project)
        value = given.get(name, forms.default_of(info))
        if ref_of(info) == "reward":
            choices = [("", "the newest one"), *((one, words) for one, words in choices if one)]
        if get_origin(forms.bare(info.annotation)) is list and kind == "text" and isinstance(value, list):
            value = ", ".join(map(str, value))
        found.append(
            Control(
                OPTION + name, name.replace("_", " "), info.description or "", kind, "" if value is None else value,
                choices, form.problems.get(OPTION + name, ""),
            )
        )  # fmt: skip
    return found


def pickers(form: Form, offered: Offers) -> list[Picker]:
    return [
        Picker(name, label, unit, offered.of(name), list(form.values.get(name) or []))
        for name, label, unit in PICKERS
    ]  # fmt: skip


def filters(form: Form) -> int:
    """How many of the filters that are folded away are set."""
    names = ("languages", "tags", "annotators", "rounds", "since", "until")
    numbers = (("minimum_gold_accuracy", 0.0), ("minimum_raters", 1))
    wrong = any(name in form.problems for name in (*names, *(name for name, _ in numbers)))
    set_ones = [name for name in names if form.values.get(name)]
    set_ones += [name for name, usual in numbers if str(form.values.get(name, usual)) not in (str(usual), f"{usual:g}")]
    return max(len(set_ones), int(wrong))


# --- The preview ------------------------------------------------------------------------------------------------------


def previewed(request: MemberRequest, project: Project, form: Form) -> dict[str, Any]:
    draw = posted_draw(request)
    if form.recipe is None:
        return {"draw": draw}
    try:
        found = preview(project, form.recipe, seed=draw)
    except SpecError as error:
        return {"draw": draw, "problems": error.problems}
    except (RecipeError, NoTokenizer) as error:
        return {"draw": draw, "problems": {getattr(error, "field", ""): str(error)}}
    heads = row_words.layout(found.row_type)
    name = form.recipe.name
    return {
        "draw": draw, "preview": found, "heads": heads, "version": f"{name}-v{next_version(project, name)}",
        "rows": row_words.told_apart(
            [row_words.drawn(row, found.row_type) for row in found.rows], [row.columns for row in found.rows],
            found.row_type,
        ),
        "funnel": preview_charts.funnel_of(found.funnel),
        "histogram": preview_charts.histogram_of(found.lengths, form.recipe),
        "example": example_of(found), "models": preview_charts.models_of(found.balance.models),
        "languages": found.balance.languages.most_common(),
        "strengths": preview_charts.strengths_of(found.balance.strengths),
    }  # fmt: skip


def refused(project: Project, recipe: BuildDatasetSpec) -> dict[str, str]:
    """Why no rows can be made of this recipe here and now, as a preview says it; empty where they can."""
    try:
        of = asked(project, recipe)
        if recipe.tokenizer or recipe.max_prompt_tokens or recipe.max_tokens or of.builder.row == EDIT:
            tokens_of(project, recipe.tokenizer)
    except SpecError as error:
        return error.problems
    except (RecipeError, NoTokenizer) as error:
        return {getattr(error, "field", ""): str(error)}
    return {}


def ways_out(project: Project, form: Form, context: dict[str, Any], offered: Callable[[], Offers]) -> dict[str, Any]:
    """Where no row comes out: whose answers could be taken too, and whether there is anything to ask about."""
    found = context.get("preview")
    if found is None or found.total or form.recipe is None:
        return {}
    taken = form.recipe.origins
    others = found.funnel.left_out.get("origins", 0)
    more = [one for one in offered().origins if others and one.count and one.value not in taken]
    return {
        # Of one origin it is known how many answers are of these kinds.
        "more_origins": [replace(more[0], count=others)] if len(more) == 1 else more,
        "prompts": Prompt.objects.filter(project=project).exists(),
    }


def posted_draw(request: MemberRequest) -> int:
    text = request.POST.get("draw", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def next_version(project: Project, name: str) -> int:
    newest = Dataset.objects.filter(project=project, name=name).order_by("-version").values_list("version", flat=True)
    return (newest.first() or 0) + 1


def example_of(found: Preview) -> str:
    """One row as JSON, a line a column, with long texts cut."""
    if not found.example:
        return ""
    lines = [
        f"{json.dumps(name)}: {json.dumps(cut(value), ensure_ascii=False)}" for name, value in found.example.items()
    ]
    return "{" + ",\n ".join(lines) + "}"


def cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= CUT else value[:CUT].rstrip() + "…"
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: cut(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [cut(one) for one in value[:8]] + (["…"] if len(value) > 8 else [])
    return value
