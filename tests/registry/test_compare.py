"""Runs beside each other: what differs, what came out, what may be chance."""

import csv
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Project
from registry import jobs
from registry.compare import compare
from registry.models import Job, Metric
from tests.factories import make_model
from tests.registry.test_pages import queries

pytestmark = pytest.mark.django_db


def run(
    project: Project, *, accuracy: tuple[float, float, float] | None = None, loss: float = 0.5, **params: Any
) -> Job:
    job = jobs.request_job(
        project=project, kind="train_dpo", params={"dataset": "prefs-v1", "base": "base", **params}, user=None
    )
    Job.objects.filter(pk=job.pk).update(status="succeeded", started_at=timezone.now(), finished_at=timezone.now())
    Metric.objects.bulk_create(
        Metric(job=job, step=step, name=name, value=value + step / 100, attempt=1, at=timezone.now())
        for step in range(3) for name, value in (("loss", loss), ("held_out_accuracy", 0.5))
    )  # fmt: skip
    if accuracy:
        value, low, high = accuracy
        figures = {"accuracy": {"value": value, "low": low, "high": high, "n": 40}, "loss": {"value": loss}}
        make_model(project, job.name, job=job, metrics=figures)
    return Job.objects.select_related("project").get(pk=job.pk)


def test_it_shows_what_differs_and_marks_the_best(project: Project) -> None:
    made = [
        run(project, accuracy=(0.70, 0.66, 0.74), beta=0.1, loss=0.4),
        run(project, accuracy=(0.80, 0.76, 0.84), beta=0.3, loss=0.6),
        run(project, beta=0.1),
    ]
    found = compare(made)
    assert found.differing == ["beta"]
    assert [row.settings for row in found.rows] == [[("0.1", False)], [("0.3", True)], [("0.1", False)]]
    accuracy, loss = found.figure_names.index("Held-out accuracy"), found.figure_names.index("Held-out loss")
    assert [row.figures[accuracy].best for row in found.rows if row.figures[accuracy]] == [False, True, False]
    assert [bool(row.figures[loss] and row.figures[loss].best) for row in found.rows] == [True, False, False]
    assert found.rows[2].figures[accuracy].value == 0.52, "without a model the last held-out value"  # type: ignore[union-attr]
    assert (found.finding, found.caution) == ("dpo-2 is ahead in held-out accuracy.", "")
    assert [chart.title for chart in found.charts] == ["Loss, training", "Accuracy, held out"]
    assert "dataset" in {name for name, _ in found.same_settings}


def test_overlapping_intervals_and_other_data_are_cautioned(project: Project) -> None:
    found = compare([
        run(project, accuracy=(0.70, 0.6, 0.8)),
        run(project, accuracy=(0.72, 0.6, 0.8), dataset="prefs-v2", objective="ipo"),
    ])  # fmt: skip
    assert "The interval of dpo-2 overlaps with that of dpo-1" in found.caution
    assert "different datasets" in found.caution
    loss = found.figure_names.index("Held-out loss")
    assert not any(row.figures[loss].best for row in found.rows if row.figures[loss]), "two objectives, two scales"


def test_equals_are_level_and_one_alone_is_nothing(project: Project) -> None:
    one, other = run(project, accuracy=(0.7, 0.6, 0.8)), run(project, accuracy=(0.7, 0.6, 0.8), seed=1)
    assert compare([one, other]).finding == "dpo-1 and dpo-2 are level in held-out accuracy."
    assert compare([one]).finding == ""


def test_the_page_and_its_downloads(project: Project, researcher_client: Client, annotator_client: Client) -> None:
    run(project, accuracy=(0.70, 0.66, 0.74))
    run(project, accuracy=(0.80, 0.76, 0.84), beta=0.3)
    path = "/p/helpful/compare/?run=dpo-1&run=dpo-2&run=nope"
    assert annotator_client.get(path).status_code == 403
    page = researcher_client.get(path).content.decode()
    assert "Compare 2 runs" in page and "dpo-2 is ahead" in page and "There is no run nope" in page
    assert "hx-trigger" not in page, "all have ended"
    rows = list(csv.DictReader(researcher_client.get(f"{path}&format=csv").content.decode().splitlines()))
    assert [(row["run"], row["beta"], row["Held-out accuracy, low"]) for row in rows] == [
        ("dpo-1", "0.1", "0.66"), ("dpo-2", "0.3", "0.76")
    ]  # fmt: skip
    curves = researcher_client.get(f"{path}&format=curves").getvalue().decode().splitlines()
    assert len(curves) == 1 + 2 * 6 and curves[1] == "dpo-1,held_out_accuracy,0,0.5"


@pytest.mark.parametrize("query", ["", "?run=dpo-1", "?run=%00", "?run=" + "&run=".join(f"r{n}" for n in range(40))])
def test_too_few_or_unknown_runs_are_told(project: Project, researcher_client: Client, query: str) -> None:
    run(project)
    page = researcher_client.get(f"/p/helpful/compare/{query}")
    assert page.status_code == 200
    assert "Choose two runs or more" in page.content.decode()


def test_a_sweep_of_another_project_is_not_there(project: Project, researcher_client: Client) -> None:
    assert researcher_client.get("/p/helpful/sweeps/sweep-1/").status_code == 404


def test_many_runs_ask_no_more_than_two(project: Project, researcher_client: Client) -> None:
    for _ in range(2):
        run(project, accuracy=(0.7, 0.6, 0.8))
    two = queries(researcher_client, "/p/helpful/compare/?run=dpo-1&run=dpo-2")
    for _ in range(6):
        run(project, accuracy=(0.7, 0.6, 0.8))
    eight = "/p/helpful/compare/?" + "&".join(f"run=dpo-{n}" for n in range(1, 9))
    assert queries(researcher_client, eight) == two
