"""Mappings that are kept under a name, for the next file whose columns fit; and as YAML, for another project."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from accounts.models import Project, User
from exchange.imports.base import Mapping
from exchange.imports.formats import FORMATS
from exchange.models import SavedMapping

LONGEST = 60
MOST_BYTES = 1_000_000
OF_A_FILE = ("models", "prompts")
"""Parts of a mapping that name things of one project or machine."""


def keep(project: Project, user: User | None, name: str, format: str, mapping: Mapping) -> SavedMapping:
    """Under a name; one of the same name is replaced. Raises ValueError with a sentence."""
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable() or name.endswith((".yaml", ".yml")):
        raise ValueError(f"A mapping needs a name of 1 to {LONGEST} characters on one line, not ending in .yaml.")
    if format not in FORMATS or not any(one.role != "skip" for one in mapping.columns.values()):
        raise ValueError("There is nothing to save: no column becomes anything yet.")
    saved, _ = SavedMapping.objects.update_or_create(
        project=project, name=name, defaults={"format": format, "mapping": plain(mapping), "user": user}
    )
    return saved


def plain(mapping: Mapping) -> dict[str, Any]:
    return {name: value for name, value in mapping.as_json().items() if name not in OF_A_FILE}


def as_yaml(saved: SavedMapping) -> str:
    said = {"format": saved.format, **saved.mapping}
    return yaml.safe_dump(said, allow_unicode=True, sort_keys=False)


def fitting(project: Project, format: str, columns: Collection[str]) -> list[SavedMapping]:
    """Those for this format all of whose columns the file has, the newest first."""
    there = set(columns)
    found = SavedMapping.objects.filter(project=project, format=format).order_by("-saved_at")
    return [one for one in found if wanted(one.mapping) <= there]


def wanted(mapping: dict[str, Any]) -> set[str]:
    return {name for name, role in mapping.get("columns", {}).items() if role != "skip"}


def applied(saved: Mapping, guessed: Mapping, columns: Sequence[str] = ()) -> Mapping:
    """What was kept, for a file of which `guessed` was guessed: columns that it does not name are left out."""
    left = {name: one for name, one in saved.columns.items() if not columns or name in columns}
    return replace(saved, columns=left, source=saved.source or guessed.source)


def named(project: Project, said: str) -> tuple[str, Mapping]:
    """(format, mapping) of a name that was kept, or of a YAML file. Raises ValueError with a sentence."""
    if said.endswith((".yaml", ".yml")):
        return from_yaml(Path(said))
    saved = SavedMapping.objects.filter(project=project, name=said).first()
    if saved is None:
        known = ", ".join(SavedMapping.objects.filter(project=project).values_list("name", flat=True)[:20]) or "none"
        raise ValueError(f"There is no mapping {said} in {project}. There are: {known}. A file ends in .yaml.")
    return saved.format, Mapping.from_json(saved.mapping)


def from_yaml(path: Path) -> tuple[str, Mapping]:
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES:,} bytes: that is no mapping.")
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not YAML: {str(error)[:200]}") from error
    if not isinstance(said, dict) or said.get("format") not in FORMATS or not isinstance(said.get("columns"), dict):
        raise ValueError(f"{path} is no mapping: it needs `format` (one of {', '.join(FORMATS)}) and `columns`.")
    known = {"format", *Mapping.__dataclass_fields__}
    if unknown := set(said) - known:
        raise ValueError(f"{path}: {', '.join(map(str, sorted(unknown, key=str)))} is no part of a mapping.")
    wrong = [str(name) for name, role in said["columns"].items() if not isinstance(role, str)]
    if wrong:
        raise ValueError(f"{path}: {wrong[0]} does not say what it becomes, as in `{wrong[0]}: prompt`.")
    return said["format"], Mapping.from_json({name: said[name] for name in said if name != "format"})
