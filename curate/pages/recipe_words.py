"""A stored recipe in words: what it asks for, and how two of them differ. Also of recipes of an earlier spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.builders import BUILDERS
from curate.rows import ROW_TYPES, RowType
from registry.specs import BuildDatasetSpec

EMPTY = {
    "kinds": "all that such rows are made of", "languages": "all", "tags": "all", "annotators": "all", "rounds": "all",
    "since": "the beginning", "until": "the end", "tokenizer": "the packaged model’s",
    "max_prompt_tokens": "any length", "max_tokens": "any length",
}  # fmt: skip


SAID = ("name", "rows")
"""Shown also where they are as usual."""


@dataclass(frozen=True)
class Setting:
    name: str
    value: str
    usual: bool
    """Whether it is what the form starts with."""


@dataclass(frozen=True)
class Difference:
    name: str
    one: str
    two: str


def settings(recipe: Mapping[str, Any]) -> list[Setting]:
    """In the order of the form, the options of the kind of rows among them."""
    usual = BuildDatasetSpec().model_dump(mode="json")
    return [
        Setting(name.replace("_", " "), words(name, value), name in usual and name not in SAID and value == usual[name])
        for name, value in flat(recipe).items()
    ]


def differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Difference]:
    """Settings that are not the same; what one of them does not have is shown with its usual value."""
    usual = BuildDatasetSpec().model_dump(mode="json")
    first, second = flat({**usual, **one}), flat({**usual, **two})
    names = [*first, *(name for name in second if name not in first)]
    return [
        Difference(name.replace("_", " "), words(name, first.get(name)), words(name, second.get(name)))
        for name in names if first.get(name) != second.get(name)
    ]  # fmt: skip


def flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    order = [name for name in BuildDatasetSpec.model_fields if name in recipe]
    order += [name for name in recipe if name not in order]
    found: dict[str, Any] = {}
    for name in order:
        if name == "options" and isinstance(recipe[name], dict):
            found |= {f"{recipe.get('rows', 'rows')}: {key}": value for key, value in recipe[name].items()}
        else:
            found[name] = recipe[name]
    return found


def words(name: str, value: Any) -> str:
    if value in (None, "", []):
        return EMPTY.get(name, "none")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "rows" and value in BUILDERS:
        return BUILDERS[value].title
    return str(value).replace("_", " ") if name in ("aggregate", "split_by", "ties") else str(value)


def rows_title(recipe: Mapping[str, Any]) -> str:
    """Of what a dataset's rows are; the first datasets had pairs, and did not say so."""
    slug = recipe.get("rows", "pairs")
    return BUILDERS[slug].title if slug in BUILDERS else str(slug)


def row_type(recipe: Mapping[str, Any]) -> RowType:
    slug = recipe.get("rows", "pairs")
    return BUILDERS[slug].row if slug in BUILDERS else ROW_TYPES["preference"]
