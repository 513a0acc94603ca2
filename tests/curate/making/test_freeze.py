"""What a freeze leaves behind: files that do not change, a card, a README, lineage; or nothing at all."""

import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Feedback
from curate.making.card import Diversity
from curate.rows import PREFERENCE
from registry import jobs
from registry.models import Dataset
from registry.specs import SPECS, BuildDatasetSpec
from tests.curate.building import frozen, voted
from workers.context import JobContext
from workers.errors import Stopped
from workers.jobs import build_dataset

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"


def context_of(project: Project, user: User, **recipe: Any) -> tuple[JobContext, BuildDatasetSpec]:
    jobs.request_job(project=project, kind="build_dataset", params=recipe, user=user)
    job = jobs.claim(SPECS["build_dataset"].queue, worker="test")
    assert job is not None
    return JobContext(job), BuildDatasetSpec(**recipe)


def test_a_version_has_its_files_card_and_lineage(project: Project, researcher: User) -> None:
    for number in range(8):
        voted(project, f"p-{number}", 2, 1)
    build_dataset.run(*context_of(project, researcher, held_out_share=0.4, seed=1))
    dataset = Dataset.objects.get()
    tables = {split: pq.read_table(dataset.folder / f"{split}.parquet") for split in ("train", "held_out")}
    assert {split: table.num_rows for split, table in tables.items()} == dataset.rows
    assert all(table.schema.equals(PREFERENCE.schema) for table in tables.values())
    lineage = dict(DatasetFeedback.objects.values_list("feedback_id", "split"))
    behind = [(pk, split) for split, table in tables.items() for ids in table["feedback_ids"].to_pylist() for pk in ids]
    assert lineage == dict(behind)
    assert set(lineage) == set(Feedback.objects.values_list("pk", flat=True))
    assert not any(path.stat().st_mode & stat.S_IWUSR for path in dataset.folder.iterdir())
    assert {path.name for path in dataset.folder.iterdir()} == {"train.parquet", "held_out.parquet", "README.md"}
    head = yaml.safe_load((dataset.folder / "README.md").read_text().split("---")[1])
    assert [one["split"] for one in head["configs"][0]["data_files"]] == ["train", "held_out"]
    assert dataset.card["feedback"] == 16
    assert dataset.card["funnel"][0]["count"] == 16
    assert set(dataset.card["files"]) == {"train.parquet", "held_out.parquet", "README.md"}


def test_a_stopped_freeze_publishes_nothing(
    project: Project, researcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    voted(project, "p-1", 2)
    context, recipe = context_of(project, researcher, held_out_share=0)

    def stop(items: int, total: int, text: str = "") -> None:
        if items:
            raise Stopped

    monkeypatch.setattr(context, "progress", stop)
    with pytest.raises(Stopped):
        build_dataset.run(context, recipe)
    assert not Dataset.objects.exists()
    assert not DatasetFeedback.objects.exists()


def test_prompt_diversity_is_the_papers() -> None:
    found = Diversity()
    found.add([[1, 2, 3], [1, 2, 4], [5, 6]])
    assert found.value() == pytest.approx(1.385641, abs=1e-6)
    assert Diversity().value() is None


def test_who_decides_a_row_tells_how_likely_it_is_wrong(project: Project, tmp_path: Path) -> None:
    voted(project, "p-1", 2, 2, 2, -1)
    voted(project, "p-2", 2)
    voted(project, "p-3", 2, 2, 2)
    flips = frozen(project, tmp_path, held_out_share=0).card["likely_flips"]
    found = {one["prompt_key"]: one["probability"] for one in flips["rows"]}
    # Each rater is taken to be right three times in four: log-odds of 2, 1 and 3 votes of ln 3.
    assert found == {
        "p-1": pytest.approx(1 / 10, abs=1e-5), "p-2": pytest.approx(1 / 4), "p-3": pytest.approx(1 / 28, abs=1e-5),
    }  # fmt: skip
    assert flips["rows"][0]["prompt_key"] == "p-2"
