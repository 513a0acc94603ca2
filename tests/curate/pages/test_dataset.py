"""Pages of frozen datasets: who sees them, what is found in rows, rows of every type, files, and building again."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project, User
from curate import row_search
from curate.row_search import Query
from curate.rows import EDIT, GROUP, JOINT, SFT, UNPAIRED, RowType, assistant, user
from registry.models import Dataset, Job
from tests.curate.frozen import freeze, pair
from tests.factories import make_model, make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
URL = "/p/helpful/datasets/prefs/v1/"
COMMON = {
    "prompt_key": "p", "lang": "en", "source": "x", "models": ["base"], "seed": 0, "raters": 2, "agreement": None,
    "simulated": 0, "feedback_ids": [],
}  # fmt: skip
ROWS: list[tuple[RowType, str, dict[str, Any]]] = [
    (UNPAIRED, "unpaired", {"prompt": user("Ask?"), "completion": assistant("Well said."), "label": True}),
    (SFT, "critiques", {"prompt": user("Ask?"), "completion": assistant("Well said."), "weight": 1.0,
                         "task": "critique"}),
    (JOINT, "joint", {"prompt_chosen": user("Ask?"), "chosen": assistant("Well said."),
                      "prompt_rejected": user("Else?"), "rejected": assistant("Nothing."), "margin": 2.0,
                      "tie": False}),
    (GROUP, "ampo", {"prompt": user("Ask?"), "responses": ["Well said.", "Bad."], "scores": [2.0, -1.0],
                     "positive": [0], "negative": [1], "weights": [0.5, 1.5]}),
    (EDIT, "figa", {"prompt": user("Ask?"), "original": "Bad.", "revised": "Well said.", "original_ids": [1],
                    "original_weights": [-0.5], "revised_ids": [2, 3], "revised_weights": [1.0, 0.0],
                    "tokenizer": "t"}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def dataset(project: Project, researcher: User) -> Dataset:
    rows = [
        pair(f"beans-{n}", f"Soak them, number {n}", "Do not", margin=n / 10, tie=n % 9 == 0,
             lang="en" if n % 4 else "de")
        for n in range(45)
    ]  # fmt: skip
    rows[30] = pair("rice", "Boil", "Burn", models=["tuned", "base"], chosen_score=-1.0, rejected_score=2.0)
    return freeze(project, researcher, {"train": rows, "held_out": [pair("salt", "Yes", "No")]})


@pytest.mark.parametrize("path", ["", "rows/train/3/", "diff/?with=prefs-v1", "files/train.parquet"])
def test_only_researchers_and_admins(
    dataset: Dataset, path: str, researcher_client: Client, owner_client: Client, annotator_client: Client,
    reviewer_client: Client, outsider_client: Client,
) -> None:  # fmt: skip
    codes = [c.get(URL + path).status_code for c in
             (researcher_client, owner_client, annotator_client, reviewer_client, outsider_client)]  # fmt: skip
    assert codes == [200, 200, 403, 403, 404]


def test_another_projects_dataset_is_not_there(dataset: Dataset, researcher: User, researcher_client: Client) -> None:
    from accounts.models import Membership

    other = Project.objects.create(name="Other", slug="other")
    Membership.objects.create(user=researcher, project=other, role="researcher")
    for path in ("", "rows/train/3/", "diff/?with=prefs-v1", "files/train.parquet"):
        assert researcher_client.get(f"/p/other/datasets/prefs/v1/{path}").status_code == 404, path
    assert researcher_client.post("/p/other/datasets/prefs/v1/rebuild/").status_code == 404
    mine = freeze(other, researcher, {"train": [pair("a", "b", "c")]}, name="mine")
    assert researcher_client.get(f"/p/other/datasets/mine/v1/diff/?with={dataset}").status_code == 404
    assert mine.project == other


def places(dataset: Dataset, **query: Any) -> list[int]:
    found = row_search.find(dataset, "train", Query(**query))
    assert found is not None
    return [place for place, _ in found.rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "NUMBER 7"}, [7]),
        ({"text": "cook rice"}, [30]),
        ({"text": "beans-4"}, [4, 40, 41, 42, 43, 44]),
        ({"ties": "only"}, [0, 9, 18, 27, 36]),
        ({"margin": 4.2}, [42, 43, 44]),
        ({"model": "tuned"}, [30]),
        ({"flips": True}, [30]),
        ({"flips": True, "listed": frozenset({8, 30, 44, 99})}, [8, 30, 44]),
        ({"lang": "de", "margin": 3.5}, [36, 40, 44]),
        ({"vote": 12}, []),
        ({"text": "(beans"}, []),
    ],
)
def test_rows_are_found(dataset: Dataset, query: dict[str, Any], expected: list[int]) -> None:
    assert places(dataset, **query) == expected


def test_pages_follow_each_other(dataset: Dataset) -> None:
    seen = []
    for page in (1, 2, 3):
        found = row_search.find(dataset, "train", Query(), page=page)
        assert found is not None and found.pages == 3
        seen += [place for place, _ in found.rows]
    assert seen == list(range(45))
    found = row_search.find(dataset, "train", Query(ties="without"), page=2)
    assert found is not None and found.count == 40 and len(found.rows) == 20


def test_a_search_looks_at_a_part_at_a_time(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_search, "WINDOW", 20)
    first = row_search.find(dataset, "train", Query(ties="only"))
    assert first is not None and ([place for place, _ in first.rows], first.further) == ([0, 9, 18], 20)
    last = row_search.find(dataset, "train", Query(ties="only"), start=40)
    assert last is not None and (last.count, last.further) == (0, None)


def test_the_page_finds_and_links(dataset: Dataset, researcher_client: Client) -> None:
    page = researcher_client.get(URL, {"q": "number 7"}).content.decode()
    assert "1 row fits" in page and "Soak them, number 7" in page and "number 8" not in page
    assert f'href="{URL}rows/train/7/"' in page
    assert "is not a margin" in researcher_client.get(URL, {"margin": "much"}).content.decode()
    for odd in ({"page": "9" * 30}, {"start": "-1"}, {"vote": "x"}, {"q": "\x00"}, {"ties": "no"}, {"page": "99999"}):
        assert researcher_client.get(URL, odd).status_code == 200, odd


def test_a_row_links_its_votes(project: Project, researcher: User, researcher_client: Client) -> None:
    vote = make_vote(make_task(project), make_raters(project, 1)[0])
    freeze(project, researcher, {"train": [pair("a", "b", "c", feedback_ids=[vote.pk])]}, votes=[vote])
    assert f"/p/helpful/votes/{vote.pk}/" in researcher_client.get(URL).content.decode()
    row = researcher_client.get(f"{URL}rows/train/0/").content.decode()
    assert f"/p/helpful/votes/{vote.pk}/" in row and "How do I cook a?" in row
    assert researcher_client.get(f"{URL}rows/train/1/").status_code == 404
    assert researcher_client.get(f"{URL}rows/other/0/").status_code == 404
    assert "1 row fits" in researcher_client.get(URL, {"vote": vote.pk}).content.decode()


@pytest.mark.parametrize(("row_type", "rows", "values"), ROWS)
def test_rows_of_every_type_can_be_read(
    project: Project, researcher: User, researcher_client: Client, row_type: RowType, rows: str, values: dict[str, Any]
) -> None:
    freeze(project, researcher, {"train": [{**COMMON, **values}]}, row_type=row_type, recipe={"rows": rows})
    page = researcher_client.get(URL).content.decode()
    assert "Ask?" in page and "Well said." in page
    row = researcher_client.get(f"{URL}rows/train/0/").content.decode()
    assert "Ask?" in row and "Well said." in row
    assert "1 row fits" in researcher_client.get(URL, {"q": "well SAID"}).content.decode()


def test_texts_are_escaped(project: Project, researcher: User, researcher_client: Client) -> None:
    freeze(project, researcher, {"train": [pair("a", "<script>alert(1)</script>", "c")]})
    for path in ("", "rows/train/0/"):
        assert "<script>alert" not in researcher_client.get(URL + path).content.decode()


def test_a_file_comes_as_it_was_written(dataset: Dataset, researcher_client: Client) -> None:
    response = researcher_client.get(f"{URL}files/train.parquet")
    assert b"".join(response) == (dataset.folder / "train.parquet").read_bytes()  # type: ignore[arg-type]
    assert AuditEvent.objects.filter(action="dataset.downloaded", target="prefs-v1").exists()


@pytest.mark.parametrize("name", ["../../secret", "..%2F..%2Fsecret", "other.parquet", "/etc/passwd"])
def test_no_other_file_comes(dataset: Dataset, researcher_client: Client, name: str) -> None:
    assert researcher_client.get(f"{URL}files/{name}").status_code in (301, 404)


def test_files_that_are_gone_are_said(dataset: Dataset, researcher_client: Client) -> None:
    (dataset.folder / "train.parquet").unlink()
    assert "not where it should be" in researcher_client.get(URL).content.decode()
    assert researcher_client.get(f"{URL}rows/train/0/").status_code == 404


def test_built_again_once_a_form(dataset: Dataset, researcher_client: Client) -> None:
    key = str(researcher_client.get(URL).context["rebuild_key"])
    went = [researcher_client.post(f"{URL}rebuild/", {"request_key": key}).headers["Location"] for _ in range(2)]
    job = Job.objects.exclude(pk=dataset.job_id).get()
    assert went == [job.get_absolute_url()] * 2
    assert (job.kind, job.params, job.cloned_from) == ("build_dataset", dataset.recipe, dataset.job)


def test_a_recipe_that_is_no_longer_possible_is_a_sentence(dataset: Dataset, researcher_client: Client) -> None:
    dataset.recipe = {"name": "prefs", "ties": "perhaps"}
    dataset.save()
    page = researcher_client.post(f"{URL}rebuild/", follow=True).content.decode()
    assert "cannot be built again" in page and Job.objects.count() == 1


def test_the_list(project: Project, researcher: User, researcher_client: Client, dataset: Dataset) -> None:
    make_model(project, "rm-1", role="reward", dataset=dataset)
    freeze(project, researcher, {"train": [pair("a", "b", "c")]}, version=2)
    page = researcher_client.get("/p/helpful/datasets/").content.decode()
    assert page.index("prefs-v2") < page.index(">prefs-v1<") and "rm-1" in page


def test_an_empty_list_says_what_to_do(project: Project, researcher_client: Client) -> None:
    page = researcher_client.get("/p/helpful/datasets/").content.decode()
    assert "No datasets yet" in page and "/p/helpful/datasets/new/" in page
