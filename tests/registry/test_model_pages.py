"""Models: found, kept in order, carded, verified and taken away."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from accounts.models import AuditEvent, Project, User
from registry import jobs, model_cards
from registry.models import Dataset, Job, ModelCard, ModelVersion
from tests.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(project: Project, researcher: User) -> Dataset:
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=researcher)
    return Dataset.objects.create(
        project=project, job=job, name="prefs", version=3, recipe={"name": "prefs"}, path="job-1/attempt-1",
        content_hash="0" * 64, rows={"train": 1234, "held_out": 56}, card={"feedback": 4321, "raters": 24},
    )  # fmt: skip


@pytest.fixture
def tuned(project: Project, researcher: User, dataset: Dataset, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path
    folder = tmp_path / "models" / "tuned"
    folder.mkdir(parents=True)
    contents = {"adapter_model.safetensors": bytes(range(256)) * 9, "adapter_config.json": b"{}", "README.md": b"old"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    job = jobs.request_job(project=project, kind="merge", params={"model": "base"}, user=researcher, name="dpo-7")
    return make_model(
        project, "tuned", format="adapter", parent=make_model(project, "base"), dataset=dataset, job=job,
        config={"objective": "dpo", "beta": 0.1}, code_version="91be3aa",
        metrics={"accuracy": {"value": 0.71, "low": 0.66, "high": 0.75, "n": 56}, "held_out_pairs": []},
        manifest={name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                  for name, content in contents.items()},
    )  # fmt: skip


def url(project: Project, more: str = "") -> str:
    return f"/p/{project.slug}/models/tuned/{more}"


@pytest.mark.parametrize("more", ["card/", "download/"])
def test_who_may(
    project: Project, tuned: ModelVersion, more: str, annotator_client: Client, outsider_client: Client
) -> None:
    assert annotator_client.get(url(project, more)).status_code == 403
    assert outsider_client.get(url(project, more)).status_code == 404
    assert annotator_client.post(url(project, "keep/"), {"stage": "champion"}).status_code == 403


def test_the_page_draws_where_it_came_from(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    make_model(project, "child", parent=tuned)
    page = researcher_client.get(url(project)).content.decode()
    for said in ("4,321 answers", "prefs-v3", "dpo-7", "91be3aa", "0.710", "0.66 to 0.75", "child"):
        assert said in page
    assert page.count('class="ar"') == 5  # answers, dataset and parent, run, model, child


@pytest.mark.parametrize(
    ("query", "names"),
    [("", {"tuned", "base"}), ("?role=reward", set()), ("?base=base", {"tuned"}), ("?dataset=prefs-v3", {"tuned"}),
     ("?dataset=prefs-v4", set()), ("?dataset=prefs-v%C2%B2", set()), ("?tag=safe", {"tuned"}), ("?tag=saf", set()),
     ("?stage=candidate", {"tuned"}), ("?q=BAS", {"base"}), ("?archived=1", {"past"}), ("?q=%00", {"tuned", "base"})],
)  # fmt: skip
def test_models_are_found(
    project: Project, tuned: ModelVersion, researcher_client: Client, query: str, names: set[str]
) -> None:
    make_model(project, "past", archived_at=tuned.created_at)
    ModelVersion.objects.filter(pk=tuned.pk).update(tags=["safe", "short"], stage="candidate")
    answer = researcher_client.get(f"/p/{project.slug}/models/{query}")
    assert {one.name for one in answer.context["models"]} == names


def test_there_is_one_champion(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    make_model(project, "reward", role="reward", stage="champion")
    make_model(project, "first", stage="champion")
    given = {"stage": "champion", "tags": "safe, short ,safe,", "notes": "Good in <b>Japanese</b>.", "archived": "1"}
    assert researcher_client.post(url(project, "keep/"), given).status_code == 302
    assert dict(ModelVersion.objects.values_list("name", "stage")) == {
        "tuned": "champion", "first": "candidate", "reward": "champion", "base": "",
    }  # fmt: skip
    tuned.refresh_from_db()
    assert tuned.tags == ["safe", "short"]
    assert tuned.archived_at is not None
    assert "&lt;b&gt;Japanese" in researcher_client.get(url(project)).content.decode()
    assert AuditEvent.objects.filter(action="model.changed", target="tuned").count() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [({"stage": "best"}, "There is no stage best"), ({"stage": "", "tags": "x" * 41}, "At most 20 tags"),
     ({"stage": "", "notes": "x" * 5_001}, "The notes have 5,001")],
)  # fmt: skip
def test_what_cannot_be_kept_is_said(
    project: Project, tuned: ModelVersion, researcher_client: Client, given: dict[str, str], said: str
) -> None:
    answer = researcher_client.post(url(project, "keep/"), given)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not AuditEvent.objects.filter(action="model.changed").exists()


def test_the_card_says_what_is_recorded(tuned: ModelVersion) -> None:
    head, body = model_cards.parted(model_cards.text_of(tuned))
    values = yaml.safe_load(head)
    assert (values["base_model"], values["library_name"], values["datasets"]) == ("base", "peft", ["prefs-v3"])
    assert "license" not in values
    assert values["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.71
    for said in ("| accuracy | 0.710 | 0.660 to 0.750 | 56 |", "4,321 answers by 24 raters", "No licence", "91be3aa",
                 "PeftModel.from_pretrained", "| beta | 0.1 |"):  # fmt: skip
        assert said in body
    assert tuned.parent is not None
    tuned.parent.config = {"license": "apache-2.0"}
    assert yaml.safe_load(model_cards.parted(model_cards.text_of(tuned))[0])["license"] == "apache-2.0"


@pytest.mark.parametrize(
    ("role", "kind"), [("policy", "AutoModelForCausalLM"), ("reward", "AutoModelForSequenceClassification")]
)
def test_a_card_loads_what_the_model_is(tuned: ModelVersion, role: str, kind: str) -> None:
    tuned.role = role
    assert f"import {kind}, AutoTokenizer" in model_cards.written(tuned)


def test_versions_of_a_card_are_kept(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    first = {"text": "---\nlicense: mit\n---\n# Mine\n\n<script>alert(1)</script>", "seen": "0"}
    assert researcher_client.post(url(project, "card/"), first).status_code == 302
    assert researcher_client.post(url(project, "card/"), first).status_code == 302, "the same form again"
    assert researcher_client.post(url(project, "card/"), {"text": "# Second", "seen": "1"}).status_code == 302
    lost = researcher_client.post(url(project, "card/"), {"text": "# Third", "seen": "1"})
    assert lost.status_code == 422
    assert "saved another version meanwhile" in lost.content.decode()
    assert "# Third" in lost.content.decode(), "what was typed is not lost"
    assert list(ModelCard.objects.values_list("number", flat=True)) == [2, 1]
    old = researcher_client.get(url(project, "card/?version=1")).content.decode()
    assert "<script>alert" not in old
    assert "license: mit" in old
    assert researcher_client.get(url(project, "card/?version=9")).status_code == 404


@pytest.mark.parametrize(
    ("text", "said"),
    [("---\na: [\n---\n# x", "cannot be read"), ("---\n- a\n---\n# x", "not a list of settings"),
     ("---\na: 1\n---\n", "says nothing"), ("", "says nothing"), ("x" * 50_001, "50,000 are kept")],
)  # fmt: skip
def test_a_card_that_is_none(
    project: Project, tuned: ModelVersion, researcher_client: Client, text: str, said: str
) -> None:
    answer = researcher_client.post(url(project, "card/"), {"text": text, "seen": "0"})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ModelCard.objects.exists()


def test_files_are_read_again(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    assert "3 files read again: all as recorded" in researcher_client.post(url(project, "verify/")).content.decode()
    weights = tuned.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    (tuned.folder / "adapter_config.json").unlink()
    (tuned.folder / "new.txt").write_text("new")
    page = researcher_client.post(url(project, "verify/")).content.decode()
    for said in ("adapter_model.safetensors has other content", "adapter_config.json is missing", "new.txt was not"):
        assert said in page


def test_a_tar_of_all(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    answer = researcher_client.get(url(project, "download/"))
    whole = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert int(answer["Content-Length"]) == len(whole)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        read = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    sent = ("README.md", "manifest.json", "adapter_config.json", "adapter_model.safetensors")
    assert set(read) == {f"tuned/{name}" for name in sent}
    assert read["tuned/README.md"].decode() == model_cards.text_of(tuned)
    for name, entry in json.loads(read["tuned/manifest.json"]).items():
        assert hashlib.sha256(read[f"tuned/{name}"]).hexdigest() == entry["sha256"]
    for first, last in ((0, 10), (700, 1_500), (1_000, None), (len(whole) - 1, None)):
        range_ = f"bytes={first}-{'' if last is None else last}"
        part = researcher_client.get(url(project, "download/"), headers={"range": range_, "if-range": answer["ETag"]})
        assert part.status_code == 206
        assert b"".join(part.streaming_content) == whole[first : None if last is None else last + 1]  # type: ignore[attr-defined]
    past = researcher_client.get(url(project, "download/"), headers={"range": f"bytes={len(whole)}-"})
    assert past.status_code == 416
    other = researcher_client.get(url(project, "download/"), headers={"range": "bytes=5-", "if-range": '"other"'})
    assert other.status_code == 200
    assert AuditEvent.objects.filter(action="model.downloaded", target="tuned").count() == 6


def test_what_changed_is_not_sent(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    (tuned.folder / "adapter_config.json").write_text("{ }")
    page = researcher_client.get(url(project, "download/"), follow=True).content.decode()
    assert "adapter_config.json has 3 bytes instead of 2" in page
    ModelVersion.objects.filter(pk=tuned.pk).update(manifest={"../../secret": {"size": 1, "sha256": ""}})
    page = researcher_client.get(url(project, "download/"), follow=True).content.decode()
    assert "../../secret lies outside" in page
    assert not AuditEvent.objects.filter(action="model.downloaded").exists()


def test_merging_is_asked_for_once(project: Project, tuned: ModelVersion, researcher_client: Client) -> None:
    form = {"dtype": "bfloat16", "request_key": "12345678-1234-4234-8234-123456789012"}
    first, again = (researcher_client.post(url(project, "merge/"), form) for _ in range(2))
    assert first.url == again.url  # type: ignore[attr-defined]
    assert Job.objects.get(name="merged-1").params == {"model": "tuned", "dtype": "bfloat16"}
    assert researcher_client.get(first.url).status_code == 200  # type: ignore[attr-defined]
    page = researcher_client.post(f"/p/{project.slug}/models/base/merge/", form, follow=True).content.decode()
    assert "base is no adapter" in page
