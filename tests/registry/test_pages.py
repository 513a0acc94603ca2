"""Launch, watch and read: what each role sees, and what wrong settings are told."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Response
from registry import jobs
from registry.models import Dataset, Job, JobLogLine, Metric
from registry.specs import SPECS
from tests.factories import make_model, make_raters, make_task, make_vote

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


def test_back_and_another_setting_is_another_run(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    key = str(researcher_client.get("/p/helpful/launch/train_dpo/").context["request_key"])
    form = {"dataset": "prefs-v1", "base": "base", "request_key": key}
    asked = [{**form, "beta": "0.1"}, {**form, "beta": "0.3"}, {**form, "beta": "0.3"}]
    went = [researcher_client.post("/p/helpful/launch/train_dpo/", one).headers["Location"] for one in asked]
    researcher_client.post("/p/helpful/launch/train_reward/", form)
    assert went == ["/p/helpful/runs/dpo-1/", "/p/helpful/runs/dpo-2/", "/p/helpful/runs/dpo-2/"]
    assert Job.objects.get(name="dpo-2").params["beta"] == 0.3
    assert Job.objects.filter(kind="train_reward").exists()


NUL = "x\x00"


@pytest.mark.parametrize("kind", [kind for kind, info in SPECS.items() if info.launchable])
def test_no_setting_takes_a_nul(project: Project, dataset: Dataset, researcher_client: Client, kind: str) -> None:
    for name in SPECS[kind].spec.model_fields:
        response = researcher_client.post(f"/p/helpful/launch/{kind}/", {name: NUL, "lora_rank": "4"})
        assert response.status_code == 422, name
    assert researcher_client.get(f"/p/helpful/launch/{kind}/?dataset=%00&model=%00&base=%00").status_code == 200
    assert researcher_client.get(f"/p/helpful/launch/{kind}/?clone=%00").status_code == 404
    assert researcher_client.post(f"/p/helpful/launch/{kind}/", {"clone": NUL}).status_code in (404, 422)


@pytest.mark.parametrize(
    "path",
    [
        "runs/?page=%00",
        "runs/?page=" + "9" * 5000,
        "datasets/prefs/v1/?page=%00",
        "datasets/prefs/v1/?page=" + "9" * 5000,
    ],
)
def test_an_odd_page_is_some_page(project: Project, dataset: Dataset, researcher_client: Client, path: str) -> None:
    assert researcher_client.get(f"/p/helpful/{path}").status_code == 200


@pytest.mark.parametrize(
    "path", ["datasets/prefs/v1/?split=%00", "datasets/prefs/v99999999999999999999/", "votes/" + "9" * 30 + "/"]
)
def test_what_is_not_there_is_not_found(
    project: Project, dataset: Dataset, researcher_client: Client, path: str
) -> None:
    assert researcher_client.get(f"/p/helpful/{path}").status_code == 404


def test_a_recipe_takes_no_nul(project: Project, researcher_client: Client) -> None:
    for name in SPECS["build_dataset"].spec.model_fields:
        assert researcher_client.post("/p/helpful/datasets/new/", {name: NUL}).status_code == 422, name


@pytest.mark.parametrize("name", ["prefs-v²", "prefs-v" + "1" * 5000, "prefs-v٣", "prefs-v", "-v1", "prefs-v1\n"])
def test_a_dataset_that_is_none_is_a_sentence(
    project: Project, dataset: Dataset, researcher_client: Client, name: str
) -> None:
    make_model(project, "base")
    yaml = f"base: base\ndataset: {name!a}" if name.endswith("\n") else f"base: base\ndataset: {name}"
    response = researcher_client.post(
        "/p/helpful/launch/train_dpo/", {"yaml": yaml.replace("'", '"'), "use_yaml": "on"}
    )
    assert response.status_code == 422
    assert "There is no dataset" in response.content.decode()


@pytest.mark.parametrize(
    "text", ["5", "- [", "- name: \x07", "[" * 3000, "2020-13-45", "- seed: 0x" + "f" * 9000, "x" * 100_001]
)
def test_decoding_that_is_none_is_shown_as_it_was_typed(project: Project, researcher_client: Client, text: str) -> None:
    make_model(project, "base")
    form = {"model": "base", "split": "all", "tag": "kept", "decoding": text}
    page = researcher_client.post("/p/helpful/launch/sample/", form)
    assert page.status_code == 422
    shown = {control.name: control for control in page.context["controls"]}
    assert shown["decoding"].value == text
    assert shown["decoding"].error
    assert shown["tag"].value == "kept"
    assert researcher_client.get("/p/helpful/launch/sample/", {"decoding": text[:4000]}).status_code == 200


def test_a_list_in_yaml_that_is_none(project: Project, researcher_client: Client) -> None:
    response = researcher_client.post(
        "/p/helpful/launch/sample/", {"yaml": "model: base\ndecoding: 5", "use_yaml": "on"}
    )
    assert response.status_code == 422
    assert "decoding is 5" in response.content.decode()


def test_policies_train_on_from_an_adapter_and_reward_models_do_not(
    project: Project, dataset: Dataset, researcher_client: Client
) -> None:
    """A policy's adapter is merged into its base first; a reward model has a head of its own on the base."""
    base = make_model(project, "base")
    tuned = make_model(project, "dpo-1", parent=base, format="adapter")
    offered = {
        kind: next(
            [name for name, _ in c.choices]
            for c in researcher_client.get(f"/p/helpful/launch/{kind}/").context["controls"]
            if c.name == "base"
        )
        for kind in ("train_dpo", "train_reward")
    }
    assert set(offered["train_dpo"]) == {"base", "dpo-1"} and offered["train_reward"] == ["base"]
    settings = {"dataset": "prefs-v1", "base": "dpo-1"}
    refused = researcher_client.post("/p/helpful/launch/train_reward/", settings)
    assert refused.status_code == 422
    assert "dpo-1 is an adapter on base. Train from base." in refused.content.decode()
    assert researcher_client.post("/p/helpful/launch/train_dpo/", settings).status_code == 302
    for model in (base, tuned):
        assert "Train it further" in researcher_client.get(model.get_absolute_url()).content.decode()


def test_nothing_to_choose_launches_nothing(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    response = researcher_client.post("/p/helpful/launch/train_dpo/", {"dataset": "prefs-v1", "base": ""})
    assert response.status_code == 422
    assert "base is missing" in response.content.decode()
    assert "/admin/" in response.content.decode()
    assert "/admin/" in researcher_client.get("/p/helpful/models/").content.decode()


def frozen(dataset: Dataset, root: Path, **rows: int) -> None:
    """Parquet files of so many rows a part."""
    side = [{"role": "assistant", "content": "Soak them."}]
    row = {"prompt": [{"role": "user", "content": "Beans?"}], "chosen": side, "rejected": side, "margin": 1.0,
           "agreement": 1.0, "lang": "en", "feedback_ids": [1]}  # fmt: skip
    dataset.folder.mkdir(parents=True)
    for split, count in rows.items():
        kept = pa.Table.from_pylist([row] * max(count, 1)).slice(0, count)
        pq.write_table(kept, dataset.folder / f"{split}.parquet")
    Dataset.objects.filter(pk=dataset.pk).update(rows=rows)


def test_an_empty_part_a_page_past_the_end_and_lost_files(
    project: Project, dataset: Dataset, researcher_client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.ARTIFACTS = tmp_path
    lost = researcher_client.get("/p/helpful/datasets/prefs/v1/").content.decode()
    assert "not where it should be" in lost
    frozen(dataset, tmp_path, train=25, held_out=0)
    past = researcher_client.get("/p/helpful/datasets/prefs/v1/?page=99")
    assert (past.context["page"], len(past.context["rows"])) == (2, 5)
    empty = researcher_client.get("/p/helpful/datasets/prefs/v1/?split=held_out").content.decode()
    assert "No row is in this part." in empty
    assert "not where it should be" not in empty


def test_the_launch_page_names_the_queue_that_is_used(
    project: Project, researcher_client: Client, settings: Any
) -> None:
    settings.JOB_TRAIN_QUEUE = "gpu"
    assert "queue gpu" in researcher_client.get("/p/helpful/launch/train_dpo/").content.decode()


def queries(client: Client, path: str) -> int:
    client.get(path)  # what is kept for a minute, such as the number of items to settle, is read now
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def trained(project: Project, user: User, number: int) -> Dataset:
    """A model with a parent, a dataset and a run, all its own."""
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=user)
    made = Dataset.objects.create(
        project=project, job=job, name=f"more-{number}", version=1, recipe={}, path="", content_hash="",
        rows={"train": 1, "held_out": 1},
    )  # fmt: skip
    parent = make_model(project, f"base-{number}")
    make_model(project, f"tuned-{number}", parent=parent, dataset=made, job=job, format="adapter")
    return made


def test_the_models_page_asks_the_same_for_many(project: Project, researcher: User, researcher_client: Client) -> None:
    trained(project, researcher, 1)
    before = queries(researcher_client, "/p/helpful/models/")
    for number in range(2, 6):
        trained(project, researcher, number)
    assert queries(researcher_client, "/p/helpful/models/") == before


def test_the_vote_page_asks_the_same_for_many(project: Project, researcher: User, researcher_client: Client) -> None:
    task = make_task(project)
    Response.objects.update(model=make_model(project, "base"))
    vote = make_vote(task, make_raters(project, 1)[0])
    path = f"/p/helpful/votes/{vote.pk}/"
    DatasetFeedback.objects.create(dataset=trained(project, researcher, 1), feedback=vote, split="train")
    before = queries(researcher_client, path)
    for number in range(2, 6):
        DatasetFeedback.objects.create(dataset=trained(project, researcher, number), feedback=vote, split="train")
    assert queries(researcher_client, path) == before
    assert before <= 14


def test_what_few_people_set_is_folded(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    page = researcher_client.get("/p/helpful/launch/train_dpo/")
    assert {"dataset", "base", "objective", "beta", "learning_rate", "epochs"} <= {
        c.name for c in page.context["usual"]
    }
    assert "weight_decay" in {control.name for control in page.context["folded"]}
    assert '<details class="stack tight"><summary>More settings' in page.content.decode()
    form = {"dataset": "prefs-v1", "base": "base", "weight_decay": "9"}
    wrong = researcher_client.post("/p/helpful/launch/train_dpo/", form).content.decode()
    assert '<details class="stack tight" open><summary>More settings' in wrong
    assert "More settings" not in researcher_client.get("/p/helpful/launch/judge/").content.decode()


def test_the_cost_is_said_before_it_starts(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    make_model(project, "base")
    page = researcher_client.get("/p/helpful/launch/train_dpo/")
    assert (page.context["cost"].pairs, page.context["cost"].steps, page.context["cost"].measurements) == (10, 2, 2)
    assert "<b>2 steps</b> of 8: 1 epoch over the <b>10 pairs</b> of prefs-v1" in page.content.decode()
    form = {"dataset": "prefs-v1", "base": "base", "epochs": "3", "launch": "1"}
    told = researcher_client.post("/p/helpful/launch/train_dpo/", form, headers={"HX-Request": "true"}).content.decode()
    assert told.lstrip().startswith("<section") and "6 steps" in told
    mend = researcher_client.post(
        "/p/helpful/launch/train_dpo/", {**form, "epochs": "x"}, headers={"HX-Request": "true"}
    )
    assert (mend.status_code, "1 thing to mend" in mend.content.decode()) == (200, True)
    assert not Job.objects.filter(kind="train_dpo").exists(), "asking what it costs starts nothing"


def test_a_sample_run_leads_on_to_people(project: Project, researcher: User, researcher_client: Client) -> None:
    job = launched(project, researcher, status="succeeded", attempt=1)
    page = researcher_client.get(job.get_absolute_url()).content.decode()
    assert f'<a href="{reverse("tasks-new", args=["helpful", job.name])}">Ask people to compare these</a>' in page
    Job.objects.filter(pk=job.pk).update(status="failed")
    assert "Ask people" not in researcher_client.get(job.get_absolute_url()).content.decode()
