"""The objectives beside TRL's own implementation, called with log-probabilities that are made up."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from workers.objectives import OBJECTIVES
from workers.objectives.bradley_terry import bradley_terry_loss
from workers.objectives.kto import kto_loss
from workers.objectives.reference_free import cpo_loss, orpo_loss, simpo_loss

pytest.importorskip("trl", reason="the peer is not installed: pip install -e '.[bench]'")

PAIRS, LONGEST = 6, 5
SMOOTHED = ("sigmoid", "robust", "exo_pair", "aot", "aot_unpaired")


def made_up() -> dict[str, Tensor]:
    """Log-probabilities of single tokens, shape (2 x pairs, longest), zero behind the end of a completion."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, LONGEST + 1, (2 * PAIRS,), generator=generator)
    mask = (torch.arange(LONGEST) < lengths[:, None]).double()
    tokens = -torch.rand(2 * PAIRS, LONGEST, generator=generator, dtype=torch.float64) * 4 * mask
    reference = -torch.rand(2 * PAIRS, generator=generator, dtype=torch.float64) * 2 * lengths
    return {"tokens": tokens, "mask": mask, "lengths": lengths, "reference": reference}


def unchanged(value: Tensor) -> Tensor:
    return value


ACCELERATOR = SimpleNamespace(device=torch.device("cpu"), gather=unchanged, gather_for_metrics=unchanged)


def like_a_trainer(**settings: Any) -> Any:
    """What TRL's loss functions read of their trainer, without a model or data."""
    return SimpleNamespace(
        accelerator=ACCELERATOR, model=SimpleNamespace(training=True), aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=True, use_weighting=False, loss_weights=[1.0], f_divergence_type="reverse_kl",
        args=SimpleNamespace(discopop_tau=0.05), _total_train_tokens=0, _tp_size=1,
        _metrics=defaultdict(lambda: defaultdict(list)), **settings,
    )  # fmt: skip


def outputs(tokens: Tensor) -> Any:
    return SimpleNamespace(
        log_probs=tokens, entropy=tokens * 0, mean_logits=tokens * 0, is_top1=tokens.bool(), aux_loss=None
    )


def dpo_of_trl(loss_type: str, found: dict[str, Tensor], *, beta: float, label_smoothing: float) -> float:
    from trl import DPOTrainer

    trainer = like_a_trainer(loss_types=[loss_type], beta=beta, label_smoothing=label_smoothing)
    mask = torch.cat([torch.zeros(2 * PAIRS, 1), found["mask"]], dim=1)  # one token of a prompt
    chosen, rejected = found["reference"].chunk(2)
    inputs = {
        "input_ids": mask.long(), "attention_mask": torch.ones_like(mask), "completion_mask": mask.long(),
        "ref_chosen_logps": chosen, "ref_rejected_logps": rejected,
    }  # fmt: skip
    return float(DPOTrainer._compute_loss(trainer, lambda **options: outputs(found["tokens"]), inputs, False))


@pytest.mark.parametrize("beta", [0.1, 0.7])
@pytest.mark.parametrize(
    "name",
    ["sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "apo_zero", "apo_down",
     "discopop", "sigmoid_norm", "aot", "aot_unpaired", "sft"],
)  # fmt: skip
def test_a_pair_loss_is_trls(name: str, beta: float) -> None:
    found = made_up()
    chosen, rejected = found["tokens"].sum(dim=1).chunk(2)
    references, lengths = found["reference"].chunk(2), found["lengths"].chunk(2)
    smoothed = {"label_smoothing": 0.1} if name in SMOOTHED[1:] else {}
    ours = OBJECTIVES["dpo" if name == "sigmoid" else name].loss(
        chosen, rejected, chosen_reference=references[0], rejected_reference=references[1],
        chosen_lengths=lengths[0], rejected_lengths=lengths[1], beta=beta, **smoothed,
    )  # fmt: skip
    theirs = dpo_of_trl(name, found, beta=beta, label_smoothing=0.1 if smoothed else 0.0)
    assert ours.mean().item() == pytest.approx(theirs, abs=1e-6)


def test_cpo_and_simpo_are_trls() -> None:
    from trl.experimental.cpo import CPOTrainer

    found: dict[str, Any] = made_up()  # Any: TRL's hints ask for tensors of one dtype
    chosen, rejected = found["tokens"].sum(dim=1).chunk(2)
    lengths = found["lengths"].chunk(2)
    trainer = like_a_trainer(loss_type="sigmoid", beta=0.3, label_smoothing=0.1, alpha=0.0, simpo_gamma=0.5)
    theirs = CPOTrainer.cpo_loss(trainer, chosen, rejected)[0]
    assert torch.allclose(cpo_loss(chosen, rejected, beta=0.3, label_smoothing=0.1, nll_weight=0), theirs)
    trainer.loss_type = "simpo"
    theirs = CPOTrainer.cpo_loss(trainer, chosen / lengths[0], rejected / lengths[1])[0]
    ours = simpo_loss(
        chosen,
        rejected,
        chosen_lengths=lengths[0],
        rejected_lengths=lengths[1],
        beta=0.3,
        gamma=0.5,
        label_smoothing=0.1,
    )
    assert torch.allclose(ours, theirs)


def test_the_odds_ratio_is_trls() -> None:
    from trl.experimental.orpo import ORPOTrainer

    found: dict[str, Any] = made_up()
    chosen, rejected = found["tokens"].sum(dim=1).chunk(2)
    lengths = found["lengths"].chunk(2)
    # TRL returns beta log sigmoid and subtracts it from the likelihood term later.
    theirs = ORPOTrainer.odds_ratio_loss(like_a_trainer(beta=0.2), chosen / lengths[0], rejected / lengths[1])[0]
    ours = orpo_loss(chosen, rejected, chosen_lengths=lengths[0], rejected_lengths=lengths[1], beta=0.2, nll_weight=0)
    assert torch.allclose(ours, -theirs.double(), atol=1e-6)


def test_kto_is_trls() -> None:
    from trl import KTOTrainer

    found = made_up()
    log_probs, reference, good = found["tokens"].sum(dim=1), found["reference"], torch.arange(2 * PAIRS) % 3 > 0
    trainer = like_a_trainer(
        loss_type="kto", beta=0.4, calculate_KL=True, desirable_weight=1.0, undesirable_weight=1.3,
        _compute_kl_logps=lambda model, batch: reference + 0.25,
    )  # fmt: skip
    mask = torch.cat([torch.zeros(2 * PAIRS, 1), found["mask"]], dim=1)
    inputs = {
        "input_ids": mask.long(), "attention_mask": torch.ones_like(mask), "completion_mask": mask.long(),
        "label": good, "ref_logps": reference, "ref_KL_logps": reference,
    }  # fmt: skip
    theirs = float(KTOTrainer._compute_loss(trainer, lambda **options: outputs(found["tokens"]), inputs, False))
    ours = kto_loss(log_probs, reference, good=good, kl=0.25, beta=0.4, bad_weight=1.3)
    assert ours.mean().item() == pytest.approx(theirs, abs=1e-6)


def test_reward_centering_is_trls() -> None:
    """TRL: -log sigmoid(d - margin), and coefficient x mean (sum of the two rewards) squared."""
    chosen, rejected = torch.tensor([1.5, -0.5]), torch.tensor([0.5, 0.25])
    expected = -torch.nn.functional.logsigmoid(chosen - rejected - 0.2).mean()
    expected += 0.01 * ((chosen + rejected) ** 2).mean()
    ours = bradley_terry_loss(chosen, rejected, margin=0.2, centering=0.01).mean()
    assert ours.item() == pytest.approx(expected.item())
