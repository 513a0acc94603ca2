"""A model's page in a browser: kept about it, its card edited, its files read again, nothing wider than a phone."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import Project, User
from registry import jobs
from registry.models import Dataset, ModelVersion
from tests.factories import make_model

pytestmark = pytest.mark.django_db(transaction=True)
PICTURES = os.environ.get("PALATE_PICTURES", "")


@pytest.fixture
def tuned(project: Project, researcher: User, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path
    folder = tmp_path / "models" / "tuned-dpo-07"
    folder.mkdir(parents=True)
    contents = {"adapter_model.safetensors": bytes(999_999), "adapter_config.json": b"{}"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=researcher)
    dataset = Dataset.objects.create(
        project=project, job=job, name="prefs", version=5, recipe={"name": "prefs"}, path="job-1/attempt-1",
        content_hash="0" * 64, rows={"train": 2410, "held_out": 640}, card={"feedback": 4128, "raters": 24},
    )  # fmt: skip
    made_in = jobs.request_job(project=project, kind="merge", params={"model": "sft"}, user=researcher, name="dpo-07")
    model = make_model(
        project, "tuned-dpo-07", format="adapter", parent=make_model(project, "sft-base-02"), dataset=dataset,
        job=made_in, config={"objective": "dpo", "beta": 0.1, "lora_rank": 16, "seed": 7}, code_version="91be3aa",
        metrics={"accuracy": {"value": 0.71, "low": 0.66, "high": 0.75, "n": 640},
                 "loss": {"value": 0.58, "low": None, "high": None, "n": 640}},
        manifest={name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                  for name, content in contents.items()},
    )  # fmt: skip
    make_model(project, "kto-04", parent=model, tags=["japanese"], stage="candidate")
    return model


def test_a_model_is_kept_in_order(sign_in: Any, project: Project, researcher: User, tuned: ModelVersion) -> None:
    page = sign_in(researcher.username)
    page.goto(tuned.get_absolute_url())
    page.get_by_label("Stage").select_option("champion")
    page.get_by_label("Tags").fill("short, safe")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("h1 .pill")).to_have_text("champion")
    page.get_by_role("button", name="Read them again").click()
    expect(page.get_by_role("status").filter(has_text="2 files")).to_contain_text("all as recorded")
    page.get_by_role("link", name="Written from what is recorded, edit").click()
    page.get_by_label("Markdown, with YAML").fill("---\nlicense: mit\n---\n# Ours\n\nFor short answers.")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.locator(".read")).to_contain_text("For short answers.")
    page.goto(tuned.get_absolute_url())
    expect(page.locator(".read")).to_contain_text("For short answers.")


@pytest.mark.parametrize(("colours", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
def test_nothing_is_cut_off(
    sign_in: Any, researcher: User, tuned: ModelVersion, project: Project, colours: Any, width: int
) -> None:
    page = sign_in(researcher.username, color_scheme=colours)
    page.set_viewport_size({"width": width, "height": 900})
    models = f"/p/{project.slug}/models/"
    for name, url in (("model", tuned.get_absolute_url()), ("models", models), ("card", f"{models}{tuned.name}/card/")):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, url
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{colours}-{width}.png", full_page=True)
