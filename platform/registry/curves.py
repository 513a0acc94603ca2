"""The curves of a run, from its stored metrics."""

from collections import defaultdict
from collections.abc import Sequence

from pages.charts import Chart, training
from registry.models import Job, Metric

Points = list[tuple[float, float]]

# metric, title, subtitle; a curve that a run does not have is not shown
CURVES = (
    ("loss", "Loss", "lower is better"),
    ("margin", "Reward margin", "chosen minus rejected"),
    ("accuracy", "Accuracy", "share of pairs ordered right"),
    ("reward_chosen", "Reward of the chosen", "against the reference"),
    ("reward_rejected", "Reward of the rejected", "against the reference"),
    ("kl", "Distance from the base model", "KL, nats a token"),
    ("learning_rate", "Learning rate", "a step"),
    ("grad_norm", "Gradient norm", "before clipping"),
    ("tokens_per_s", "Throughput", "tokens a second"),
    ("memory_gb", "Memory", "GB; of a GPU the highest so far"),
)
# The same measure by the names that trainers give it.
ALSO = {
    "rewards/chosen": "reward_chosen", "rewards/rejected": "reward_rejected", "rewards/margins": "margin",
    "rewards/accuracies": "accuracy", "chosen_reward": "reward_chosen", "rejected_reward": "reward_rejected",
    "eval_loss": "held_out_loss", "eval_accuracy": "held_out_accuracy", "kl_to_reference": "kl",
}  # fmt: skip


MIB_IN_GB = 2**20 / 1e9
"""Trainers write memory in MiB."""


def points_of(job: Job) -> dict[str, Points]:
    """{metric: [(step, value)]} in order of steps."""
    return points_of_all([job])[job.pk]


def points_of_all(jobs: Sequence[Job]) -> dict[int, dict[str, Points]]:
    """{job's id: {metric: [(step, value)]}} in order of steps."""
    found: dict[int, dict[str, Points]] = {job.pk: defaultdict(list) for job in jobs}
    rows = Metric.objects.filter(job__in=jobs).order_by("job_id", "name", "step")
    for job, name, step, value in rows.values_list("job_id", "name", "step", "value"):
        if name == "memory_mb":
            name, value = "memory_gb", value * MIB_IN_GB
        found[job][ALSO.get(name, name)].append((step, value))
    return found


def curves(job: Job, points: dict[str, Points]) -> list[Chart]:
    planned = job.progress_total if job.kind.startswith("train") and job.progress_total else None
    return [
        training(title, subtitle, points.get(name, []), points.get(f"held_out_{name}", []), planned=planned, source="")
        for name, title, subtitle in CURVES
        if name in points or f"held_out_{name}" in points
    ]
