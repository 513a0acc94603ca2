"""Check values of the objectives beyond DPO, worked out by hand, and the special case that each reduces to."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from workers.objectives import OBJECTIVES
from workers.objectives.ampo import group_loss, group_scores
from workers.objectives.bradley_terry import bradley_terry_loss
from workers.objectives.dove import joint_dpo_loss
from workers.objectives.dpo import dpo_loss
from workers.objectives.figa import removed_weights, token_weighted_loss
from workers.objectives.judge import verdict_loss
from workers.objectives.kto import kto_loss
from workers.objectives.reference_free import cpo_loss, orpo_loss, simpo_loss
from workers.objectives.strength import disagreement_margin, label_plan, preference_strength, strength_loss


def t(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# u = -10 + 12 = 2, v = -11 + 8 = -3, h = 5; with beta 0.1: 0.2, -0.3 and 0.5
PAIR: dict[str, Any] = {"chosen_reference": t(-12), "rejected_reference": t(-8)}
RATIOS = (t(-10), t(-11))
LENGTHS = {"chosen_lengths": torch.tensor([4]), "rejected_lengths": torch.tensor([2])}


def of(name: str, **settings: Any) -> float:
    return float(OBJECTIVES[name].loss(*RATIOS, **PAIR, **{"beta": 0.1, **settings}).item())


def test_hinge_golden_value() -> None:
    assert of("hinge") == pytest.approx(0.5)
    assert of("hinge", beta=0.2) == pytest.approx(0.0)  # far enough apart


def test_robust_golden_value() -> None:
    # (0.8 x 0.474077 - 0.2 x 0.974077) / 0.6
    assert of("robust", label_smoothing=0.2) == pytest.approx((0.8 * 0.4740769842 - 0.2 * 0.9740769842) / 0.6)


def test_robust_without_doubt_is_dpo() -> None:
    assert of("robust") == pytest.approx(of("dpo"))


def test_robust_is_right_on_average_over_flipped_labels() -> None:
    flipped = OBJECTIVES["robust"].loss(
        RATIOS[1], RATIOS[0], chosen_reference=t(-8), rejected_reference=t(-12), beta=0.1, label_smoothing=0.2
    )
    assert 0.8 * of("robust", label_smoothing=0.2) + 0.2 * flipped.item() == pytest.approx(of("dpo"))


def test_apo_zero_golden_value() -> None:
    assert of("apo_zero") == pytest.approx(1 - sigmoid(0.2) + sigmoid(-0.3))


def test_apo_down_golden_value() -> None:
    assert of("apo_down") == pytest.approx(sigmoid(0.2) + 1 - sigmoid(0.5))


def test_nca_pair_golden_value() -> None:
    expected = -math.log(sigmoid(0.2)) - math.log(sigmoid(-0.2)) / 2 - math.log(sigmoid(0.3)) / 2
    assert of("nca_pair") == pytest.approx(expected)


def test_exo_pair_golden_value() -> None:
    won, lost = sigmoid(0.5), sigmoid(-0.5)
    expected = won * math.log(won / 0.9) + lost * math.log(lost / 0.1)
    assert of("exo_pair", label_smoothing=0.1) == pytest.approx(expected)


def test_exo_pair_is_zero_where_the_policy_doubts_as_the_label_does() -> None:
    at = math.log(0.9 / 0.1) / 5  # beta h = logit(0.9)
    assert of("exo_pair", beta=at, label_smoothing=0.1) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="label_smoothing"):
        of("exo_pair", label_smoothing=0.0)


def test_sppo_hard_golden_value_and_target() -> None:
    assert of("sppo_hard") == pytest.approx((2 - 5) ** 2 + (-3 + 5) ** 2)
    there = OBJECTIVES["sppo_hard"].loss(t(5), t(-5), chosen_reference=t(0), rejected_reference=t(0), beta=0.1)
    assert there.item() == pytest.approx(0.0)


def test_bco_pair_golden_value() -> None:
    assert of("bco_pair") == pytest.approx(-math.log(sigmoid(0.2)) - math.log(sigmoid(0.3)))


def test_discopop_golden_value() -> None:
    m = sigmoid(0.5 / 0.05)
    assert of("discopop") == pytest.approx((1 - m) * -math.log(sigmoid(0.5)) + m * math.exp(-0.5))


def test_discopop_is_dpo_far_on_the_wrong_side() -> None:
    far: dict[str, Any] = {"chosen_reference": t(0), "rejected_reference": t(0), "beta": 1.0}
    loss = OBJECTIVES["discopop"].loss(t(-900), t(0), **far)
    assert loss.item() == pytest.approx(dpo_loss(t(-900), t(0), **far).item())


def test_sigmoid_norm_golden_value() -> None:
    # 2 / 4 - (-3 / 2) = 2
    loss = of("sigmoid_norm", chosen_lengths=torch.tensor([4]), rejected_lengths=torch.tensor([2]))
    assert loss == pytest.approx(-math.log(sigmoid(0.2)))


def test_sigmoid_norm_of_single_tokens_is_dpo() -> None:
    one = torch.tensor([1])
    assert of("sigmoid_norm", chosen_lengths=one, rejected_lengths=one) == pytest.approx(of("dpo"))


def test_cpo_golden_value() -> None:
    """METHODS2: log-probabilities -10 and -12, five tokens."""
    loss = cpo_loss(t(-10), t(-12), chosen_lengths=torch.tensor([5]), beta=0.1)
    assert loss.item() == pytest.approx(2.598139, abs=1e-6)


def test_cpo_without_likelihood_is_dpo_under_an_even_reference() -> None:
    even: dict[str, Any] = {"chosen_reference": t(-7), "rejected_reference": t(-7)}
    assert cpo_loss(*RATIOS, nll_weight=0).item() == pytest.approx(dpo_loss(*RATIOS, **even).item())
    with pytest.raises(ValueError, match="chosen_lengths"):
        cpo_loss(*RATIOS)


def test_simpo_golden_value() -> None:
    # 2 (-10 / 5 + 11 / 4) - 0.5 = 1
    loss = simpo_loss(*RATIOS, chosen_lengths=t(5), rejected_lengths=t(4), beta=2.0, gamma=0.5)
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0)))


def test_simpo_of_single_tokens_without_margin_is_cpo_without_likelihood() -> None:
    loss = simpo_loss(*RATIOS, chosen_lengths=t(1), rejected_lengths=t(1), beta=0.1, gamma=0.0)
    assert loss.item() == pytest.approx(cpo_loss(*RATIOS, nll_weight=0).item())


def test_orpo_golden_value() -> None:
    # mean probabilities 1/2 and 1/4: odds 1 and 1/3, odds ratio 3, sigmoid(log 3) = 3/4
    loss = orpo_loss(t(4 * math.log(0.5)), t(2 * math.log(0.25)), chosen_lengths=t(4), rejected_lengths=t(2), beta=0.1)
    assert loss.item() == pytest.approx(math.log(2) - 0.1 * math.log(0.75))


def test_orpo_with_little_beta_is_sft() -> None:
    loss = orpo_loss(t(-8), t(-9), chosen_lengths=t(4), rejected_lengths=t(3), beta=1e-9)
    assert loss.item() == pytest.approx(2.0)


def test_orpo_is_finite_with_a_gradient_at_both_ends() -> None:
    chosen = t(0.0, -1e4).requires_grad_()
    loss = orpo_loss(chosen, t(-1e4, 0.0), chosen_lengths=t(1, 1), rejected_lengths=t(1, 1))
    loss.sum().backward()
    assert torch.isfinite(loss).all() and chosen.grad is not None and torch.isfinite(chosen.grad).all()


def test_kto_golden_value() -> None:
    loss = kto_loss(t(-10, -11), t(-12, -8), good=torch.tensor([True, False]), kl=1.0, beta=0.1, bad_weight=2.0)
    assert loss.tolist() == pytest.approx([1 - sigmoid(0.1), 2 * (1 - sigmoid(0.4))])


def test_kto_without_divergence_is_apo_zero() -> None:
    loss = kto_loss(t(-10, -11), t(-12, -8), good=torch.tensor([True, False]), kl=-3.0, beta=0.1)
    assert loss.sum().item() == pytest.approx(of("apo_zero"))


def test_joint_pairs_golden_value() -> None:
    # h = 5 + (1 - 3) = 3, beta h = 0.3
    loss = joint_dpo_loss(*RATIOS, **PAIR, chosen_prompt_ratio=t(1), rejected_prompt_ratio=t(3))
    assert loss.item() == pytest.approx(-math.log(sigmoid(0.3)))


def test_joint_pairs_of_one_instruction_are_dpo() -> None:
    """METHODS2: with the prompt masked; and unmasked too, where its ratio is the same on both sides."""
    assert joint_dpo_loss(*RATIOS, **PAIR).item() == pytest.approx(of("dpo"))
    same = joint_dpo_loss(*RATIOS, **PAIR, chosen_prompt_ratio=t(2), rejected_prompt_ratio=t(2))
    assert same.item() == pytest.approx(of("dpo"))
    with pytest.raises(ValueError, match="one prompt ratio is missing"):
        joint_dpo_loss(*RATIOS, **PAIR, chosen_prompt_ratio=t(1))


AMPO_MEMBER = torch.tensor([[True, True, True]])


def test_ampo_golden_value() -> None:
    """METHODS2: log P [-20, -22, -25] x 0.1, rewards [0.9, 0.4, 0.2], alpha 1."""
    scores = group_scores(t(-20, -22, -25)[None], t(0.9, 0.4, 0.2)[None], member=AMPO_MEMBER, beta=0.1)
    assert scores[0].tolist() == pytest.approx([-1.6, -2.3, -2.8])
    loss = group_loss(scores, positive=torch.tensor([[True, False, False]]), member=AMPO_MEMBER)
    assert loss.item() == pytest.approx(0.586552, abs=1e-6)


def test_ampo_of_one_against_one_is_dpo() -> None:
    ratios = torch.stack([RATIOS[0] + 12, RATIOS[1] + 8], dim=1)
    member = torch.ones(1, 2, dtype=torch.bool)
    scores = group_scores(ratios, torch.zeros_like(ratios), member=member, beta=0.1, alpha=0.0)
    assert group_loss(scores, positive=torch.tensor([[True, False]]), member=member).item() == pytest.approx(of("dpo"))


def test_ampo_padding_counts_for_nothing() -> None:
    padded = torch.cat([t(-20, -22, -25)[None], t(99)[None]], dim=1).requires_grad_()
    rewards = torch.cat([t(0.9, 0.4, 0.2)[None], t(50)[None]], dim=1)
    member = torch.tensor([[True, True, True, False]])
    loss = group_loss(
        group_scores(padded, rewards, member=member, beta=0.1),
        positive=torch.tensor([[True, False, False, False]]), member=member,
    )  # fmt: skip
    assert loss.item() == pytest.approx(0.586552, abs=1e-6)
    loss.backward()
    assert padded.grad is not None and torch.isfinite(padded.grad).all() and padded.grad[0, 3] == 0
    with pytest.raises(ValueError, match="positive"):
        group_loss(padded.detach(), positive=~member, member=member)


def test_figa_golden_value() -> None:
    """METHODS2: revised NLL [.1, 1.2, .8] with weights [0, 1, 1]; original NLL [.2, .9, .5], all edited."""
    original = t(-0.2, -0.9, -0.5)
    weights = removed_weights(original, torch.ones(3, dtype=torch.bool))
    assert weights.tolist() == [-0.5, 0.0, -0.5]  # of the middle one the model is not sure
    loss = token_weighted_loss(torch.cat([t(-0.1, -1.2, -0.8), original]), torch.cat([t(0, 1, 1), weights]))
    assert loss.item() == pytest.approx(0.4125)


def test_figa_with_all_weights_one_is_sft() -> None:
    log_probs = t(-0.1, -1.2, -0.8)
    assert token_weighted_loss(log_probs, torch.ones_like(log_probs)).item() == pytest.approx(2.1 / 3)


def test_figa_of_identical_texts_is_the_end_of_the_turn_alone() -> None:
    assert token_weighted_loss(t(-0.1, -1.2, -0.8), t(0, 0, 1)).item() == pytest.approx(0.8)
    assert token_weighted_loss(t(-0.1), t(0)).item() == 0.0  # and without any weight nothing, not NaN


def test_figa_micro_batches_add_up_to_the_whole() -> None:
    log_probs, weights = t(-0.1, -1.2, -0.8, -2.0), t(1, 0, 1, -0.5)
    whole = token_weighted_loss(log_probs, weights)
    parts = [token_weighted_loss(log_probs[a:b], weights[a:b], count=3) for a, b in ((0, 3), (3, 4))]
    assert sum(part.item() for part in parts) == pytest.approx(whole.item())


def test_strength_is_mean_and_deviation_over_the_models() -> None:
    mean, deviation = preference_strength(
        torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    )
    assert mean.tolist() == [2.0, -1.0] and deviation.tolist() == pytest.approx([math.sqrt(2), 0.0])
    assert preference_strength(torch.ones(1, 2), torch.zeros(1, 2))[1].tolist() == [0.0, 0.0]


def test_the_weakest_labels_are_flipped_and_the_next_softened() -> None:
    strength = torch.tensor([2.0, -1.0, 0.1, 0.5, 3.0, -0.5, 1.0, 1.1, 1.2, 1.3])
    flip, soft = label_plan(strength)
    assert flip.nonzero().flatten().tolist() == [1, 5]
    assert soft.nonzero().flatten().tolist() == [2, 3]
    assert not label_plan(strength + 5)[0].any()  # nobody disagrees, so nothing is flipped
    with pytest.raises(ValueError, match="shares"):
        label_plan(strength, flip_share=0.7, soft_share=0.4)


def test_strength_loss_golden_values() -> None:
    no, yes = torch.tensor([False]), torch.tensor([True])
    assert strength_loss(t(1.2), t(0.4), margin=t(0.3), flip=no).item() == pytest.approx(-math.log(sigmoid(0.5)))
    assert strength_loss(t(1.2), t(0.4), margin=t(-2), flip=yes).item() == pytest.approx(-math.log(sigmoid(-0.8)))
    soft = strength_loss(t(1.2), t(0.4), soft_label=t(0.25))
    assert soft.item() == pytest.approx(-0.75 * math.log(sigmoid(0.8)) - 0.25 * math.log(sigmoid(-0.8)))


def test_strength_loss_of_certain_pairs_is_bradley_terry() -> None:
    a, b = t(1.2, 0.1), t(0.4, 0.9)
    none = torch.zeros(2, dtype=torch.bool)
    expected = bradley_terry_loss(a, b).tolist()
    assert strength_loss(a, b).tolist() == pytest.approx(expected)
    assert strength_loss(a, b, margin=t(0, 0), flip=none, soft_label=t(0, 0)).tolist() == pytest.approx(expected)


def test_margin_from_disagreement() -> None:
    shares = t(0.5, 0.75, 1.0, 0.2)
    expected = [0.0, math.log(3), math.log(99), 0.0]  # all of one mind is held at 99 to 1
    assert disagreement_margin(shares).tolist() == pytest.approx(expected)
    assert disagreement_margin(shares, scale=0.5).tolist() == pytest.approx([value / 2 for value in expected])
    with pytest.raises(ValueError, match="between 0 and 1"):
        disagreement_margin(t(75))


def test_no_disagreement_margin_is_bradley_terry() -> None:
    loss = bradley_terry_loss(t(1.2), t(0.4), margin=disagreement_margin(t(0.5)))
    assert loss.item() == pytest.approx(0.371101, abs=1e-6)  # METHODS2: rewards 1.2 and 0.4


def test_judge_golden_values() -> None:
    loss = verdict_loss(t(-1.0, -1.0, -1.0), t(-2.0, -2.0, -2.0), label=t(1, 0, 0.5))
    yes, no = -math.log(sigmoid(1.0)), -math.log(sigmoid(-1.0))
    assert loss.tolist() == pytest.approx([yes, no, (yes + no) / 2])


def test_a_judge_that_is_right_by_label_is_bradley_terry() -> None:
    loss = verdict_loss(t(1.2), t(0.4), label=t(1))
    assert loss.item() == pytest.approx(bradley_terry_loss(t(1.2), t(0.4)).item())
    tie = bradley_terry_loss(t(1.2), t(0.4), tie=torch.tensor([True]))
    assert verdict_loss(t(1.2), t(0.4), label=t(0.5)).item() == pytest.approx(tie.item())
    with pytest.raises(ValueError, match="between 0 and 1"):
        verdict_loss(t(1), t(0), label=t(2))


def test_bradley_terry_with_a_soft_label_a_pair() -> None:
    """All alike it is label smoothing; at one half the pair is a tie."""
    soft = bradley_terry_loss(t(1.2, 1.2, 1.2), t(0.4, 0.4, 0.4), label_smoothing=t(0.0, 0.1, 0.5))
    smoothed = [bradley_terry_loss(t(1.2), t(0.4), label_smoothing=one).item() for one in (0.0, 0.1)]
    tie = bradley_terry_loss(t(1.2), t(0.4), tie=torch.tensor([True])).item()
    assert soft.tolist() == pytest.approx([*smoothed, tie])
    with pytest.raises(ValueError, match="of a pair"):
        bradley_terry_loss(t(1.2), t(0.4), label_smoothing=t(0.6))


@pytest.mark.parametrize("name", ["margin", "tie", "label_smoothing"])
def test_shapes_of_a_reward_loss_never_broadcast(name: str) -> None:
    """One margin a pair, in another shape, would give a loss of every pair with every margin."""
    wrong = torch.zeros(2, 1, dtype=torch.bool if name == "tie" else torch.float32)
    given: dict[str, Any] = {name: wrong}
    with pytest.raises(ValueError, match=f"{name} has the shape"):
        bradley_terry_loss(t(1.2, 0.3), t(0.4, 0.1), **given)


def test_bradley_terry_label_smoothing_and_centering() -> None:
    win, loss = -math.log(sigmoid(0.8)), -math.log(sigmoid(-0.8))
    smoothed = bradley_terry_loss(t(1.2), t(0.4), label_smoothing=0.1)
    assert smoothed.item() == pytest.approx(0.9 * win + 0.1 * loss)
    assert bradley_terry_loss(t(1.2), t(0.4), centering=0.01).item() == pytest.approx(win + 0.01 * 1.6**2)
    tie = bradley_terry_loss(t(1.2), t(0.4), tie=torch.tensor([True]), label_smoothing=0.1)
    assert tie.item() == pytest.approx((win + loss) / 2)  # a tie is no vote that could be the wrong way round


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_shapes_never_broadcast(name: str) -> None:
    """A column against a row would silently make a table of all pairs with all."""
    row, column = torch.zeros(3), torch.zeros(3, 1)
    rest: dict[str, Any] = {}
    if OBJECTIVES[name].trains == "policy":
        rest = {
            "chosen_reference": row,
            "rejected_reference": row,
            "chosen_lengths": row + 1,
            "rejected_lengths": row + 1,
        }
    OBJECTIVES[name].loss(row, row, **rest)
    with pytest.raises(ValueError, match="shape"):
        OBJECTIVES[name].loss(row, column, **rest)
    for argument in rest if OBJECTIVES[name].needs_reference else ():
        if "lengths" not in argument or name in ("ipo", "dpo", "sigmoid_norm"):
            with pytest.raises(ValueError, match="shape"):
                OBJECTIVES[name].loss(row, row, **{**rest, argument: column + 1})
    if name == "bradley_terry":
        for option in ({"margin": column}, {"tie": column.bool()}):
            with pytest.raises(ValueError, match="shape"):
                OBJECTIVES[name].loss(row, row, **option)


def test_shapes_of_the_others_never_broadcast_either() -> None:
    row, column = torch.zeros(3), torch.zeros(3, 1)
    for call in (
        lambda: verdict_loss(row, row, label=column),
        lambda: strength_loss(row, row, margin=column),
        lambda: token_weighted_loss(row, column),
        lambda: kto_loss(row, column, good=row.bool()),
        lambda: kto_loss(row, row, good=row.bool(), kl=row),
        lambda: joint_dpo_loss(row, row, chosen_reference=column, rejected_reference=row),
        lambda: group_loss(row[None], positive=column.bool(), member=row[None].bool()),
        lambda: preference_strength(row[None], column),
    ):
        with pytest.raises(ValueError, match="shape"):
            call()


# DiscoPOP is not convex: between log-ratios of about -tau and tau it turns back, by its formula as TRL's does.
# sft reads the chosen response alone, and has no beta.
APART = ("discopop", "sft")
TOWARDS = sorted(name for name, it in OBJECTIVES.items() if it.trains == "policy" and name not in APART)


@pytest.mark.parametrize("name", TOWARDS)
def test_no_policy_objective_pushes_the_rejected_above_the_chosen(name: str) -> None:
    """From equal odds a step against the gradient widens the gap; and beta must mean something."""
    chosen, rejected = t(-5.0).requires_grad_(), t(-5.0).requires_grad_()
    rest = {
        "chosen_reference": t(-5), "rejected_reference": t(-5), "chosen_lengths": t(4), "rejected_lengths": t(4),
    }  # fmt: skip
    OBJECTIVES[name].loss(chosen, rejected, **rest).sum().backward()
    assert chosen.grad is not None and rejected.grad is not None
    assert chosen.grad.item() < rejected.grad.item()
    with pytest.raises(ValueError, match="beta"):
        OBJECTIVES[name].loss(chosen, rejected, **rest, beta=0.0)


def test_a_job_can_ask_for_every_policy_objective() -> None:
    from registry.specs import TrainDpoSpec

    offered = get_args(TrainDpoSpec.model_fields["objective"].annotation)
    assert sorted(offered) == sorted(name for name, it in OBJECTIVES.items() if it.trains == "policy")
    smoothed = [name for name in offered if OBJECTIVES[name].smoothed]
    assert 0 < len(smoothed) < len(offered)
    of_name = {name: of(name, label_smoothing=0.1, **LENGTHS) for name in smoothed}
    assert all(value != of(name, **LENGTHS) for name, value in of_name.items())


@pytest.mark.parametrize("name", ["aot", "aot_unpaired"])
def test_a_batch_compared_by_order_is_dpo_for_a_single_pair(name: str) -> None:
    values = [torch.tensor([one]) for one in (-3.0, -5.0, -3.5, -4.0)]
    given = {"chosen_reference": values[2], "rejected_reference": values[3], "beta": 0.3, "label_smoothing": 0.1}
    ours = OBJECTIVES[name].loss(values[0], values[1], **given)
    assert ours.item() == pytest.approx(OBJECTIVES["dpo"].loss(values[0], values[1], **given).item())
