"""A recipe as a form and as YAML, both ways. All checking is the spec's, the builder's options' and the project's."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_origin

import yaml
from django.http import QueryDict
from pydantic import BaseModel

from accounts.models import Project
from accounts.pseudonyms import is_pseudonym
from curate.builders import BUILDERS, Builder
from curate.making.source import kinds_of
from curate.pages.recipe_offers import Offers
from registry.forms import bare
from registry.references import check_references
from registry.specs import BuildDatasetSpec, SpecError, from_yaml, parse, to_yaml

LISTS = ("origins", "kinds", "languages", "tags", "annotators", "rounds")
OPTION = "options."
NAMED = {
    "languages": "No answer of the project is to a prompt in {wrong}. There are {known}.",
    "tags": "No prompt of the project is tagged {wrong}. There are {known}.",
    "annotators": "Nobody who answered in the project is called {wrong}. They are named by their pseudonyms: {known}.",
    "rounds": "No finished sample run of the project is called {wrong}. There are {known}.",
}
"""Filters by something of the project: a name that is none would leave everything out without a word."""
LISTED = 8


@dataclass(frozen=True)
class Form:
    """What a person has set so far. `values` are as typed, so that what is wrong is shown again as it is."""

    values: dict[str, Any]
    mode: str = "form"
    """form or yaml: in which of the two it is shown."""
    yaml: str = ""
    """What stands in the YAML; only with mode yaml."""
    problems: dict[str, str] = field(default_factory=dict)
    """A sentence a field (`options.name` for a setting of the kind of rows); '' for the whole."""
    recipe: BuildDatasetSpec | None = None

    @property
    def builder(self) -> Builder:
        return BUILDERS.get(str(self.values.get("rows")), BUILDERS[default("rows")])


def default(name: str) -> Any:
    return BuildDatasetSpec.model_fields[name].get_default(call_default_factory=True)


def defaults() -> dict[str, Any]:
    return BuildDatasetSpec().model_dump(mode="json")


def from_recipe(values: dict[str, Any]) -> Form:
    """The form of a recipe that is stored, also one of an earlier version of the spec."""
    known = {name: value for name, value in values.items() if name in BuildDatasetSpec.model_fields}
    try:
        recipe = parse(BuildDatasetSpec, known)
    except SpecError as error:
        return Form({**defaults(), **known}, problems=error.problems)
    assert isinstance(recipe, BuildDatasetSpec)
    return Form(recipe.model_dump(mode="json"), recipe=recipe)


def posted(project: Project, data: QueryDict, offers: Callable[[], Offers]) -> Form:
    """What was sent, from the form or from the YAML, and shown as the other one where `view` asks for it."""
    came_as = "yaml" if data.get("as") == "yaml" else "form"
    text = data.get("yaml", "")
    problems: dict[str, str] = {}
    try:
        values = from_yaml(text) if came_as == "yaml" else typed(data)
    except SpecError as error:
        return Form(defaults(), "yaml", text, error.problems)
    if not isinstance(values.get("options", {}), dict):
        problems["options"] = "options is no list of settings. Write one `name: value` a line below it, indented."
    try:
        recipe = checked(project, values, offers)
    except SpecError as error:
        problems = {**error.problems, **problems}
        if came_as == "yaml":
            problems = {name: with_line(text, name, sentence) for name, sentence in problems.items()}
        return Form({**defaults(), **plain(values)}, came_as, text, problems)
    filled = recipe.model_dump(mode="json")
    mode = data.get("view", came_as)
    if mode == "yaml":
        # Somebody's own lines and comments stay as they are while they are being edited.
        return Form(filled, "yaml", text if came_as == "yaml" else to_yaml(recipe), {}, recipe)
    return Form(filled, recipe=recipe)


def typed(data: QueryDict) -> dict[str, Any]:
    """The form's fields. An empty one is left to its default."""
    values: dict[str, Any] = {}
    for name, info in BuildDatasetSpec.model_fields.items():
        if name in LISTS:
            values[name] = data.getlist(name)
        elif bare(info.annotation) is bool:
            values[name] = name in data
        elif name != "options" and (text := data.get(name, "").strip()):
            values[name] = text
    builder = BUILDERS.get(str(values.get("rows", default("rows"))))
    # Kinds and options on the page may still be those of the kind of rows that was chosen before.
    shown = data.get("kinds_of", "")
    if builder is None or shown != builder.slug:
        return {**values, "kinds": []} if shown else values
    values["kinds"] = taken_kinds(builder, values["kinds"])
    values["options"] = typed_options(builder.options, data)
    return values


def taken_kinds(builder: Builder, ticked: list[str]) -> list[str]:
    """Empty where it is what is usual for the builder, so that the recipe says no more than the person did."""
    usual = kinds_of(builder, BuildDatasetSpec())
    return [] if set(ticked) == set(usual) else ticked


def typed_options(options: type[BaseModel], data: QueryDict) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, info in options.model_fields.items():
        key, kind = OPTION + name, bare(info.annotation)
        if kind is bool:
            values[name] = key in data
        elif get_origin(kind) is list:
            given = [part.strip() for one in data.getlist(key) for part in one.split(",")]
            values[name] = [part for part in given if part]
        elif text := data.get(key, "").strip():
            values[name] = text
    return values


def checked(project: Project, values: dict[str, Any], offers: Callable[[], Offers]) -> BuildDatasetSpec:
    """The recipe, or SpecError with everything that is wrong with it. Who is in it is in it by pseudonym."""
    problems: dict[str, str] = {}
    values = pseudonymous(values, offers)
    try:
        recipe = parse(BuildDatasetSpec, values)
    except SpecError as error:
        problems = error.problems
    slug = values.get("rows", default("rows"))
    builder = BUILDERS.get(slug) if isinstance(slug, str) else None
    given = values.get("options", {})
    if builder and isinstance(given, dict):
        try:
            # As the builder reads them, with its defaults, so that the YAML says all that was decided.
            options = parse(builder.options, given)  # type: ignore[arg-type]
            values = {**values, "options": options.model_dump(mode="json")}
            check_references(project, options)
        except SpecError as error:
            problems |= {OPTION + name: sentence for name, sentence in error.problems.items()}
    if builder and builder.kinds and isinstance(values.get("kinds"), list):
        problems |= kinds_problem(builder, values["kinds"])
    problems |= {name: sentence for name, sentence in unknown(values, offers).items() if name not in problems}
    if not problems:
        recipe = parse(BuildDatasetSpec, values)
        assert isinstance(recipe, BuildDatasetSpec)
        try:
            check_references(project, recipe)
            return recipe
        except SpecError as error:
            problems = error.problems
    raise SpecError(problems)


def kinds_problem(builder: Builder, kinds: list[Any]) -> dict[str, str]:
    if kinds and not set(map(str, kinds)) & set(builder.kinds):
        reads = ", ".join(builder.kinds)
        return {"kinds": f"{builder.title} are made of {reads}, and the recipe takes {', '.join(map(str, kinds))}."}
    return {}


def pseudonymous(values: dict[str, Any], offers: Callable[[], Offers]) -> dict[str, Any]:
    """User names become pseudonyms, for a recipe is shown to people who may not see names, and leaves the house.

    A name that this person may not see stays as it is, and is then as unknown as one that nobody has.
    """
    given = values.get("annotators")
    if not isinstance(given, list) or all(is_pseudonym(str(one)) for one in given):
        return values
    known = offers().usernames
    named = [one if is_pseudonym(str(one)) else known.get(str(one), one) for one in given]
    return {**values, "annotators": list(dict.fromkeys(named)) if all(isinstance(one, str) for one in named) else named}


def unknown(values: dict[str, Any], offers: Callable[[], Offers]) -> dict[str, str]:
    found = {}
    for name, sentence in NAMED.items():
        given = values.get(name)
        if not given or not isinstance(given, list):
            continue
        known = {one.value for one in offers().of(name)}
        if wrong := [str(one) for one in given if str(one) not in known]:
            listed = ", ".join(sorted(known)[:LISTED]) + (f" and {len(known) - LISTED} more" * (len(known) > LISTED))
            found[name] = sentence.format(wrong=", ".join(wrong)[:80], known=listed or "none")
    return found


def with_line(text: str, name: str, sentence: str) -> str:
    """Say where in the YAML it is."""
    if not name or sentence.startswith("Line "):
        return sentence
    last = name.removeprefix(OPTION)
    indent = r"\s+" if name.startswith(OPTION) else ""
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"{indent}[\"']?{re.escape(last)}[\"']?\s*:", line):
            return f"Line {number}: {sentence}"
    return sentence


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Of what was typed, that which the form can show again."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if name not in BuildDatasetSpec.model_fields:
            continue
        if name in LISTS:
            shown[name] = [str(one) for one in value] if isinstance(value, list) else []
        elif name == "options":
            shown[name] = value if isinstance(value, dict) else {}
        elif isinstance(value, (str, int, float, bool)) or value is None:
            shown[name] = value
    return shown


def as_yaml(form: Form) -> str:
    """What the YAML tab shows."""
    if form.mode == "yaml":
        return form.yaml
    return to_yaml(form.recipe) if form.recipe else yaml.safe_dump(form.values, sort_keys=False, allow_unicode=True)
