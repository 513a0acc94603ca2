"""Where a researcher works with datasets, people have pseudonyms; recipes are stored with these alone."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from accounts.models import Project, User
from accounts.pseudonyms import NOBODY, is_pseudonym, pseudonym, sql
from annotate.models import Feedback
from registry.models import Dataset, Job
from tests.curate.frozen import freeze, pair
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
URL = "/p/helpful/datasets/new/"
NAMES = ("Zofia Kowalska", "zofia-k")


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def zofia(project: Project) -> User:
    (rater,) = make_raters(project, 1, prefix="zofia-k")
    User.objects.filter(pk=rater.pk).update(username="zofia-k", first_name="Zofia", last_name="Kowalska")
    rater.refresh_from_db()
    for number in range(6):
        make_vote(make_task(project, f"p-{number}"), rater, 2)
    return rater


def yaml(named: str) -> dict[str, str]:
    return {"as": "yaml", "yaml": f"name: prefs\nannotators: [{named}]\n"}


def test_the_database_and_python_agree_on_a_pseudonym(project: Project, zofia: User) -> None:
    from accounts.pseudonyms import key_of

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql('id')} FROM accounts_user WHERE id = %(id)s",
                       {"id": zofia.pk, "people_key": key_of(project.pk)})  # fmt: skip
        assert cursor.fetchone()[0] == pseudonym(project.pk, zofia.pk)
    assert is_pseudonym(pseudonym(project.pk, zofia.pk)) and is_pseudonym(NOBODY) and not is_pseudonym("p-1-0")


def test_the_builder_offers_pseudonyms(project: Project, zofia: User, researcher_client: Client) -> None:
    called = pseudonym(project.pk, zofia.pk)
    page = researcher_client.get(URL).content.decode()
    assert f'name="annotators" value="{called}"' in page
    assert not [name for name in NAMES if name in page]
    wrong = researcher_client.post(URL, yaml("nobody"), headers={"HX-Request": "true"}).content.decode()
    assert called in wrong and not [name for name in NAMES if name in wrong]


def test_a_name_that_one_may_not_see_is_as_unknown_as_any_other(zofia: User, researcher_client: Client) -> None:
    said = [
        researcher_client.post(URL, {**yaml(name), "freeze": "1"}).context["problems"]["annotators"].replace(name, "X")
        for name in ("zofia-k", "nobody-k")
    ]
    assert said[0] == said[1] and not Job.objects.exists()


@pytest.mark.parametrize("who", ["owner_client", "researcher_client"])
def test_who_may_see_names_writes_them_and_pseudonyms_are_stored(
    request: pytest.FixtureRequest, project: Project, zofia: User, who: str
) -> None:
    client: Client = request.getfixturevalue(who)
    if who == "researcher_client":  # may see names once the audit log knows
        client.post("/p/helpful/people/names/", {"show": "1"})
        assert "Zofia Kowalska" in client.get(URL).content.decode()
    assert client.post(URL, {**yaml("zofia-k"), "freeze": "1"}).status_code == 302
    assert Job.objects.get().params["annotators"] == [pseudonym(project.pk, zofia.pk)]
    assert not [name for name in NAMES if name in client.get(Job.objects.get().get_absolute_url()).content.decode()]


def test_pages_of_a_dataset_name_nobody(
    project: Project, zofia: User, researcher: User, researcher_client: Client
) -> None:
    votes = list(Feedback.objects.filter(annotator=zofia))
    rows = [pair("beans", "Soak", "Do not", feedback_ids=[votes[0].pk])]
    recipes: list[dict[str, Any]] = [{"annotators": [pseudonym(project.pk, zofia.pk)]}, {}]
    for version, recipe in enumerate(recipes, start=1):
        freeze(project, researcher, {"train": rows}, version=version, recipe=recipe, votes=votes)
    base = "/p/helpful/datasets/prefs/v1/"
    pages = [base, base + "rows/train/0/", base + "diff/?with=prefs-v2", "/p/helpful/datasets/",
             URL + "?from=prefs-v1", f"/p/helpful/votes/{votes[0].pk}/", "/p/helpful/bias/"]  # fmt: skip
    for path in pages:
        answer = researcher_client.get(path)
        assert answer.status_code == 200, path
        assert not [name for name in NAMES if name in answer.content.decode()], path
    vote = researcher_client.get(f"/p/helpful/votes/{votes[0].pk}/").content.decode()
    assert f"By {pseudonym(project.pk, zofia.pk)}" in vote


def test_recipes_that_were_stored_with_user_names_are_turned(project: Project, zofia: User, researcher: User) -> None:
    called = pseudonym(project.pk, zofia.pk)
    freeze(project, researcher, {"train": [pair("a", "b", "c")]}, recipe={"annotators": ["zofia-k", "gone", called]})
    freeze(project, researcher, {"train": [pair("a", "b", "c")]}, name="all")
    before = Dataset.objects.get(name="all").recipe
    turn = importlib.import_module("curate.migrations.0002_pseudonyms_in_recipes").forwards
    for _ in range(2):  # a second time changes nothing
        turn(apps, None)
        dataset = Dataset.objects.get(name="prefs")
        # Whoever has no account any more stays as nobody: an empty list would take everybody.
        assert dataset.recipe["annotators"] == dataset.job.params["annotators"] == [called, NOBODY, called]
        assert Dataset.objects.get(name="all").recipe == before
