"""Launch, watch and read: what each role sees, and what wrong settings are told."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Project, User
from registry import jobs
from registry.models import Dataset, Job, JobLogLine, Metric
from tests.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(project: Project, researcher: User) -> Dataset:
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=researcher)
    return Dataset.objects.create(
        project=project, job=job, name="prefs", version=1, recipe={"name": "prefs"}, path="job-1/attempt-1",
        content_hash="0" * 64, rows={"train": 10, "held_out": 4},
    )  # fmt: skip


def launched(project: Project, user: User, **values: Any) -> Job:
    job = jobs.request_job(
        project=project, kind="sample", params={"model": "base", "split": "all"}, user=user, name="sample-9"
    )
    Job.objects.filter(pk=job.pk).update(**values)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    "path",
    [
        "runs/",
        "queue/",
        "models/",
        "launch/train_dpo/",
        "launch/sample/",
        "launch/judge/",
        "datasets/",
        "datasets/new/",
    ],
)
def test_who_may_open_it(
    project: Project,
    path: str,
    researcher_client: Client,
    annotator_client: Client,
    outsider_client: Client,
    client: Client,
) -> None:
    assert researcher_client.get(f"/p/helpful/{path}").status_code == 200
    assert annotator_client.get(f"/p/helpful/{path}").status_code == 403
    assert outsider_client.get(f"/p/helpful/{path}").status_code == 404
    assert client.get(f"/p/helpful/{path}").status_code == 302


def test_launching_queues_a_job(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    response = researcher_client.post(
        "/p/helpful/launch/train_dpo/", {"dataset": "prefs-v1", "base": "base", "learning_rate": "5e-5"}
    )
    job = Job.objects.get(kind="train_dpo")
    assert response.headers["Location"] == job.get_absolute_url() == "/p/helpful/runs/dpo-1/"
    assert job.params["learning_rate"] == 5e-5
    assert job.params["beta"] == 0.1, "what was not posted has its default"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": "5e7"}, "learning_rate is"),
        ({"epochs": "many"}, "epochs is"),
        ({"dataset": "prefs-v9"}, "There is no dataset prefs-v9"),
        ({"base": "gpt"}, "There is no policy model gpt"),
        ({"objective": "magic"}, "objective is"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(
    project: Project, dataset: Dataset, researcher_client: Client, values: dict[str, str], words: str
) -> None:
    make_model(project, "base")
    response = researcher_client.post("/p/helpful/launch/train_dpo/", {"dataset": "prefs-v1", "base": "base", **values})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Job.objects.filter(kind="train_dpo").exists()


def test_the_form_and_its_yaml_are_the_same(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    form = {"dataset": "prefs-v1", "base": "base", "beta": "0.3"}
    page = researcher_client.post("/p/helpful/launch/train_dpo/", {**form, "preview": "1"}).context["yaml"]
    assert "beta: 0.3" in page
    researcher_client.post("/p/helpful/launch/train_dpo/", {**form, "beta": "9", "yaml": page, "use_yaml": "on"})
    assert Job.objects.get(kind="train_dpo").params["beta"] == 0.3


def test_torn_yaml_names_its_line(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    response = researcher_client.post(
        "/p/helpful/launch/train_dpo/", {"yaml": "dataset: prefs-v1\nbase: [", "use_yaml": "on"}
    )
    assert response.status_code == 422
    assert "of the YAML cannot be read" in response.content.decode()


def test_an_unknown_setting_in_yaml_is_refused(project: Project, researcher_client: Client) -> None:
    response = researcher_client.post("/p/helpful/launch/train_dpo/", {"yaml": "betta: 1", "use_yaml": "on"})
    assert "There is no setting betta" in response.content.decode()


def test_a_clone_has_the_same_settings(project: Project, researcher: User, researcher_client: Client) -> None:
    make_model(project, "base")
    job = launched(project, researcher)
    page = researcher_client.get("/p/helpful/launch/sample/?clone=sample-9")
    assert {c.name: c.value for c in page.context["controls"]}["model"] == "base"
    researcher_client.post("/p/helpful/launch/sample/?clone=sample-9", {"model": "base", "split": "all", "seed": "3"})
    assert Job.objects.get(params__seed=3).cloned_from == job


def test_unknown_kinds_do_not_exist(project: Project, researcher_client: Client) -> None:
    assert researcher_client.get("/p/helpful/launch/mine_bitcoin/").status_code == 404
    assert researcher_client.get("/p/helpful/launch/build_dataset/").status_code == 404


def test_a_run_shows_curves_and_log(project: Project, researcher: User, researcher_client: Client) -> None:
    job = launched(project, researcher, status="running", attempt=1, started_at=timezone.now(), progress_total=40)
    Metric.objects.bulk_create(
        Metric(job=job, step=step, name=name, value=1 / (step + 1), attempt=1, at=timezone.now())
        for step in range(20) for name in ("loss", "held_out_loss", "accuracy")
    )  # fmt: skip
    JobLogLine.objects.create(job=job, attempt=1, at=timezone.now(), text="<script>alert(1)</script>")
    page = researcher_client.get(job.get_absolute_url())
    text = page.content.decode()
    assert [chart.title for chart in page.context["charts"]] == ["Loss", "Accuracy"]
    assert "&lt;script&gt;alert(1)" in text
    assert 'hx-trigger="every 2s"' in text
    live = researcher_client.get(job.get_absolute_url(), headers={"HX-Request": "true"}).content.decode()
    assert live.lstrip().startswith('<div id="live"')


def test_a_finished_run_stops_asking(project: Project, researcher: User, researcher_client: Client) -> None:
    job = launched(project, researcher, status="failed", attempt=1, error="It is out of memory.")
    page = researcher_client.get(job.get_absolute_url()).content.decode()
    assert "hx-trigger" not in page
    assert "It is out of memory." in page


def test_stop_and_resume(
    project: Project, researcher: User, researcher_client: Client, annotator_client: Client
) -> None:
    job = launched(project, researcher)
    assert annotator_client.post(f"{job.get_absolute_url()}cancel/").status_code == 403
    researcher_client.post(f"{job.get_absolute_url()}cancel/")
    job.refresh_from_db()
    assert job.status == "cancelled"
    researcher_client.post(f"{job.get_absolute_url()}resume/")
    job.refresh_from_db()
    assert job.status == "queued"
    page = researcher_client.post(f"{job.get_absolute_url()}resume/", follow=True).content.decode()
    assert 'class="note bad"' in page


def test_a_run_of_another_project_does_not_exist(project: Project, researcher: User, outsider_client: Client) -> None:
    other = Project.objects.create(name="Other", slug="other")
    launched(other, researcher)
    assert outsider_client.get("/p/other/runs/sample-9/").status_code == 404
    assert outsider_client.get("/p/helpful/runs/sample-9/").status_code == 404


def test_a_model_shows_where_it_came_from(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    base = make_model(project, "base")
    tuned = make_model(project, "dpo-1", parent=base, dataset=dataset, job=dataset.job, format="adapter",
                       metrics={"accuracy": {"value": 0.75, "low": 0.6, "high": 0.9, "n": 40}})  # fmt: skip
    page = researcher_client.get(tuned.get_absolute_url())
    assert [model.name for model in page.context["lineage"]] == ["base", "dpo-1"]
    assert "0.60 to 0.90" in page.content.decode()
    assert researcher_client.get("/p/helpful/models/").status_code == 200


def test_a_double_click_launches_once(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    key = str(researcher_client.get("/p/helpful/launch/train_dpo/").context["request_key"])
    form = {"dataset": "prefs-v1", "base": "base", "request_key": key}
    first = researcher_client.post("/p/helpful/launch/train_dpo/", form)
    assert researcher_client.post("/p/helpful/launch/train_dpo/", form).headers["Location"] == first.headers["Location"]
    assert Job.objects.filter(kind="train_dpo").count() == 1


def test_a_preview_never_freezes(project: Project, researcher_client: Client) -> None:
    researcher_client.post("/p/helpful/datasets/new/", {"freeze": "1", "name": "prefs"}, headers={"HX-Request": "true"})
    assert not Job.objects.exists()
