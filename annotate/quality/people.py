"""What the pages of people read: members and their figures, one person's work in detail. Writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotate.desk import qualification
from annotate.desk.queue import rules_of
from annotate.models import Assignment, Feedback, Qualification, Task
from annotate.quality.columns import Answers, longer_first, read_answers
from annotate.quality.intervals import Share, share
from annotate.quality.kept import Kept, kept
from annotate.quality.raters import GOLD_BAR, Rater, agreement_with_others, median_seconds, rater_stats
from annotate.quality.tables import Measure, main_measure, ratings_of, sides

WEEKS = 8


@dataclass(frozen=True)
class Crowd:
    """The figures of all people, or of all simulated raters."""

    simulated: bool
    raters: tuple[Rater, ...]
    measure: Measure | None
    """What agreement with others is about; None where nothing is shared."""

    def of(self, user_id: int) -> Rater | None:
        return next((one for one in self.raters if one.user == user_id), None)


def crowds(project: Project) -> Kept[tuple[Crowd, Crowd]]:
    """People and simulated raters, never mixed. Kept until answers change."""
    return kept(project, "crowds", lambda: compute_crowds(project))


def compute_crowds(project: Project) -> tuple[Crowd, Crowd]:
    answers = read_answers(project)
    longer, ratings = longer_first(project, answers), ratings_of(project, answers)
    people, simulated = (
        Crowd(who, tuple(rater_stats(answers.where(mine), longer[mine], table)), measure)
        for who in (False, True)
        for mine in [answers.simulated == who]
        for measure in [main_measure(ratings, simulated=who)]
        for table in [ratings[measure].table(simulated=who) if measure else None]
    )
    return people, simulated


def gold_bar(project: Project) -> float:
    """What the qualification test asks for, where there is one."""
    rules = rules_of(project)
    return rules.test_right / rules.test_tasks if rules.test_tasks and rules.test_right else GOLD_BAR


@dataclass(frozen=True)
class Person:
    """A member, or somebody who left and whose answers are here."""

    user: User
    membership: Membership | None
    rater: Rater | None
    locked_out: bool
    """Has failed the qualification test and was not let in."""


def people(project: Project, crowd: Crowd) -> list[Person]:
    """Members and those who have answered, of one crowd; most answers first."""
    members = {
        one.user_id: one for one in Membership.objects.filter(project=project, user__is_simulated=crowd.simulated)
    }
    raters = {one.user: one for one in crowd.raters}
    users = User.objects.filter(pk__in={*members, *raters})
    failed = failed_the_test(project)
    found = [Person(user, members.get(user.pk), raters.get(user.pk), user.pk in failed) for user in users]
    return sorted(found, key=lambda one: (-(one.rater.answers if one.rater else 0), one.user.pk))


def failed_the_test(project: Project) -> set[int]:
    """Ids of those who took the test, and whom no attempt and no reviewer let in."""
    if not rules_of(project).test_tasks:
        return set()
    tries = Qualification.objects.filter(project=project).values_list("user_id", "passed")
    passed = {user for user, ok in tries if ok}
    return {user for user, _ in tries if user not in passed}


def may_be_let_in(project: Project, user: User, membership: Membership | None) -> bool:
    """Whether the test stands between this person and the tasks, taken or not."""
    return membership is not None and qualification.is_needed(project, user, membership, rules_of(project))


# --- One person -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a person's work: a kind in a language, or a week."""

    kind: str
    lang: str
    begin: date | None
    answers: int
    agreement: Share
    gold: Share
    median_s: float | None


@dataclass(frozen=True)
class Work:
    """One person's answers in detail. Read from their own tasks alone, however large the project is."""

    rater: Rater | None
    measure: Measure | None
    parts: tuple[Part, ...]
    weeks: tuple[Part, ...]


def work_of(project: Project, user: User) -> Work:
    """Kept like everything that costs a second in a large project."""
    return kept(project, f"work-{user.pk}", lambda: compute_work(project, user)).value


def compute_work(project: Project, user: User) -> Work:
    answers = read_answers(project, around=user)
    alike = answers.simulated == user.is_simulated
    answers = answers.where(alike)
    mine = answers.rater == user.pk
    ratings = ratings_of(project, answers, around=user)
    measure = main_measure(ratings, simulated=user.is_simulated)
    table = ratings[measure].table(simulated=user.is_simulated) if measure else None
    own = rater_stats(answers, longer_first(project, answers), table, learn=False)
    agreed = agreement_by_kind(ratings, user)
    parts = tuple(
        part_of(chosen, kind=kind, lang=lang, agreement=agreed.get((kind, lang), share(0, 0)))
        for kind, lang in sorted(set(zip(answers.kind[mine].tolist(), answers.lang[mine].tolist(), strict=True)))
        for chosen in [answers.where(mine & (answers.kind == kind) & (answers.lang == lang))]
    )
    return Work(
        next((one for one in own if one.user == user.pk), None), measure, parts, weeks_of(answers, mine, user)
    )  # fmt: skip


def agreement_by_kind(ratings: Mapping[Measure, Any], user: User) -> dict[tuple[str, str], Share]:
    """(kind, language) -> agreement with others, in the first measure of each kind."""
    found: dict[tuple[str, str], Share] = {}
    for measure, given in ratings.items():
        for lang in sorted(set(given.lang.tolist())):
            one = agreement_with_others(given.table(simulated=user.is_simulated, lang=lang)).get(str(user.pk))
            if one and one.n:
                found.setdefault((measure.kind, lang), one)
    return found


def part_of(
    mine: Answers, *, agreement: Share, kind: str = "", lang: str = "", begin: date | None = None
) -> Part:  # fmt: skip
    known = (mine.purpose == Task.Purpose.GOLD) & (mine.right >= 0)
    gold = share(int(mine.right[known].sum()), int(known.sum()))
    return Part(kind, lang, begin, int(np.unique(mine.item).size), agreement, gold, median_seconds(mine))


def weeks_of(answers: Answers, mine: np.ndarray, user: User) -> tuple[Part, ...]:
    """The last WEEKS weeks with answers, newest first; agreement on comparisons of that week."""
    own, zone = answers.where(mine), timezone.get_current_timezone()
    monday = [
        (moment := datetime.fromtimestamp(at, tz=zone).date()) - timedelta(days=moment.weekday()) for at in own.at
    ]
    found = []
    for begin in sorted(set(monday), reverse=True)[:WEEKS]:
        chosen = own.where(np.array([one == begin for one in monday], dtype=bool))
        found.append(part_of(chosen, begin=begin, agreement=agreement_in(answers, chosen, user)))
    return tuple(found)


def agreement_in(answers: Answers, chosen: Answers, user: User) -> Share:
    """Of the comparisons among `chosen`, with everyone else's, whenever they answered."""
    better, _ = sides(answers.where(np.isin(answers.task, chosen.task)))
    return agreement_with_others(better.table(simulated=user.is_simulated)).get(str(user.pk), share(0, 0))


def qualifications(project: Project, user: User) -> Sequence[Qualification]:
    return list(
        Qualification.objects.filter(project=project, user=user).select_related("overruled_by").order_by("-finished_at")
    )  # fmt: skip


def recent(project: Project, user: User, *, most: int = 12) -> list[Feedback]:
    rows = Feedback.current.filter(project=project, annotator=user, assignment__status=Assignment.Status.SUBMITTED)
    return list(rows.select_related("task__prompt").order_by("-created_at", "-pk")[:most])


def answers_by_day(project: Project, user: User, *, days: int = 28) -> list[tuple[date, int]]:
    """Items that this person finished, day by day up to today, empty days included."""
    today = timezone.localdate()
    first = today - timedelta(days=days - 1)
    done = Assignment.objects.filter(
        annotator=user, task__project=project, status=Assignment.Status.SUBMITTED,
        finished_at__gte=timezone.make_aware(datetime.combine(first, datetime.min.time())),
    ).exclude(task__purpose=Task.Purpose.TURN)  # fmt: skip
    counts = dict(
        done.order_by().annotate(day=TruncDate("finished_at")).values_list("day").annotate(n=Count("pk"))
    )  # fmt: skip
    return [(day, counts.get(day, 0)) for day in (first + timedelta(days=i) for i in range(days))]


def days_in_a_row(project: Project, user: User) -> int:
    """Days with an answer, up to today or, while today has none yet, up to yesterday."""
    days = set(
        Feedback.current.filter(project=project, annotator=user).order_by()
        .annotate(day=TruncDate("created_at")).values_list("day", flat=True).distinct()
    )  # fmt: skip
    day = timezone.localdate()
    if day not in days:
        day -= timedelta(days=1)
    count = 0
    while day in days:
        count, day = count + 1, day - timedelta(days=1)
    return count


def time_today(project: Project, user: User) -> float:
    """Active seconds today."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = Feedback.current.filter(project=project, annotator=user, created_at__gte=midnight)
    return float(rows.aggregate(ms=Sum("active_ms", default=0))["ms"]) / 1000
