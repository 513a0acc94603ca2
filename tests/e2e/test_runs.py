"""Launching and watching in a real browser: sentences while typing, a preset, a sweep, its page, a filtered log."""

import re
from typing import Any

from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Project, User
from registry import jobs
from registry.models import Dataset, Job, JobLogLine, Metric
from tests.factories import make_model


def test_from_a_preset_to_a_sweep_that_is_compared(project: Project, researcher: User, sign_in: Any) -> None:
    make_model(project, "base")
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=researcher)
    Dataset.objects.create(
        project=project, job=job, name="prefs", version=1, recipe={}, path="", content_hash="0" * 64,
        rows={"train": 1000, "held_out": 100},
    )  # fmt: skip
    page = sign_in("rachel")
    page.goto("/p/helpful/launch/train_dpo/")
    page.locator("label.choice", has_text="First look").click()
    expect(page.locator("#f-lora_rank")).to_have_value("4")
    expect(page.locator("#checked")).to_contain_text("20 steps")

    page.locator("#f-learning_rate").fill("5e7")
    expect(page.locator("#s-learning_rate")).to_contain_text("learning_rate is '5e7'")
    expect(page.locator("#checked")).to_contain_text("1 thing to mend")
    page.locator("#f-learning_rate").fill("1e-5, 3e-5")
    expect(page.locator("#s-learning_rate")).to_contain_text("0.0001 by default")
    expect(page.locator("#yaml")).to_have_value(re.compile(r"3\.0e-05"))
    page.get_by_role("button", name="Launch 2 runs").click()
    expect(page.get_by_role("heading", name="sweep-1", exact=True)).to_be_visible()

    for number, made in enumerate(Job.objects.filter(kind="train_dpo").order_by("pk")):
        Metric.objects.bulk_create(
            Metric(job=made, step=step, name="loss", value=0.7 - number / 10, attempt=1, at=timezone.now())
            for step in range(5)
        )
        JobLogLine.objects.create(job=made, attempt=1, at=timezone.now(), text=f"hello from {made.name}")
        JobLogLine.objects.create(job=made, attempt=1, at=timezone.now(), text="full disk", level="warning")
    expect(page.locator("#live .chart .legend, #live .chart text.c1").first).to_be_visible()

    page.get_by_role("link", name="dpo-1", exact=True).click()
    page.get_by_text("YAML to copy").click()
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        pass  # the page refreshes itself
    expect(page.locator("details[open] summary", has_text="YAML to copy")).to_be_visible()
    page.get_by_label("Level").select_option("warning")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("pre.log").first).to_contain_text("full disk")
    expect(page.locator("pre.log").first).not_to_contain_text("hello")
    page.get_by_role("link", name="Runs", exact=True).first.click()
    page.get_by_label("Compare dpo-1").check()
    page.get_by_label("Compare dpo-2").check()
    page.get_by_role("button", name="Compare what is ticked").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    expect(page.locator("table.data").first).to_contain_text("3e-05")
