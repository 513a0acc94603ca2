"""The curves of a run, from its stored metrics."""

from collections import defaultdict

from pages.charts import Chart, training
from registry.models import Job, Metric

Points = list[tuple[float, float]]

# metric, title, subtitle; a curve that a run does not have is not shown
CURVES = (
    ("loss", "Loss", "lower is better"),
    ("margin", "Reward margin", "chosen minus rejected"),
    ("accuracy", "Accuracy", "share of pairs ordered right"),
    ("learning_rate", "Learning rate", "a step"),
    ("tokens_per_s", "Throughput", "tokens a second"),
    ("grad_norm", "Gradient norm", "before clipping"),
)


def points_of(job: Job) -> dict[str, Points]:
    """{metric: [(step, value)]} in order of steps."""
    found: dict[str, Points] = defaultdict(list)
    for name, step, value in (
        Metric.objects.filter(job=job).order_by("name", "step").values_list("name", "step", "value")
    ):
        found[name].append((step, value))
    return found


def curves(job: Job) -> list[Chart]:
    points = points_of(job)
    planned = job.progress_total if job.kind.startswith("train") and job.progress_total else None
    return [
        training(title, subtitle, points.get(name, []), points.get(f"held_out_{name}", []), planned=planned, source="")
        for name, title, subtitle in CURVES
        if name in points or f"held_out_{name}" in points
    ]
