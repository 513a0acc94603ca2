"""The dataset builder: a form and YAML both ways, what is wrong said at its field, a preview, and freezing."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Project, User
from annotate.models import Feedback
from curate.builders import BUILDERS
from curate.pages.row_words import Shown, told_apart
from curate.rows import SFT, assistant, user
from registry.models import Job
from registry.specs import BuildDatasetSpec, from_yaml
from tests.curate.frozen import freeze, pair
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
URL = "/p/helpful/datasets/new/"
HTMX = {"HX-Request": "true"}
FORM = {"as": "form", "name": "prefs", "rows": "pairs", "kinds_of": "pairs", "kinds": ["pairwise", "chat"],
        "origins": ["human", "simulated"], "aggregate": "majority", "adjudicated_first": "on", "ties": "drop",
        "margin": "strength", "minimum_agreement": "0.5", "held_out_share": "0.3", "seed": "0"}  # fmt: skip


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def answered(project: Project) -> Project:
    raters = make_raters(project, 2)
    for number in range(12):
        task = make_task(project, f"p-{number}", texts=(f"Short {number}.", f"A longer answer, {number}."), wanted=2)
        for rater, preference in zip(raters, (2, -1 if number % 3 == 0 else 3), strict=True):
            make_vote(task, rater, preference)
    return project


def sent(client: Client, **values: Any) -> Any:
    return client.post(URL, {**FORM, **values}, headers=HTMX)


def test_the_page_has_every_setting(answered: Project, researcher_client: Client) -> None:
    response = researcher_client.get(URL)
    page = response.content.decode()
    for name in BuildDatasetSpec.model_fields:
        assert f'name="{name}"' in page or name in ("options", "tags", "rounds"), name
    for builder in BUILDERS.values():
        assert f'value="{builder.slug}"' in page and builder.title in page
    assert response.context["preview"].total == 8


@pytest.mark.parametrize("slug", list(BUILDERS))
def test_every_kind_of_rows_has_a_preview(answered: Project, researcher_client: Client, slug: str) -> None:
    response = sent(researcher_client, rows=slug, kinds_of="pairs")
    page = response.content.decode()
    assert response.status_code in (200, 422)
    assert f'name="kinds_of" value="{slug}"' in page or slug == "pairs"
    for name in BUILDERS[slug].options.model_fields:
        assert f'name="options.{name}"' in page or slug == "pairs", name


def test_the_preview_follows(answered: Project, researcher_client: Client) -> None:
    loose, kept = sent(researcher_client), sent(researcher_client, ties="keep")
    assert (loose.context["preview"].total, kept.context["preview"].total) == (8, 12)
    assert b"<html" not in loose.content and b'id="preview"' in loose.content
    assert "Draw again" in loose.content.decode() and not Job.objects.exists()


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"minimum_agreement": "0.2"}, "minimum_agreement", "greater than or equal to 0.5"),
        ({"minimum_agreement": "much"}, "minimum_agreement", "valid number"),
        ({"name": "Not a name"}, "name", "name is"),
        ({"origins": []}, "origins", "origins"),
        ({"rows": "nothing"}, "rows", "rows is"),
        ({"since": "2026-03-05", "until": "2026-03-01"}, "", "swap them"),
        ({"since": "yesterday"}, "since", "since is"),
        ({"languages": ["xx"]}, "languages", "There are en"),
        ({"annotators": ["nobody"]}, "annotators", "by their pseudonyms: p-"),
        ({"tokenizer": "none"}, "tokenizer", "none"),
        ({"seed": "x" * 5000}, "seed", "seed is"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    answered: Project, researcher_client: Client, values: dict[str, Any], field: str, words: str
) -> None:
    for headers in (HTMX, {}):
        response = researcher_client.post(URL, {**FORM, **values, "freeze": "1"}, headers=headers)
        assert response.status_code == 422
        assert words in response.context["problems"][field]
        if field:
            assert f'id="e-{field}"' in response.content.decode()
    assert not Job.objects.exists()


def test_options_of_a_kind_are_checked(answered: Project, researcher_client: Client) -> None:
    wrong = sent(researcher_client, rows="ampo", kinds_of="ampo", kinds=[], **{"options.negatives": "0"})
    assert wrong.status_code == 422 and "options.negatives" in wrong.context["problems"]
    wrong = sent(researcher_client, rows="ampo", kinds_of="ampo", kinds=[], **{"options.model": "rm-9"})
    assert "no reward model rm-9" in wrong.context["problems"]["options.model"]
    text = "rows: ampo\noptions:\n  negatives: 3\n  surprise: 1\n"
    wrong = researcher_client.post(URL, {"as": "yaml", "yaml": text}, headers=HTMX)
    assert wrong.status_code == 422
    assert wrong.context["problems"]["options.surprise"].startswith("Line 4: There is no setting")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "Line 1"),
        ("rows: pairs\nties: maybe\n", "Line 2: ties is 'maybe'"),
        ("- a\n- b\n", "not a list of settings"),
        ("options: 3\n", "options"),
        ("name: prefs\nname_: x\n", "Line 2: There is no setting name_"),
        ("since: 2026-99-99\n", "month must be"),
        ("languages: en\n", "Line 1: languages"),
        ("kinds: [edit]\n", "Line 1:"),
    ],
)
def test_bad_yaml_names_the_line(answered: Project, researcher_client: Client, text: str, words: str) -> None:
    for values in ({"view": "form"}, {}):
        response = researcher_client.post(URL, {"as": "yaml", "yaml": text, "freeze": "1", **values})
        page = response.content.decode()
        assert response.status_code == 422
        assert words in " ".join(response.context["problems"].values())
        assert 'id="f-yaml"' in page  # it stays where it can be mended
    assert not Job.objects.exists()


def test_form_and_yaml_say_the_same(answered: Project, researcher_client: Client) -> None:
    as_yaml = sent(researcher_client, view="yaml", ties="half", minimum_agreement="0.667", languages=["en"], seed="7")
    text = as_yaml.context["yaml"]
    said = from_yaml(text)
    assert (said["ties"], said["minimum_agreement"], said["languages"], said["seed"]) == ("half", 0.667, ["en"], 7)
    assert said["kinds"] == []  # what is usual needs no list
    back = researcher_client.post(URL, {"as": "yaml", "yaml": text, "view": "form"}, headers=HTMX)
    page = back.content.decode()
    assert 'name="minimum_agreement" value="0.667"' in page
    assert back.context["form"].recipe == as_yaml.context["form"].recipe
    again = researcher_client.post(URL, {"as": "yaml", "yaml": "# mine\n" + text}, headers=HTMX)
    assert again.context["form"].yaml.startswith("# mine")


def test_frozen_from_yaml_and_from_the_form_is_the_same_recipe(answered: Project, researcher_client: Client) -> None:
    text = sent(researcher_client, view="yaml").context["yaml"]
    researcher_client.post(URL, {"as": "yaml", "yaml": text, "freeze": "1"})
    researcher_client.post(URL, {**FORM, "freeze": "1"})
    one, two = Job.objects.order_by("pk")
    assert one.params == two.params


def test_a_double_click_freezes_once(answered: Project, researcher_client: Client) -> None:
    key = str(researcher_client.get(URL).context["request_key"])
    went = [researcher_client.post(URL, {**FORM, "freeze": "1", "request_key": key}).headers["Location"] for _ in "ab"]
    assert went == [Job.objects.get().get_absolute_url()] * 2


def test_an_earlier_recipe_to_start_from(project: Project, researcher: User, researcher_client: Client) -> None:
    freeze(project, researcher, {"train": [pair("a", "b", "c")]}, recipe={"ties": "keep", "minimum_agreement": 0.75})
    response = researcher_client.get(URL, {"from": "prefs-v1"})
    assert response.context["form"].recipe.minimum_agreement == 0.75
    assert response.context["version"] == "prefs-v2"
    assert "?from=prefs-v1" in response.content.decode()
    for name in ("prefs-v9", "\x00", "x"):
        assert researcher_client.get(URL, {"from": name}).status_code == 404, name


def test_recipes_of_another_project_are_not_there(
    project: Project, researcher: User, researcher_client: Client
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    freeze(other, researcher, {"train": [pair("a", "b", "c")]}, name="secret")
    assert researcher_client.get(URL, {"from": "secret-v1"}).status_code == 404
    assert "secret" not in researcher_client.get(URL).content.decode()


def test_another_kind_of_rows_drops_kinds_and_options_of_the_last_one(
    answered: Project, researcher_client: Client
) -> None:
    response = sent(researcher_client, rows="edits", kinds_of="pairs", **{"options.model": "x"})
    recipe = response.context["form"].recipe
    assert (recipe.rows, recipe.kinds) == ("edits", [])


def test_an_empty_project_says_so(project: Project, researcher_client: Client) -> None:
    assert "No row comes out" in researcher_client.get(URL).content.decode()


@pytest.mark.parametrize(
    "odd", [{"draw": "x"}, {"draw": "9" * 50}, {"request_key": "x"}, {"view": "other"}, {"as": "z"}]
)
def test_forged_fields_do_nothing(answered: Project, researcher_client: Client, odd: dict[str, str]) -> None:
    assert sent(researcher_client, **odd).status_code == 200


@pytest.mark.parametrize("slug", ["rs_dpo", "ampo"])
@pytest.mark.parametrize("headers", [HTMX, {}])
def test_rows_of_scores_are_not_frozen_without_a_reward_model(
    answered: Project, researcher_client: Client, slug: str, headers: dict[str, str]
) -> None:
    values = {**FORM, "rows": slug, "kinds_of": slug, "kinds": [], "freeze": "1"}
    response = researcher_client.post(URL, values, headers=headers)
    page = response.content.decode()
    assert response.status_code == 422 and "no reward model yet" in page
    assert "data-refused" in page and not Job.objects.exists()
    if not headers:
        assert 'value="1" disabled' in page


def test_a_freeze_is_offered_where_rows_come_out(answered: Project, researcher_client: Client) -> None:
    page = researcher_client.get(URL).content.decode()
    assert "data-refused" not in page and 'value="1" disabled' not in page


@pytest.mark.parametrize("slug", list(BUILDERS))
def test_whatever_a_preview_changes_is_on_the_page(answered: Project, researcher_client: Client, slug: str) -> None:
    """What htmx swaps beside the preview has to be there, or it says so in the console."""
    page = researcher_client.post(URL, {**FORM, "rows": slug, "kinds_of": slug, "kinds": []}).content.decode()
    live = sent(researcher_client, rows=slug, kinds_of=slug, kinds=[]).content.decode()
    swapped = re.findall(r'id="([^"]+)"[^>]*hx-swap-oob', live)
    assert len(swapped) > 20
    assert [name for name in swapped if f'id="{name}"' not in page] == []


def test_votes_of_others_are_one_click_away(project: Project, researcher_client: Client) -> None:
    vote = make_vote(make_task(project, "p-1"), make_raters(project, 1)[0], 2)
    vote.origin = "imported"
    vote.save()
    page = researcher_client.get(URL).content.decode()
    assert "Take imported raters too (1)" in page
    taken = sent(researcher_client, origins=["human", "simulated", "imported"], view="form")
    assert taken.context["preview"].total == 1 and "Take imported" not in taken.content.decode()
    assert researcher_client.get(URL, {"origins": "imported"}).context["preview"].total == 1
    assert researcher_client.get(URL, {"origins": "forged"}).context["form"].recipe.origins == ["human", "simulated"]


def test_an_empty_project_leads_on(project: Project, researcher_client: Client) -> None:
    page = researcher_client.get(URL).content.decode()
    assert 'href="/p/helpful/import/"' in page and 'href="/p/helpful/prompts/new/"' in page
    make_task(project, "p-1")
    assert 'href="/p/helpful/collection/"' in researcher_client.get(URL).content.decode()


def test_rows_that_begin_alike_show_what_differs() -> None:
    asked = "Rate the answer on one quality alone. Helpfulness. How well does it serve? The levels: 1 to 5. "
    rows = [Shown([f"{asked}<answer> {n}", str(n)], [], "en", "train", []) for n in range(10)]
    found = told_apart(rows, [{}] * 10, SFT)
    assert all(one.texts[0].endswith(f"<answer> {n}") for n, one in enumerate(found))
    assert all(one.texts[0].startswith("… ") and len(one.texts[0]) < 50 for one in found)
    assert [one.texts[1] for one in found] == [str(n) for n in range(10)]
    alike = [Shown([asked * 2], [], "en", "train", [])] * 4
    assert told_apart(alike, [{}] * 4, SFT) == alike and told_apart([], [], SFT) == []


def test_rows_that_ask_the_same_show_what_was_said_before() -> None:
    rows = [Shown(["Criticise it.", str(n)], [], "en", "train", []) for n in range(3)]
    values = [{"prompt": [*user("Q"), *assistant(f"Answer {n}"), *user("Criticise it.")]} for n in range(3)]
    assert [one.texts[0] for one in told_apart(rows, values, SFT)] == ["Answer 0", "Answer 1", "Answer 2"]


def test_counts_of_answers_are_kept_until_one_comes_or_goes(answered: Project, researcher_client: Client) -> None:
    def people() -> int:
        return sum(one.count for one in researcher_client.get(URL).context["origins"] if one.value == "human")

    assert people() == 24
    with CaptureQueriesContext(connection) as asked:
        assert people() == 24
    assert not [one for one in asked if "COUNT" in str(one["sql"]) and "annotate_feedback" in str(one["sql"])]
    vote = make_vote(make_task(answered, "new"), make_raters(answered, 1, prefix="late")[0], 2)
    assert people() == 25
    Feedback.objects.filter(pk=vote.pk).update(withdrawn_at=timezone.now())
    assert people() == 24
