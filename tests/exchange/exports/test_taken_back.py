"""The raw history after an import was taken back: its votes are told, as what they are."""

import json
from pathlib import Path

import pytest

from accounts.models import Project
from exchange.exports.people import People
from exchange.exports.sources import events
from exchange.imports.base import Becomes, Mapping
from exchange.imports.formats import FORMATS
from exchange.imports.take_back import take_back
from exchange.imports.write import write
from exchange.models import Import
from registry.specs.export import ExportSpec

pytestmark = pytest.mark.django_db
ROLES = {"prompt": "prompt", "a": "response:a", "b": "response:b", "won": "winner", "who": "rater", "why": "comment"}


@pytest.fixture
def made(project: Project, tmp_path: Path) -> Import:
    path = tmp_path / "f.jsonl"
    rows = [{"prompt": f"q{n}", "a": "x", "b": "y", "won": "b", "who": f"r{n}", "why": "because"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mapping = Mapping(columns={name: Becomes.parse(role) for name, role in ROLES.items()}, source="s")
    return Import.objects.get(pk=write(path, FORMATS["jsonl"], mapping, project, None).number)


def told(project: Project, **settings: object) -> list[dict[str, object]]:
    spec = ExportSpec(what="events", **settings)  # type: ignore[arg-type]
    return list(events.source(project, spec, People(project, spec.people)).rows())


def test_votes_that_went_are_told_with_their_state(project: Project, made: Import) -> None:
    before = told(project)
    take_back(made, None)
    after = told(project)
    assert [one["state"] for one in before] == ["current"] * 3
    assert [one["state"] for one in after] == ["taken back"] * 3
    same = ("event", "id", "at", "task", "prompt_key", "person", "origin", "value", "preference", "order", "comment")
    assert [[one[name] for name in same] for one in after] == [[one[name] for name in same] for one in before]
    assert all(one["ended_at"] and one.get("responses") is None for one in after)


def test_settings_hold_for_them_too(project: Project, made: Import) -> None:
    take_back(made, None)
    rows = told(project, comments=False, timing=False, people="left_out")
    assert {(one["comment"], one["person"], "order" in one) for one in rows} == {(None, None, False)}


def test_those_of_another_project_are_not_there(project: Project, made: Import) -> None:
    take_back(made, None)
    assert told(Project.objects.create(name="Other", slug="other")) == []
