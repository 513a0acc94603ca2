"""Mappings under a name: kept, offered where the columns fit, by name and as YAML for the command and the page."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Project, User
from annotate.models import Feedback
from exchange.imports import saved
from exchange.imports.base import Becomes, Mapping
from exchange.models import SavedMapping, Upload
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
ROW = {"ask": "q", "left": "x", "right": "y", "verdict": "L", "note": "n"}
ROLES = {
    "ask": "prompt", "left": "response:a", "right": "response:b", "verdict": "winner(l=a, r=b)", "note": "skip",
}  # fmt: skip


def mapping() -> Mapping:
    return Mapping(columns={name: Becomes.parse(role) for name, role in ROLES.items()}, source="panel", tags=["t"])


def file(folder: Path, name: str = "f.jsonl", **more: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**ROW, **more}) + "\n")
    return path


def run(*options: str) -> str:
    out = StringIO()
    call_command("import", *options, "--project", "helpful", stdout=out)
    return out.getvalue()


def test_a_kept_mapping_is_read_back_as_it_was(project: Project, tmp_path: Path) -> None:
    kept = saved.keep(project, None, " panel ", "jsonl", mapping())
    assert saved.named(project, "panel") == ("jsonl", mapping())
    path = tmp_path / "panel.yaml"
    path.write_text(saved.as_yaml(kept))
    assert saved.from_yaml(path) == ("jsonl", mapping())
    saved.keep(project, None, "panel", "jsonl", mapping())
    assert SavedMapping.objects.count() == 1


def test_it_is_offered_where_its_columns_are(project: Project) -> None:
    kept = saved.keep(project, None, "panel", "jsonl", mapping())
    assert saved.fitting(project, "jsonl", ["ask", "left", "right", "verdict", "more"]) == [kept]
    assert saved.fitting(project, "jsonl", ["ask", "left", "right"]) == []
    assert saved.fitting(project, "csv", list(ROLES)) == []


def test_the_command_takes_and_keeps_one(project: Project, tmp_path: Path) -> None:
    path = file(tmp_path)
    options = [f"--map={name}={role}" for name, role in ROLES.items()]
    run(str(path), *options, "--source", "panel", "--save-mapping", "panel")
    run(str(file(tmp_path, "g.jsonl", ask="q2", verdict="R")), "--mapping", "panel")
    assert list(Feedback.objects.order_by("pk").values_list("preference", flat=True)) == [2, -2]
    (tmp_path / "m.yaml").write_text(saved.as_yaml(SavedMapping.objects.get()))
    run(str(file(tmp_path, "h.jsonl", ask="q3")), "--mapping", str(tmp_path / "m.yaml"))
    assert Feedback.objects.count() == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format: jsonl\ncolumns: [1]", "is no mapping"), ("format: [", "is not YAML"),
        ("format: jsonl\ncolumns: {ask: [1]}", "does not say what it becomes"),
        ("format: jsonl\ncolumns: {ask: nonsense}", "not something a column can become"),
        ("format: jsonl\ncolumns: {ask: prompt}\nsurprise: 1", "surprise is no part of a mapping"),
        ("format: jsonl\ncolumns: {elsewhere: prompt}", "has no column elsewhere"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping_is_told(text: str, words: str, project: Project, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(CommandError, match=words):
        run(str(file(tmp_path)), "--mapping", str(tmp_path / "m.yaml"))
    with pytest.raises(CommandError, match="There is no mapping nothing"):
        run(str(file(tmp_path)), "--mapping", "nothing")
    assert not Feedback.objects.exists()


@pytest.fixture
def client(researcher: User, settings: Any, tmp_path: Path) -> Client:
    settings.ARTIFACTS = tmp_path
    return logged_in(researcher)


def sent(client: Client) -> Upload:
    content = (json.dumps(ROW) + "\n").encode()
    client.post("/p/helpful/import/", {"file": SimpleUploadedFile("f.jsonl", content)})
    upload = Upload.objects.latest("pk")
    client.get(f"/p/helpful/import/{upload.pk}/")
    upload.refresh_from_db()
    return upload


def test_the_page_saves_offers_uses_and_gives_it_out(client: Client, project: Project) -> None:
    upload = sent(client)
    Upload.objects.update(mapping=mapping().as_json())
    page = f"/p/helpful/import/{upload.pk}/"
    text = client.post(f"{page}mapping/", {"name": "panel"}, follow=True).content.decode()
    assert "The mapping is saved as panel" in text
    kept = SavedMapping.objects.get()
    other = sent(client)
    assert other.mapping["columns"]["verdict"] != "winner(l=a, r=b)"
    assert 'aria-label="Use panel"' in client.get(f"/p/helpful/import/{other.pk}/").content.decode()
    client.post(f"/p/helpful/import/{other.pk}/mapping/", {"use": kept.pk})
    other.refresh_from_db()
    assert other.mapping["columns"] == ROLES
    assert client.get(f"/p/helpful/import-mappings/{kept.pk}/yaml/").content.decode() == saved.as_yaml(kept)
    client.post(f"/p/helpful/import-mappings/{kept.pk}/discard/", {"upload": other.pk})
    assert not SavedMapping.objects.exists()


def test_forged_and_foreign_mappings_are_refused(client: Client, project: Project) -> None:
    upload = sent(client)
    there = Project.objects.create(name="Other", slug="other")
    foreign = saved.keep(there, None, "panel", "jsonl", mapping())
    text = client.post(f"/p/helpful/import/{upload.pk}/mapping/", {"use": foreign.pk}, follow=True).content.decode()
    assert "does not fit this file" in text
    assert client.get(f"/p/helpful/import-mappings/{foreign.pk}/yaml/").status_code == 404
    client.post(f"/p/helpful/import-mappings/{foreign.pk}/discard/")
    text = client.post(f"/p/helpful/import/{upload.pk}/mapping/", {"name": "x" * 61}, follow=True).content.decode()
    assert "needs a name of 1 to 60 characters" in text
    assert SavedMapping.objects.count() == 1
