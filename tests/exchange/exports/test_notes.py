"""What an export says that it leaves out."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Project
from exchange.exports.formats import FORMATS
from exchange.exports.notes import notes
from exchange.exports.stream import prepare
from registry.specs import ExportSpec
from tests.exchange.exports.conftest import Freeze
from tests.exchange.exports.making import rows

pytestmark = pytest.mark.django_db


def said(project: Project, **spec: object) -> list[str]:
    return notes(prepare(project, ExportSpec.model_validate({"dataset": "prefs-v1", **spec})))


@pytest.mark.parametrize("slug", list(FORMATS))
def test_weights_are_kept_or_it_is_said_that_they_are_not(project: Project, freeze: Freeze, slug: str) -> None:
    freeze(columns={"weight": 0.5})
    if slug in ("plain",):
        assert rows(project, dataset="prefs-v1", format=slug)[0]["weight"] == 0.5
        assert said(project, format=slug) == []
        return
    written = rows(project, dataset="prefs-v1", format=slug)
    assert "0.5" not in str(written[0].get("weight", ""))
    assert len(written) in (4, 8)
    [sentence] = said(project, format=slug)
    assert "a weight of 0.5" in sentence and FORMATS[slug].title in sentence


def test_rows_that_all_count_alike_need_no_word(project: Project, freeze: Freeze) -> None:
    freeze()
    freeze("joint", name="joint")
    assert said(project, format="trl") == [] and said(project, dataset="joint-v1", format="dove") == []


@pytest.mark.parametrize("slug", ["kto", "openai"])
def test_ties_that_cannot_be_said_are_told(project: Project, freeze: Freeze, slug: str) -> None:
    freeze(columns={"tie": True, "weight": 0.5})
    assert rows(project, dataset="prefs-v1", format=slug) == []
    assert said(project, format=slug) == [
        f"prefs-v1 has ties, and {FORMATS[slug].title} cannot say one: these rows are left out."
    ]
    assert "a weight of" in said(project, format="trl")[0]


def test_a_page_and_the_command_say_it(project: Project, freeze: Freeze, researcher_client: Client) -> None:
    freeze(columns={"weight": 0.5})
    page = researcher_client.get("/p/helpful/export/", {"source": "dataset:prefs-v1", "format": "trl"})
    assert "have a weight of 0.5" in page.content.decode()
    told = StringIO()
    call_command("export", project="helpful", dataset="prefs-v1", format="trl", out="-", stderr=told)
    assert "have a weight of 0.5" in told.getvalue()
