"""What changed between two datasets: matched by prompt and texts, whatever the order of rows and sides."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from curate import diff
from curate.pages import recipe_words
from curate.rows import PREFERENCE, SFT, assistant, user
from registry.models import Dataset
from tests.curate.frozen import freeze, pair

pytestmark = pytest.mark.django_db
URL = "/p/helpful/datasets/prefs/v1/diff/"


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


def compared(one: Dataset, two: Dataset) -> diff.Diff:
    return diff.compare(diff.digests(one, PREFERENCE), diff.digests(two, PREFERENCE))


def test_rows_are_matched_by_what_they_say(project: Project, researcher: User) -> None:
    same = [pair(f"s-{n}", "Yes", "No") for n in range(20)]
    one = freeze(project, researcher, {"train": [*same, pair("swap", "A", "B"), pair("gone", "A", "B")],
                                       "held_out": [pair("moved", "A", "B")]})  # fmt: skip
    two = freeze(
        project, researcher,
        {"train": [pair("moved", "A", "B"), pair("new", "A", "B"), pair("swap", "B", "A"), *reversed(same[1:])],
         "held_out": [pair("s-0", "Yes", "No", margin=2.5)]},
        version=2,
    )  # fmt: skip
    found = compared(one, two)
    assert (found.same, found.counts) == (19, {"changed": 3, "here": 1, "there": 1})
    rows = diff.rows_of(one, diff.digests(one, PREFERENCE), found.here.tolist())
    assert [(split, row["prompt_key"]) for split, _, row in rows] == [("train", "gone")]
    rows = diff.rows_of(two, diff.digests(two, PREFERENCE), found.changed[:, 1].tolist())
    assert [row["prompt_key"] for _, _, row in rows] == ["s-0", "swap", "moved"]


def test_where_a_row_came_from_is_no_difference(project: Project, researcher: User) -> None:
    one = freeze(project, researcher, {"train": [pair("a", "b", "c", feedback_ids=[1], raters=1)]})
    two = freeze(project, researcher, {"train": [pair("a", "b", "c", feedback_ids=[2, 3], raters=2)]}, version=2)
    assert compared(one, two).same == 1


def test_repeated_rows_count_once_and_both_orders_are_one(project: Project, researcher: User) -> None:
    ties = [pair("t", "x", "y", weight=0.5), pair("t", "y", "x", weight=0.5)]
    one = freeze(project, researcher, {"train": ties})
    two = freeze(project, researcher, {"train": ties[::-1]}, version=2)
    three = freeze(project, researcher, {"train": ties[:1]}, version=3)
    assert (compared(one, two).same, compared(one, two).counts["changed"]) == (1, 0)
    assert compared(one, three).counts == {"changed": 1, "here": 0, "there": 0}


def test_texts_do_not_run_into_each_other(project: Project, researcher: User) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    one = freeze(project, researcher, {"train": [pair("k", "x", "y", prompt=turns)]})
    two = freeze(project, researcher, {"train": [pair("k", "x", "y", prompt=[turns[0], turns[2]])]}, version=2)
    assert compared(one, two).same == 0


def test_digests_are_kept_and_a_torn_file_is_read_again(project: Project, researcher: User, tmp_path: Path) -> None:
    one = freeze(project, researcher, {"train": [pair("a", "b", "c")]})
    first = diff.digests(one, PREFERENCE)
    (kept,) = (tmp_path / "row-digests").iterdir()
    kept.write_bytes(kept.read_bytes()[:50])
    assert (diff.digests(one, PREFERENCE) == first).all()


def test_the_page(project: Project, researcher: User, researcher_client: Client) -> None:
    rows = [pair(f"only-here-{n}", "A", "B") for n in range(12)]
    freeze(project, researcher, {"train": [*rows, pair("swap", "First", "Second")]})
    freeze(
        project,
        researcher,
        {"train": [pair("swap", "Second", "First", margin=2.0)]},
        version=2,
        recipe={"ties": "keep"},
    )
    page = researcher_client.get(URL, {"with": "prefs-v2"}).content.decode()
    assert "chosen and rejected have changed places" in page and "1.00 → 2.00" in page
    assert ">drop<" in page and ">keep<" in page
    second = researcher_client.get(URL, {"with": "prefs-v2", "group": "here", "page": "2"}).content.decode()
    assert "only-here-11" in second and "only-here-3" not in second
    for odd in ({"group": "x"}, {"group": "there"}, {"page": "99999"}, {"page": "\x00"}):
        assert researcher_client.get(URL, {"with": "prefs-v2", **odd}).status_code == 200, odd
    for none in ("", "prefs-v9", "\x00", "x"):
        assert researcher_client.get(URL, {"with": none}).status_code == 404, none


def test_two_types_of_rows_compare_recipes_alone(project: Project, researcher: User, researcher_client: Client) -> None:
    freeze(project, researcher, {"train": [pair("a", "b", "c")]})
    row = {"prompt": user("a"), "completion": assistant("b"), "weight": 1.0, "task": "critique"}
    freeze(project, researcher, {"train": [row]}, version=2, row_type=SFT, recipe={"rows": "critiques"})
    page = researcher_client.get(URL, {"with": "prefs-v2"}).content.decode()
    assert "only the recipes are compared" in page and "Critiques" in page


def test_a_recipe_of_an_earlier_spec_has_usual_values(project: Project) -> None:
    found = recipe_words.differences({"name": "prefs"}, {"name": "prefs", "ties": "keep", "options": {}})
    assert [(one.name, one.one, one.two) for one in found] == [("ties", "drop", "keep")]
