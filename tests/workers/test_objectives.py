"""Golden values of the objectives, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from workers.objectives import OBJECTIVES
from workers.objectives.bradley_terry import bradley_terry_loss
from workers.objectives.dpo import dpo_loss
from workers.objectives.ipo import ipo_loss


def t(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_dpo_of_a_policy_equal_to_its_reference_is_ln_2() -> None:
    loss = dpo_loss(t(-10, -3), t(-20, -7), chosen_reference=t(-10, -3), rejected_reference=t(-20, -7), beta=0.3)
    assert loss.tolist() == pytest.approx([math.log(2)] * 2)


def test_dpo_golden_value() -> None:
    # h = (-10 + 12) - (-11 + 8) = 5, beta h = 0.5, -ln sigmoid(0.5) = 0.474077
    loss = dpo_loss(t(-10), t(-11), chosen_reference=t(-12), rejected_reference=t(-8), beta=0.1)
    assert loss.item() == pytest.approx(0.4740769841801067)


def test_dpo_label_smoothing_is_the_expected_loss_under_flipped_labels() -> None:
    smoothed = dpo_loss(
        t(-10), t(-11), chosen_reference=t(-12), rejected_reference=t(-8), beta=0.1, label_smoothing=0.2
    )
    # 0.8 x 0.474077 + 0.2 x 0.974077
    assert smoothed.item() == pytest.approx(0.5740769841801067)


def test_dpo_gradient_raises_the_chosen_and_lowers_the_rejected() -> None:
    chosen, rejected = t(-5.0).requires_grad_(), t(-5.0).requires_grad_()
    dpo_loss(chosen, rejected, chosen_reference=t(-5), rejected_reference=t(-5), beta=0.4).sum().backward()
    assert chosen.grad is not None and chosen.grad.item() == pytest.approx(-0.2)  # -beta sigmoid(0)
    assert rejected.grad is not None and rejected.grad.item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    "options", [{"beta": 0.0}, {"beta": -1.0}, {"label_smoothing": 0.5}, {"label_smoothing": -0.1}]
)
def test_dpo_refuses_settings_without_a_meaning(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        dpo_loss(t(0), t(0), chosen_reference=t(0), rejected_reference=t(0), **options)


def test_ipo_is_zero_at_its_target() -> None:
    # beta 0.25: the gap should be 1 / (2 x 0.25) = 2
    loss = ipo_loss(t(-8), t(-12), chosen_reference=t(-9), rejected_reference=t(-11), beta=0.25)
    assert loss.item() == pytest.approx(0.0)


def test_ipo_averages_over_tokens() -> None:
    # (4 / 2) - (-3 / 3) = 3, target 1 / (2 x 0.1) = 5, squared difference 4
    loss = ipo_loss(
        t(-6),
        t(-13),
        chosen_reference=t(-10),
        rejected_reference=t(-10),
        chosen_lengths=torch.tensor([2]),
        rejected_lengths=torch.tensor([3]),
        beta=0.1,
    )
    assert loss.item() == pytest.approx(4.0)


def test_ipo_of_a_policy_equal_to_its_reference_is_the_squared_target() -> None:
    loss = ipo_loss(t(-4), t(-9), chosen_reference=t(-4), rejected_reference=t(-9), beta=0.1)
    assert loss.item() == pytest.approx(25.0)


def test_bradley_terry_golden_values() -> None:
    assert bradley_terry_loss(t(1.2), t(0.4)).item() == pytest.approx(0.371101, abs=1e-6)
    assert bradley_terry_loss(t(0.7), t(0.7)).item() == pytest.approx(math.log(2))


def test_bradley_terry_margin_asks_for_a_larger_gap() -> None:
    loss = bradley_terry_loss(t(1.0, 1.0), t(0.0, 0.0), margin=t(0.5, 0.0))
    assert loss.tolist() == pytest.approx([-math.log(sigmoid(0.5)), -math.log(sigmoid(1.0))])


def test_bradley_terry_tie_is_half_a_win_each_and_has_no_margin() -> None:
    tie = torch.tensor([True, True, False])
    loss = bradley_terry_loss(t(1.0, 0.0, 1.0), t(0.0, 1.0, 0.0), margin=t(3.0, 3.0, 0.0), tie=tie)
    half = -(math.log(sigmoid(1.0)) + math.log(sigmoid(-1.0))) / 2
    assert loss.tolist() == pytest.approx([half, half, -math.log(sigmoid(1.0))])


def test_losses_stay_finite_far_out() -> None:
    extreme = t(1e4, -1e4)
    zero = torch.zeros_like(extreme)
    assert torch.isfinite(bradley_terry_loss(extreme, zero)).all()
    assert torch.isfinite(dpo_loss(extreme, zero, chosen_reference=zero, rejected_reference=zero, beta=1.0)).all()


def test_every_objective_returns_one_loss_a_pair() -> None:
    a, b = t(0.1, 0.2, 0.3), t(0.0, 0.5, 0.1)
    for name, objective in OBJECTIVES.items():
        policy = {"chosen_reference": b, "rejected_reference": a, "chosen_lengths": a + 1, "rejected_lengths": b + 1}
        assert objective.loss(a, b, **(policy if objective.trains == "policy" else {})).shape == (3,), name
