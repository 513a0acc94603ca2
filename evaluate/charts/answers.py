"""Answers a day, over the last four weeks; people and simulated raters are told apart."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from accounts.models import Project
from annotate.quality.progress import Day, answers_a_day
from pages.charts import Bar, Chart, Table, bars


def chart(project: Project, judge: str = "") -> Chart:
    return draw(project, answers_a_day(project))


def draw(project: Project, days: Sequence[Day]) -> Chart:
    shown = [Bar(day_words(day.date), day.total) for day in days]
    span = f"{day_words(days[0].date)} to {day_words(days[-1].date)}"
    drawn = bars(title(days), f"Answers a day, {span}{who(days)}", shown, source=f"Project {project}, current answers")
    rows = [(day_words(day.date), day.people, day.simulated) for day in days]
    return replace(drawn, table=Table(["day", "people", "simulated"], rows))


def title(days: Sequence[Day]) -> str:
    """What the bars say: the busiest day, or that there was none."""
    total, best = sum(day.total for day in days), max(days, key=lambda day: day.total)
    if not total:
        return "No answers in the last four weeks"
    on = day_words(best.date)
    answers = "simulated answers" if all(day.people == 0 for day in days) else "answers"
    if best.total == total:
        return f"All {total:,} {answers} came on {on}" if total > 1 else f"One {answers.removesuffix('s')}, on {on}"
    return f"{total:,} {answers} in four weeks, most on {on}"


def who(days: Sequence[Day]) -> str:
    """How much of it is not by people, or nothing where all is."""
    people, simulated = sum(day.people for day in days), sum(day.simulated for day in days)
    if not simulated:
        return ""
    return f"; {people:,} by people, {simulated:,} by simulated raters" if people else "; all by simulated raters"


def day_words(day: date) -> str:
    return f"{day.day} {day:%b}"
