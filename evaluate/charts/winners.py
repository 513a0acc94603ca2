"""The newest comparison: how often the tuned model beats the base, by each judge."""

from accounts.models import Project
from evaluate.leaderboard import Headline, headline
from evaluate.stats import Estimate
from pages.charts import Chart, Rated, whiskers
from pages.charts import Estimate as Span


def chart(project: Project, judge: str = "") -> Chart:
    return draw(headline(project))


def draw(found: Headline | None) -> Chart:
    if found is None:
        return whiskers("No comparison yet", "A judge run compares the answers of two models", [])
    rows = [
        Rated(verdict.voice.label, judge=span(verdict.rate, 100), href=verdict.url)
        for verdict in found.verdicts
        if verdict.rate.defined
    ]
    battles = max((verdict.rate.n for verdict in found.verdicts), default=0)
    prompts = max((verdict.rate.clusters for verdict in found.verdicts), default=0)
    return whiskers(
        found.sentence,
        f"Battles that {found.first} wins, %, a tie is half, 95% interval over prompts",
        rows,
        reference=(50.0, "even"),
        source=f"{found.job.name}, {battles:,} battles on {prompts:,} held-out prompts",
        width=630,
    )


def span(estimate: Estimate, scale: float = 1.0) -> Span | None:
    """A statistic as the drawing takes it."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return Span(*(round(value * scale, 2) for value in (estimate.value, estimate.low, estimate.high)))
