"""A freeze in parts is the plan that a preview looks at: the same items, decisions, sides, funnel and hash."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from accounts.models import Project
from curate.making import columns, near_disk, posteriors, scratch
from curate.making.freeze import LINEAGE, freeze
from curate.making.parts import in_parts
from curate.making.plan import plan
from registry.specs import BuildDatasetSpec
from tests.curate.building import frozen, voted
from tests.factories import make_prompt

RECIPES = [
    {}, {"ties": "half", "minimum_agreement": 0.7}, {"aggregate": "each"}, {"aggregate": "dawid_skene"},
    {"aggregate": "mace", "ties": "keep"}, {"deduplicate": "near", "near_duplicate": 0.6},
    {"deduplicate": "near", "split_by": "prompt"}, {"minimum_raters": 2, "languages": ["en"]},
    {"rows": "unpaired"}, {"rows": "joint"},
]  # fmt: skip
ASKED = ["how", "do", "i", "cook", "white", "beans", "for", "two", "people", "without", "salt", "in", "an", "hour"]
SAID = ("soak", "rinse", "boil", "salt", "wait")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bound is met by a dozen of items."""
    monkeypatch.setattr(columns, "FETCHED", 7)
    monkeypatch.setattr(scratch, "RUN", 8)
    monkeypatch.setattr(scratch, "STEP", 2)
    monkeypatch.setattr(near_disk, "BATCH", 30)
    monkeypatch.setattr(posteriors, "MOST", 12)


def scatter(project: Project, draw: random.Random) -> None:
    for number in range(16):
        asked = " ".join(ASKED[: draw.choice((4, 12, 13, 14))])
        make_prompt(project, f"p-{number}", messages=[{"role": "user", "content": asked}])
        texts = tuple(" ".join(draw.choices(SAID, k=draw.choice((1, 2, 9)))) for _ in range(2))
        votes = [draw.choice((3, 1, 0, -1, -2, "both_bad")) for _ in range(draw.choice((1, 2, 3)))]
        voted(project, f"p-{number}", *votes, texts=texts)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_parts_are_the_whole(project: Project, tmp_path: Path, seed: int) -> None:
    scatter(project, random.Random(seed))
    for number, recipe in enumerate(RECIPES):
        spec = BuildDatasetSpec.model_validate({"held_out_share": 0.4, **recipe})
        whole = plan(project, spec)
        with in_parts(project, spec, tmp_path) as made:
            some = list(made.parts())
        assert len(some) > 1 or not len(whole)
        for name in ("group", "cluster", "held_out"):
            found = np.concatenate([getattr(one, name)[one.prompt] for one in some])
            assert found.tolist() == getattr(whole, name)[whole.prompt].tolist(), (recipe, name)
        assert np.concatenate([one.task for one in some]).tolist() == whole.task.tolist(), recipe
        assert made.funnel.as_list() == whole.funnel.as_list(), recipe
        folders = [tmp_path / f"{number}-{half}" for half in "ab"]
        folders[0].mkdir()
        at_once = freeze(plan(project, spec), folders[0], heard=lambda items, rows: None)
        by_parts = frozen(project, folders[1], **{"held_out_share": 0.4, **recipe})
        assert (at_once.content_hash, at_once.card) == (by_parts.content_hash, by_parts.card), recipe
        lineages = [np.concatenate([*one.lineage(), np.zeros(0, LINEAGE)]) for one in (at_once, by_parts)]
        assert lineages[0].tolist() == lineages[1].tolist()


@pytest.mark.django_db
def test_nothing_stays_behind(project: Project, tmp_path: Path) -> None:
    voted(project, "p-1", 2)
    for _ in range(2):  # the tables of the first are gone
        frozen(project, tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["held_out.parquet", "train.parquet"]


def test_records_come_back_in_order(tmp_path: Path) -> None:
    draw, found = np.random.default_rng(0), scratch.Sorted(tmp_path, [("name", "i8"), ("at", "i8")], key="name")
    names = draw.integers(0, 40, size=200)
    for first in range(0, 200, 3):
        records = np.zeros(names[first : first + 3].size, dtype=found.dtype)
        records["name"], records["at"] = names[first : first + 3], np.arange(first, first + records.size)
        found.add(records)
    assert len(found.runs) > 5
    for _ in range(2):
        back = np.concatenate(list(found))
        assert back["at"].tolist() == np.argsort(names, kind="stable").tolist()
    ends = [chunk["name"][[0, -1]].tolist() for chunk in found]
    assert len(ends) > 1 and all(before[1] < after[0] for before, after in pairwise(ends))
    assert not list(tmp_path.iterdir())
