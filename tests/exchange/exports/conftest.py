"""A project with answers, and frozen datasets of each row type, written as the freezing job writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Feedback
from curate.rows import ROW_TYPES, assistant, user
from registry.models import Dataset, Job
from tests.factories import make_raters, make_task, make_vote

TEXTS = ('Plain, with "quotes"\nand a second line', "نص من اليمين إلى اليسار 🫘\u2028=SUM(A1)")
Freeze = Callable[..., Dataset]


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture
def raters(project: Project) -> list[User]:
    return make_raters(project, 3)


@pytest.fixture
def votes(project: Project, raters: list[User]) -> list[Feedback]:
    """Two tasks; the first has a vote for either side and a tie, the second one vote."""
    first = make_task(project, "p-1", texts=TEXTS, wanted=3)
    found = [make_vote(first, rater, side) for rater, side in zip(raters, (2, -3, 0), strict=True)]
    second = make_task(project, "p-2", wanted=1)
    return [*found, make_vote(second, raters[0], "both_bad")]


COLUMNS: dict[str, dict[str, Any]] = {
    "preference": {
        "prompt": user("Is it safe?"), "chosen": assistant(TEXTS[0]), "rejected": assistant(TEXTS[1]), "margin": 2.0,
        "strength": 2.0, "disagreement": 0.25, "weight": 1.0, "tie": False, "chosen_finished": True,
        "rejected_finished": True, "chosen_first": 0.5,
    },
    "unpaired": {"prompt": user("Is it safe?"), "completion": assistant(TEXTS[1]), "label": True},
    "sft": {"prompt": user("Is it safe?"), "completion": assistant(TEXTS[0]), "weight": 1.0, "task": "answer"},
    "joint": {
        "prompt_chosen": user("Is it safe?"), "chosen": assistant("Yes."), "prompt_rejected": user("Why?"),
        "rejected": assistant("No."), "margin": 1.0, "tie": False,
    },
    "group": {
        "prompt": user("Is it safe?"), "responses": ["a", "b"], "scores": [0.5, 1.5], "positive": [1],
        "negative": [0], "weights": [1.0, 1.0],
    },
    "edit": {
        "prompt": user("Is it safe?"), "original": "a", "revised": "b", "original_ids": [1], "original_weights": [0.5],
        "revised_ids": [2], "revised_weights": [1.0], "tokenizer": "tiny",
    },
}  # fmt: skip


@pytest.fixture
def freeze(project: Project, artifacts: Path) -> Freeze:
    def make(kind: str = "preference", *, rows: int = 4, votes: list[Feedback] | None = None, name: str = "prefs",
             columns: dict[str, Any] | None = None, owner: Project | None = None) -> Dataset:  # fmt: skip
        owner = owner or project
        job = Job.objects.create(
            project=owner, kind="build_dataset", name=f"data-{name}", params={}, queue="default",
            status=Job.Status.SUCCEEDED,
        )  # fmt: skip
        folder = artifacts / f"job-{job.pk}"
        folder.mkdir(parents=True)
        split = {"train": max(rows - 1, 0), "held_out": min(rows, 1)}
        number = 0
        for part, count in split.items():
            made = []
            for _ in range(count):
                given = [vote.pk for vote in votes or []]
                made.append({
                    **COLUMNS[kind], **(columns or {}), "prompt_key": f"p-{number}", "lang": "en", "source": "pairs",
                    "models": ["one", "two"], "seed": 0, "raters": len(given), "agreement": 0.75, "simulated": 0,
                    "feedback_ids": given,
                })  # fmt: skip
                number += 1
            pq.write_table(pa.Table.from_pylist(made, schema=ROW_TYPES[kind].schema), folder / f"{part}.parquet")
        found = Dataset.objects.create(
            project=owner, job=job, name=name, version=1, recipe={}, path=folder.name, content_hash="0" * 64,
            rows=split, card={},
        )  # fmt: skip
        DatasetFeedback.objects.bulk_create(
            DatasetFeedback(dataset=found, feedback=vote, split="train") for vote in votes or []
        )
        return found

    return make
