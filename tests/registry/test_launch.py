"""The launch page: presets, what is wrong beside its field, clones, sweeps, chains."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from registry import jobs, launching, presets, sweeps
from registry.models import Dataset, Job, Sweep
from registry.specs import SPECS, SpecError, from_yaml, parse
from tests.factories import make_model

pytestmark = pytest.mark.django_db
DPO = "/p/helpful/launch/train_dpo/"
FORM = {"dataset": "prefs-v1", "base": "base"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def dataset(project: Project, researcher: User) -> Dataset:
    make_model(project, "base")
    job = jobs.request_job(project=project, kind="build_dataset", params={}, user=researcher)
    Job.objects.update(status="succeeded")
    return Dataset.objects.create(
        project=project, job=job, name="prefs", version=1, recipe={}, path="", content_hash="0" * 64,
        rows={"train": 1000, "held_out": 100},
    )  # fmt: skip


def values(page: Any) -> dict[str, Any]:
    return {control.name: control.value for control in page.context["controls"]}


def marks(page: Any) -> dict[str, str]:
    return {control.name: control.mark for control in page.context["controls"] if control.mark}


def errors(page: Any) -> dict[str, str]:
    return {control.name: control.error for control in page.context["controls"] if control.error}


# Presets


@pytest.mark.parametrize("kind", [kind for kind in SPECS if kind.startswith("train_")])
def test_every_preset_is_settings_that_the_kind_takes(kind: str) -> None:
    offered = presets.presets_of(kind)
    for preset in offered.values():
        parse(SPECS[kind].spec, {**FORM, **presets.values_of(preset, kind)})


def test_reward_models_and_policies_have_presets_and_sampling_has_none() -> None:
    assert set(presets.presets_of("train_reward")) == set(presets.presets_of("train_dpo")) == set(presets.PRESETS)
    assert presets.presets_of("sample") == {}


@pytest.mark.parametrize(("pairs", "steps"), [(1000, 20), (80, 10), (1, 1)])
def test_a_first_look_is_some_20_steps_whatever_the_dataset(dataset: Dataset, pairs: int, steps: int) -> None:
    dataset.rows = {"train": pairs, "held_out": 1}
    found = presets.values_of(presets.PRESETS["first_look"], "train_dpo", dataset)
    spec = parse(SPECS["train_dpo"].spec, {**FORM, **found})
    assert spec.steps(pairs) == steps  # type: ignore[attr-defined]


def test_a_preset_fills_its_fields_marks_them_and_leaves_the_rest(dataset: Dataset, researcher_client: Client) -> None:
    page = researcher_client.post(DPO, {**FORM, "seed": "7", "epochs": "9", "preset": "first_look", "fill": "1"})
    found = values(page)
    assert (found["seed"], found["lora_rank"], found["epochs"], found["dataset"]) == ("7", 4, 0.16, "prefs-v1")
    assert marks(page)["lora_rank"] == "8 by default"
    assert 'value="first_look" checked' in page.content.decode()
    assert not Job.objects.filter(kind="train_dpo").exists()
    form = {**FORM, "max_tokens": "256", "last_layers": "4", "preset": "careful", "fill": "1"}
    other = values(researcher_client.post(DPO, form))
    assert (other["beta"], other["max_tokens"], other["last_layers"]) == (0.3, 512, 0), "nothing is left of first look"
    assert values(researcher_client.get(f"{DPO}?preset=careful"))["beta"] == 0.3
    assert researcher_client.get(f"{DPO}?preset=none").status_code == 200


def test_bounds_are_said_beside_the_field(dataset: Dataset, researcher_client: Client) -> None:
    hints = {control.name: control.hint for control in researcher_client.get(DPO).context["controls"]}
    assert hints["batch_size"].endswith("; 1 to 1,024")
    assert hints["learning_rate"].endswith("; above 0, up to 0.01")
    assert hints["label_smoothing"].endswith("; 0 to below 0.5")


# What is wrong


def test_while_typing_the_sentence_comes_to_its_field(dataset: Dataset, researcher_client: Client) -> None:
    said = researcher_client.post(DPO, {**FORM, "learning_rate": "5e7"}, headers=HTMX).content.decode()
    assert (
        '<div class="said" id="s-learning_rate" hx-swap-oob="true"><p class="error" role="alert">learning_rate' in said
    )
    assert '<div class="said" id="s-beta" hx-swap-oob="true"></div>' in said
    assert "1 thing to mend" in said and 'name="yaml"' not in said
    mended = researcher_client.post(DPO, {**FORM, "learning_rate": "5e-7"}, headers=HTMX).content.decode()
    assert 'id="s-learning_rate" hx-swap-oob="true"><p class="was">0.0001 by default' in mended
    assert "learning_rate: 5.0e-07" in mended, "the YAML follows the form"


def test_wrong_values_in_a_link_are_told(dataset: Dataset, researcher_client: Client) -> None:
    page = researcher_client.get(f"{DPO}?base=gpt&beta=99&objective=magic&betta=1&dataset=prefs-v1")
    assert set(errors(page)) == {"base", "beta", "objective"}
    text = page.content.decode()
    assert "There is no policy model gpt" in text
    assert "The link sets betta, and there is no such setting." in text
    assert '<option value="gpt" selected>gpt: not here</option>' in text, "not silently another one"
    assert errors(researcher_client.get(DPO)) == {}


def test_two_sides_are_not_filled_with_the_same_run(project: Project, researcher_client: Client) -> None:
    for _ in range(2):
        jobs.request_job(project=project, kind="sample", params={"model": "base"}, user=None)
    Job.objects.update(status="succeeded")
    page = researcher_client.get("/p/helpful/launch/judge/")
    assert (values(page)["first"], values(page)["second"]) == ("sample-2", "sample-1")
    given = values(researcher_client.get("/p/helpful/launch/judge/?second=sample-2"))
    assert (given["first"], given["second"]) == ("sample-1", "sample-2")


# Clones


def test_a_clone_marks_what_was_changed_and_keeps_where_it_came_from(
    project: Project, dataset: Dataset, researcher_client: Client
) -> None:
    old = jobs.request_job(project=project, kind="train_dpo", params={**FORM, "beta": 0.3, "seed": 7}, user=None)
    page = researcher_client.get(f"{DPO}?clone=dpo-1")
    assert (values(page)["beta"], values(page)["seed"], marks(page)) == (0.3, 7, {})
    said = researcher_client.post(f"{DPO}?clone=dpo-1", {**FORM, "beta": "0.5", "seed": "7"}, headers=HTMX)
    assert marks(said) == {"beta": "0.3 in dpo-1"}
    researcher_client.post(f"{DPO}?clone=dpo-1", {**FORM, "beta": "0.5", "seed": "7"})
    new = Job.objects.get(name="dpo-2")
    assert new.cloned_from == old
    shown = researcher_client.get(new.get_absolute_url())
    assert shown.context["changes"] == [("beta", "0.3", "0.5")]
    assert "What was changed from" in shown.content.decode()


def test_the_same_value_in_another_form_is_no_change() -> None:
    assert launching.same("1e-4", 0.0001) and launching.same("8", 8) and launching.same(True, True)
    assert launching.same("", None) and launching.same("en, de", ["en", "de"])
    assert not launching.same("0.1", 0.2) and not launching.same(True, False) and not launching.same("8", "eight")


# Sweeps


def test_values_with_commas_become_runs_of_one_sweep(
    project: Project, dataset: Dataset, researcher: User, researcher_client: Client
) -> None:
    form = {**FORM, "beta": "0.1, 0.3, 0.10", "vary": "objective", "vary_values": "dpo, ipo"}
    told = researcher_client.post(DPO, form, headers=HTMX).content.decode()
    assert "<b>4 runs</b>, one for each of objective dpo, ipo × beta 0.1, 0.3." in told
    went = researcher_client.post(DPO, form).headers["Location"]
    sweep = Sweep.objects.get()
    assert went == sweep.get_absolute_url() == "/p/helpful/sweeps/sweep-1/"
    assert (sweep.varied, sweep.created_by) == ({"beta": [0.1, 0.3], "objective": ["dpo", "ipo"]}, researcher)
    tried = [(job.params["beta"], job.params["objective"]) for job in sweep.jobs.order_by("pk")]
    assert tried == [(0.1, "dpo"), (0.3, "dpo"), (0.1, "ipo"), (0.3, "ipo")]
    assert researcher_client.get(went).status_code == 200


def test_yaml_lists_are_a_sweep_and_come_back_as_they_were(dataset: Dataset, researcher_client: Client) -> None:
    page = researcher_client.post(DPO, {**FORM, "epochs": "1, 2", "preview": "1"})
    yaml = page.context["yaml"]
    assert from_yaml(yaml)["epochs"] == [1.0, 2.0]
    assert values(page)["epochs"] == "1.0, 2.0"
    back = researcher_client.post(
        DPO, {"yaml": yaml.replace("objective: dpo", "objective: [dpo, ipo]"), "use_yaml": "on", "preview": "1"}
    )
    assert (back.context["plan"].count, back.context["vary"], back.context["vary_values"]) == (
        4,
        "objective",
        "dpo, ipo",
    )


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"beta": ",".join(f"0.{n}1" for n in range(1, 9)), "epochs": "1,2,3,4"}, "beta", "32 runs"),
        ({"beta": "0.1,0.2", "epochs": "1,2", "seed": "1,2"}, "beta", "at most 2"),
        ({"beta": "0.1, 99"}, "beta", "beta is"),
        (
            {"dataset": "prefs-v1", "vary": "dataset", "vary_values": "prefs-v1, prefs-v9"},
            "dataset",
            "no dataset prefs-v9",
        ),
        ({"vary": "__class__", "vary_values": "1, 2"}, "", "no setting that can be tried"),
    ],
)
def test_a_sweep_that_cannot_be_is_a_sentence_and_starts_nothing(
    dataset: Dataset, researcher_client: Client, changes: dict[str, str], field: str, words: str
) -> None:
    page = researcher_client.post(DPO, {**FORM, **changes})
    assert page.status_code == 422
    assert words in page.context["problems"][field]
    assert not Job.objects.filter(kind="train_dpo").exists() and not Sweep.objects.exists()


def test_a_list_is_no_sweep_where_it_is_the_value() -> None:
    decoding = [{"name": "a"}, {"name": "b"}]
    plan = sweeps.plan(SPECS["sample"].spec, {"model": ["base", "other"], "decoding": decoding})
    assert (plan.count, list(plan.varied)) == (2, ["model"])
    with pytest.raises(SpecError, match="empty list"):
        sweeps.plan(SPECS["sample"].spec, {"model": []})


def test_a_double_click_sweeps_once(dataset: Dataset, researcher_client: Client) -> None:
    key = str(researcher_client.get(DPO).context["request_key"])
    went = [
        researcher_client.post(DPO, {**FORM, "beta": beta, "request_key": key}).headers["Location"]
        for beta in ("0.1, 0.2", "0.1, 0.2", "0.1, 0.3")
    ]
    assert went == [f"/p/helpful/sweeps/sweep-{n}/" for n in (1, 1, 2)]
    assert Job.objects.filter(kind="train_dpo").count() == 4


# Chains


def test_what_a_run_will_make_can_be_chosen(project: Project, dataset: Dataset, researcher_client: Client) -> None:
    first = jobs.request_job(project=project, kind="train_dpo", params=FORM, user=None)
    page = researcher_client.get("/p/helpful/launch/sample/?model=dpo-1").content.decode()
    assert '<option value="dpo-1" selected>dpo-1: the policy it will make (queued)</option>' in page
    form = {"model": "dpo-1", "dataset": "prefs-v1"}
    told = researcher_client.post("/p/helpful/launch/sample/", form, headers=HTMX).content.decode()
    assert "It waits for" in told and first.get_absolute_url() in told
    researcher_client.post("/p/helpful/launch/sample/", form)
    assert [job.name for job in Job.objects.get(kind="sample").after.all()] == ["dpo-1"]
    jobs.request_cancel(first, None)
    refused = researcher_client.post("/p/helpful/launch/sample/", form)
    assert "dpo-1 cancelled and made nothing" in refused.context["problems"]["model"]


def test_a_run_has_the_name_it_was_given(dataset: Dataset, researcher_client: Client) -> None:
    assert researcher_client.post(DPO, {**FORM, "run_name": "my-dpo"}).headers["Location"].endswith("/my-dpo/")
    again = researcher_client.post(DPO, {**FORM, "run_name": "my-dpo", "beta": "0.2"})
    assert (again.status_code, list(again.context["problems"])) == (422, ["name"])
    assert "There is a job my-dpo already" in again.content.decode()
