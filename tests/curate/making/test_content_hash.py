"""The same feedback and the same recipe give the same rows, whatever becomes of the code that makes them."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotate.models import Feedback, Prompt
from tests.curate.building import frozen, voted
from tests.factories import make_prompt

ASKED = (
    "How do I cook white beans for two people without salt in an hour?",
    "How do I cook white beans for two people without salt in an hour, please?",
    "How do I cook white beans for two people with salt in an hour?",
    "Which wine goes with beans?",
    "Which wine goes with beans?",
    "Was passt zu weißen Bohnen?",
    "How long may cooked beans stand in the kitchen?",
)
SAID = (
    ("Soak them overnight.", "Boil them."), ("Soak them overnight.", "Boil them."),
    ("Rinse them first.", "Wait an hour."), ("A dry white one.", "Red."), ("A dry white one.", "Red."),
    ("Brot.", "Ein trockener Wein."), ("Two hours.", "A week."),
)  # fmt: skip
VOTES: tuple[tuple[int | str, ...], ...] = (
    (3, 1, -1), (2, 2), (0, 0, 1), (-2, -3, -1), (-1, 2), (1, "both_bad", 2), ("both_bad", "both_bad", -1),
)  # fmt: skip
HASHES = {
    "majority": "856ba6304e70bbb78e06b9a728faeeb623b95cf39008611fa1f692451497012f",
    "halves": "9e93a841d34299637babefb8af039743ad86d9616dfe0753a51b5161fd097aad",
    "each": "a9c17861670ccd547a4f4133811b367a1d7480b4ba5e673d80f71c8ba117dc40",
    "mean": "f8748e6a116a6e952ec223e5711ee041dfb610163f069b14c73848394eec95dc",
    "dawid_skene": "15cf625f26e8913dedb12cb044b157fe0d1a707d6b6e1f73db21b5b2d5e21797",
    "mace": "c856e1e92b674da09e2eecabce1e1f5776e13e7177e4981ac9bd0269f0005d92",
    "near": "009f2c8b86f15b6d5d1930f89b3afae804a949a332bc0b703fcdc42aae6b7a28",
    "three_raters": "f2c17b700f5c4164b1725184e840f6233c2d14aacee124938cc28060f41ccc5d",
    "unpaired": "59d59d0b7f210eabc563a62d8a2c2d56d0f147f8bfd79a494132eab77284c6b1",
    "joint": "7c4489230dc1e450341b1b40877aa31e0663671cfe0e1c4f833987125fad14c1",
}
RECIPES: dict[str, dict[str, Any]] = {
    "majority": {},
    "halves": {"ties": "half", "minimum_agreement": 0.6},
    "each": {"aggregate": "each"},
    "mean": {"aggregate": "mean", "ties": "keep"},
    "dawid_skene": {"aggregate": "dawid_skene", "ties": "keep"},
    "mace": {"aggregate": "mace", "ties": "keep"},
    "near": {"deduplicate": "near", "near_duplicate": 0.6, "split_by": "prompt"},
    "three_raters": {"minimum_raters": 3, "languages": ["en"]},
    "unpaired": {"rows": "unpaired"},
    "joint": {"rows": "joint"},
}


@pytest.mark.django_db
def test_rows_are_those_of_before(project: Project, tmp_path: Path) -> None:
    for number, (asked, said, votes) in enumerate(zip(ASKED, SAID, VOTES, strict=True)):
        make_prompt(project, f"p-{number}", messages=[{"role": "user", "content": asked}])
        voted(project, f"p-{number}", *votes, texts=said)
    Prompt.objects.filter(key="p-5").update(lang="de")
    # Which response was shown first is drawn anew for each assignment, and is in the rows.
    for number, answer in enumerate(Feedback.objects.order_by("pk")):
        Feedback.objects.filter(pk=answer.pk).update(order=[0, 1] if number % 3 else [1, 0])
    found = {
        name: frozen(project, tmp_path / name, **{"held_out_share": 0.3, **recipe}).content_hash
        for name, recipe in RECIPES.items()
    }
    assert found == HASHES
