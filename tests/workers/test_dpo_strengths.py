"""A policy on pairs whose labels an ensemble doubts: flipped ones are the pair the other way round, soft ones cDPO."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from registry.specs import SPECS, SpecError, parse
from tests.workers.test_shared_prefix import SETTINGS, losses_of, make_pairs, policy
from tests.workers.tiny import make_tiny_model
from workers.objectives.dpo import dpo_loss


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("objective", ["dpo", "sigmoid_norm", "aot"])
def test_a_flipped_pair_is_the_pair_the_other_way_round(folder: Path, objective: str) -> None:
    pairs = make_pairs(8)
    settings = replace(SETTINGS, objective=objective)
    doubted = [replace(pair, flip=number % 3 == 0) for number, pair in enumerate(pairs)]
    turned = [
        replace(pair, chosen=pair.rejected, rejected=pair.chosen) if number % 3 == 0 else pair
        for number, pair in enumerate(pairs)
    ]
    found = losses_of(policy(folder), doubted, settings)
    assert found == pytest.approx(losses_of(policy(folder), turned, settings), abs=1e-5)
    assert found != pytest.approx(losses_of(policy(folder), pairs, settings), abs=1e-5)


def test_one_softness_for_all_pairs_is_label_smoothing(folder: Path) -> None:
    pairs = make_pairs(8)
    smoothed = replace(SETTINGS, options={**SETTINGS.options, "label_smoothing": 0.3})
    soft = [replace(pair, soft=0.3) for pair in pairs]
    expected = losses_of(policy(folder), pairs, smoothed)
    assert losses_of(policy(folder), soft, SETTINGS) == pytest.approx(expected, abs=1e-6)


def test_softness_is_of_each_pair_and_at_most_a_half() -> None:
    ones = [torch.tensor([a, b]) for a, b in ((-3.0, -4.0), (-5.0, -2.0), (-3.5, -4.0), (-4.0, -4.0))]
    given: dict[str, Any] = {"chosen_reference": ones[2], "rejected_reference": ones[3], "beta": 0.3}
    both = dpo_loss(ones[0], ones[1], label_smoothing=torch.tensor([0.0, 0.4]), **given)
    assert both[0] == dpo_loss(ones[0], ones[1], **given)[0]
    assert both[1] == pytest.approx(dpo_loss(ones[0], ones[1], label_smoothing=0.4, **given)[1].item())
    with pytest.raises(ValueError, match=r"\[0, 0.5\]"):
        dpo_loss(ones[0], ones[1], label_smoothing=torch.tensor([0.0, 0.6]), **given)
    with pytest.raises(ValueError, match="shape"):
        dpo_loss(ones[0], ones[1], label_smoothing=torch.tensor([0.1]), **given)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"objective": "ipo"}, "only the objective dpo softens"),
        ({"engine": "trl"}, "engine trl takes no strength_model"),
        ({"flip_share": 0.7, "soft_share": 0.5}, "more than all pairs"),
    ],
)
def test_what_does_not_go_together_is_said_in_the_form(asked: dict[str, object], said: str) -> None:
    values = {"dataset": "prefs", "base": "tiny", "strength_model": "rm-1"}
    with pytest.raises(SpecError, match=said):
        parse(SPECS["train_dpo"].spec, {**values, **asked})
    parse(SPECS["train_dpo"].spec, {**values, "objective": "ipo", "soft_share": 0})
