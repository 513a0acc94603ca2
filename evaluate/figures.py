"""The two numbers that a demonstration ends with, computed anew from what is stored."""

from typing import Any

from accounts.models import Project
from evaluate.leaderboard import headline
from evaluate.stats import Estimate, accuracy_of
from registry.models import Job, ModelVersion

Figures = dict[str, Any]


def demo_report(project: Project, *, reward: ModelVersion | None = None, job: Job | None = None) -> Figures:
    """{reward_accuracy, win_rate, win_rate_by_judge, ...}, each {value, low, high, n, clusters}; None where not done.

    reward_accuracy is that of `reward` on held-out pairs. win_rate is that of the first model of `job`, a judge job,
    by the reward model (or its only judge); win_rate_by_judge has all, by the voice's key. Both are the newest ones of
    the project unless they are given.
    """
    newest = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.REWARD).order_by("-pk")
    reward = reward or newest.first()
    found = headline(project, job=job)
    return {
        "reward_model": reward.name if reward else None,
        "reward_accuracy": reward_accuracy(reward) if reward else None,
        "first": found.first if found else None,
        "second": found.second if found else None,
        "win_rate": found.main.rate.as_dict() if found else None,
        "win_rate_by_judge": {one.voice.key: one.rate.as_dict() for one in found.verdicts} if found else {},
        "sentence": found.sentence if found else None,
    }


def reward_accuracy(reward: ModelVersion) -> Figures | None:
    """From the stored margin of every held-out pair where there is one, else as the training job reported it."""
    pairs = reward.metrics.get("held_out_pairs")
    if pairs:
        return accuracy_of([margin for _, margin in pairs], [key for key, _ in pairs]).as_dict()
    stored = reward.metrics.get("accuracy")
    if not isinstance(stored, dict):
        return None
    return Estimate(stored.get("value"), stored.get("low"), stored.get("high"), stored.get("n", 0)).as_dict()
