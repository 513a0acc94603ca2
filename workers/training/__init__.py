"""Training: one loop, and a learner for each shape of rows.

`loop.py` owns what all runs share: batches, the optimiser, checkpoints, held-out measurements, early stopping. A
*learner* (learner.py) knows what its rows are and what they cost: policies on pairs, reward models on pairs, and so on,
a file each. Pure torch: nothing here knows Django or a job.
"""

from workers.training.learner import Learner, Losses
from workers.training.loop import learning_rate_at, train
from workers.training.pairs import PolicyPairs
from workers.training.scores import RewardPairs
from workers.training.settings import Evaluation, TrainingResult, TrainingSettings
from workers.training.shortcuts import pair_learner, train_pairs
from workers.training.verdicts import VerdictRow, Verdicts

__all__ = [
    "Evaluation", "Learner", "Losses", "PolicyPairs", "RewardPairs", "TrainingResult", "TrainingSettings",
    "VerdictRow", "Verdicts", "learning_rate_at", "pair_learner", "train", "train_pairs",
]  # fmt: skip
