"""A preview counts what a freeze gives, from numbers alone; and says it where it does not count all."""

import random
from collections import Counter
from pathlib import Path

import pytest

from accounts.models import Project
from curate.making import preview as previews
from curate.making.card import Balance
from curate.making.preview import preview, scaled_balance
from registry.specs import BuildDatasetSpec
from tests.curate.building import frozen, voted

pytestmark = pytest.mark.django_db

RECIPES = [
    {}, {"ties": "half"}, {"ties": "keep", "margin": "disagreement"}, {"aggregate": "each"}, {"aggregate": "mean"},
    {"aggregate": "dawid_skene"}, {"aggregate": "mace", "ties": "keep"}, {"minimum_agreement": 0.7},
    {"deduplicate": "none"}, {"deduplicate": "near"}, {"split_by": "prompt", "held_out_share": 0.5},
    {"max_tokens": 30}, {"max_prompt_tokens": 11}, {"minimum_raters": 2}, {"rows": "unpaired"}, {"rows": "joint"},
]  # fmt: skip
WORDS = ("soak", "rinse", "boil", "salt", "wait")


def scatter(project: Project, draw: random.Random) -> None:
    for number in range(14):
        texts = tuple(" ".join(draw.choices(WORDS, k=draw.choice((1, 2, 40)))) for _ in range(2))
        votes = [draw.choice((3, 1, 0, -1, -2, "both_bad")) for _ in range(draw.choice((1, 2, 3)))]
        voted(project, f"p-{number}", *votes, texts=texts)


@pytest.mark.parametrize("seed", range(3))
def test_a_preview_counts_what_a_freeze_gives(project: Project, tmp_path: Path, seed: int) -> None:
    scatter(project, random.Random(seed))
    for number, recipe in enumerate(RECIPES):
        looked = preview(project, BuildDatasetSpec(**recipe))
        written = frozen(project, tmp_path / str(number), **recipe)
        assert looked.splits == written.rows, recipe
        assert looked.funnel.as_list() == written.card["funnel"], recipe
        assert looked.prompts == written.card["prompts"], recipe
        for key, value in looked.balance.as_dict().items():
            assert written.card[key] == (pytest.approx(value) if isinstance(value, float) else value), (recipe, key)
        assert not looked.funnel.about


def test_other_rows_are_drawn_by_another_seed(project: Project) -> None:
    for number in range(30):
        voted(project, f"p-{number:02}", 2)
    drawn = [
        tuple(row.prompt_key for row in preview(project, BuildDatasetSpec(), rows=5, seed=seed).rows)
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 5


def test_many_items_are_drawn_and_scaled_up(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "EXACT", 10)
    for number in range(30):
        voted(project, f"p-{number:02}", 2)
    looked = preview(project, BuildDatasetSpec(rows="unpaired", deduplicate="none"))
    assert looked.funnel.about
    assert looked.total == pytest.approx(60, abs=2)


def test_a_new_answer_is_seen_at_the_next_look(project: Project) -> None:
    voted(project, "p-1", 2)
    assert preview(project, BuildDatasetSpec()).total == 1
    voted(project, "p-2", 2)
    assert preview(project, BuildDatasetSpec()).total == 2


def test_lengths_and_warnings(project: Project) -> None:
    for number in range(12):
        voted(project, f"p-{number}", 2)
    looked = preview(project, BuildDatasetSpec())
    assert (looked.lengths.drawn, looked.lengths.of, sum(looked.lengths.first)) == (12, 12, 12)
    assert looked.lengths.names == ("prompt", "chosen", "rejected")
    assert {one.key for one in looked.notices if one.level == "warn"} >= {"longer", "few"}
    assert looked.example["chosen"][0]["role"] == "assistant"


def test_counts_of_a_drawn_part_are_scaled_up_alike() -> None:
    part = Balance(rows=10, drawn=10, languages=Counter({"en": 8, "de": 2}), models={"a": (6, 3)}, answers=20,
                   strengths=Counter({2: 10}), simulated=4, longer=0.5)  # fmt: skip
    whole = scaled_balance(part, 2.5)
    assert (whole.rows, whole.drawn, whole.answers, whole.simulated, whole.longer) == (25, 10, 50, 10, 0.5)
    assert whole.languages == {"en": 20, "de": 5} and whole.strengths == {2: 25} and whole.models == {"a": (15, 8)}
