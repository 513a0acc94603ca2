"""Every learner on a tiny model, with rows that have unequal lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from tests.workers.test_train_rows import BAD, EOS, GOOD, PROMPTS, ROWS, ids
from workers.modeling import add_lora, load_policy, load_reward_model
from workers.pairs import TokenPair
from workers.training import Learner, PolicyPairs, RewardPairs, TrainingSettings, VerdictRow, Verdicts, train

SETTINGS = TrainingSettings(
    objective="dpo", learning_rate=5e-3, epochs=2, batch_size=4, micro_batch=2, eval_every=3, options={"beta": 0.1}
)
PAIRS = [
    TokenPair(prompt, good, bad, margin=number % 3 / 2, tie=number % 5 == 4)
    for number, (prompt, good, bad) in enumerate(zip(PROMPTS, GOOD, BAD, strict=True))
]
VERDICTS = [
    VerdictRow(prompt, ids("So: " * (number % 3)), (*ids("A"), *ids("B")), number % 2, (EOS,))
    for number, prompt in enumerate(PROMPTS)
]


@dataclass(frozen=True)
class Kind:
    """A learner, its rows, and the settings that it needs."""

    learner: type[Learner[Any]]
    rows: list[Any]
    settings: dict[str, Any]
    reward: bool = False

    def make(self, folder: Path, *, full: bool = False, dropout: float = 0.0, pad_id: int = 0, **changes: Any) -> Any:
        model = load_reward_model(folder) if self.reward else load_policy(folder)
        model = model.requires_grad_(True) if full else add_lora(model, rank=4, alpha=8, dropout=dropout, seed=5)
        given = {name: changes.pop(name) for name in ("reference_cache",) if name in changes}
        settings = replace(SETTINGS, **{**self.settings, **changes})
        return self.learner(model, self.rows, self.rows[:5], settings=settings, pad_id=pad_id, **given)


KINDS: dict[str, Kind] = {
    "dpo": Kind(PolicyPairs, PAIRS, {"shared_prefix": True}),
    "dpo_plain": Kind(PolicyPairs, PAIRS, {"shared_prefix": False}),
    "reward": Kind(RewardPairs, PAIRS, {"objective": "bradley_terry", "options": {}}, reward=True),
    "judge": Kind(Verdicts, VERDICTS, {"objective": "verdict", "options": {}}),
    **{learner.__name__.lower(): Kind(learner, rows, {}) for learner, rows in ROWS.items()},
}
REFERENCED = [name for name in KINDS if name.startswith("dpo") or name in ("unpaired", "jointpairs", "groups")]


def weights(learner: Any) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in learner.model.named_parameters() if one.requires_grad}


def losses(learner: Any, **how: Any) -> list[float]:
    """Of each step."""
    found: list[float] = []

    def heard(step: int, total: int, metrics: dict[str, float]) -> None:
        if step:
            found.append(metrics["loss"])

    train(learner, on_step=heard, **how)
    return found


def saver(folder: Path) -> Callable[[int, Callable[[Path], None]], None]:
    def save(step: int, write: Callable[[Path], None]) -> None:
        write(folder)

    return save
