"""Answers a day, over the last four weeks."""

from collections.abc import Sequence
from datetime import date

from accounts.models import Project
from annotate.quality import answers_a_day
from pages.charts import Bar, Chart, bars


def chart(project: Project, judge: str = "") -> Chart:
    return draw(project, answers_a_day(project))


def draw(project: Project, days: Sequence[tuple[date, int]]) -> Chart:
    shown = [Bar(day_words(day), count) for day, count in days]
    span = f"{day_words(days[0][0])} to {day_words(days[-1][0])}"
    return bars(title(days), f"Answers a day, {span}", shown, source=f"Project {project}, current answers")


def title(days: Sequence[tuple[date, int]]) -> str:
    """What the bars say: the busiest day, or that there was none."""
    total, (best, most) = sum(count for _, count in days), max(days, key=lambda day: day[1])
    if not total:
        return "No answers in the last four weeks"
    if most == total:
        return f"All {total:,} answers came on {day_words(best)}" if total > 1 else f"One answer, on {day_words(best)}"
    return f"{total:,} answers in four weeks, most on {day_words(best)}"


def day_words(day: date) -> str:
    return f"{day.day} {day:%b}"
