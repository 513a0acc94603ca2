"""Figures of raters: against naive definitions, and planted habits are found while fair people are left alone."""

import itertools
import uuid
from collections import Counter

import numpy as np
import pytest

from accounts.models import Project
from annotate.models import Assignment, Feedback
from annotate.quality.columns import longer_first, read_answers
from annotate.quality.intervals import (
    at_most_p,
    binomial_p,
    holm,
    longest_run,
    longest_run_p,
    share,
    two_shares_p,
)
from annotate.quality.people import compute_crowds, days_in_a_row, work_of
from annotate.quality.people_words import looks
from annotate.quality.raters import agreement_of_peers, agreement_with_others, notices
from annotate.quality.reliability import matrix
from evaluate.stats import wilson
from tests.annotate import crowd

VALUES = [["a", "a", "b"], ["a", None, "b"], ["b", "b", "b"], ["a", None, None], ["b", "a", "a"]]


@pytest.mark.parametrize(("part", "n"), [(0, 1), (3, 7), (10, 10), (61, 100), (4.5, 9)])
def test_the_interval_is_wilsons(part: float, n: int) -> None:
    found = share(part, n)
    assert (found.low, found.high) == pytest.approx(wilson(part, n))


def test_a_share_of_nothing_is_undefined() -> None:
    assert share(0, 0).value is None


def test_binomial_p_is_that_of_all_counts_written_out() -> None:
    def chance_of(k: int) -> float:
        return sum(
            np.prod([0.3 if one else 0.7 for one in said])
            for said in itertools.product([0, 1], repeat=8) if sum(said) == k
        )  # fmt: skip

    probability = [chance_of(k) for k in range(9)]
    for part in range(9):
        both = sum(one for one in probability if one <= probability[part] + 1e-12)
        assert binomial_p(part, 8, 0.3) == pytest.approx(both)
        assert at_most_p(part, 8, 0.3) == pytest.approx(sum(probability[: part + 1]))


def test_two_shares_that_are_alike_differ_by_chance() -> None:
    assert two_shares_p(50, 100, 500, 1000) == pytest.approx(1)
    assert two_shares_p(80, 100, 500, 1000) < 1e-6


def test_holm_is_his_step_down_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def test_longest_runs_and_their_probability() -> None:
    assert longest_run(np.array([0, 1, 1, 1, 2, 2])) == 3
    assert longest_run(np.array([], dtype=np.int64)) == 0
    rng, shares, n = np.random.default_rng(0), [0.45, 0.45, 0.1], 200
    seen = np.array([longest_run(rng.choice(3, size=n, p=shares)) for _ in range(3000)])
    for length in (7, 9, 11):
        assert longest_run_p(length, n, shares) == pytest.approx(float((seen >= length).mean()), abs=0.03)


def test_agreement_with_others_is_the_mean_over_shared_items() -> None:
    found = agreement_with_others(matrix(VALUES, ["x", "y", "z"]))
    for i, name in enumerate("xyz"):
        shares = [
            np.mean([other == row[i] for j, other in enumerate(row) if j != i and other is not None])
            for row in VALUES
            if row[i] is not None and sum(one is not None for one in row) > 1
        ]
        assert found[name].value == pytest.approx(np.mean(shares))
        assert found[name].n == len(shares)


def test_agreement_of_peers_is_that_of_the_others_among_themselves() -> None:
    found = agreement_of_peers(matrix(VALUES, ["x", "y", "z"]))
    for i, name in enumerate("xyz"):
        full = [[v for j, v in enumerate(row) if j != i] for row in VALUES if None not in row]
        assert found[name].value == pytest.approx(np.mean([one == other for one, other in full]))
        assert found[name].n == len(full)


def make_crowd(project: Project, habit: crowd.Habit | None, *, items: int = 500) -> int:
    """Ten people, four an item and each time others; the first has the habit. Returns the first one's id."""
    users = crowd.make_people(project, 10)
    raters = [(user, habit if habit and i == 0 else crowd.fair()) for i, user in enumerate(users)]
    rng, tasks = np.random.default_rng(1), crowd.make_tasks(project, items, wanted=4)
    for part in range(0, items, 10):
        mixed = [raters[i] for i in rng.permutation(len(raters))]
        crowd.answer(project, tasks[part : part + 10], mixed, overlap=4, seed=part + 1)
    return users[0].pk


@pytest.mark.parametrize(
    ("habit", "signals"),
    [
        (crowd.first_side, {"first", "streak", "agreement"}),
        (crowd.longer_one, {"longer", "agreement"}),
        (crowd.coin, {"agreement"}),
        (crowd.always_tie, {"streak", "agreement"}),
    ],
)
def test_a_planted_habit_is_found_and_nobody_else_is_named(
    project: Project, habit: crowd.Habit, signals: set[str]
) -> None:
    odd = make_crowd(project, habit)
    people, simulated = compute_crowds(project)
    assert simulated.raters == ()
    found = notices(people.raters)
    assert {one.user for one in found} == {odd}
    assert {one.signal for one in found} == signals
    one, fair = people.of(odd), [other for other in people.raters if other.user != odd]
    assert one is not None and one.competence is not None and one.mace is not None
    assert one.competence < min(other.competence or 0 for other in fair)
    assert one.mace < min(other.mace or 0 for other in fair)
    [look] = looks(found, {other.user: f"rater {other.user}" for other in people.raters})
    assert look.title.startswith(f"rater {odd} ")
    assert len(look.more) == len(signals)


def test_nobody_stands_out_among_fair_people(project: Project) -> None:
    make_crowd(project, None)
    assert notices(compute_crowds(project)[0].raters) == []


def test_leanings_are_those_of_the_rows(project: Project) -> None:
    make_crowd(project, crowd.always_tie, items=60)
    people, _ = compute_crowds(project)
    for one in people.raters:
        rows = list(Feedback.current.filter(annotator=one.user).select_related("task"))
        decided = [row for row in rows if row.preference]
        first = [(row.preference > 0) == (row.order[0] == 0) for row in decided]
        assert one.answers == len(rows)
        assert one.first.n == len(decided)
        if decided:
            assert one.first.value == pytest.approx(np.mean(first))
        longer = []
        for row in decided:
            texts = {x.position: len(x.response.text) for x in row.task.task_responses.select_related("response")}
            longer.append((row.preference > 0) == (texts[0] > texts[1]))
        assert one.longer.n == len(longer)
        if longer:
            assert one.longer.value == pytest.approx(np.mean(longer))
        assert one.median_s == pytest.approx(np.median([row.active_ms for row in rows]) / 1000)


def test_labels_that_do_not_say_what_was_shown_first_say_nothing_of_sides(project: Project) -> None:
    """An importer writes the better answer first and marks that nobody knows where it stood."""
    users = crowd.make_people(project, 2)
    tasks = crowd.make_tasks(project, 30, wanted=2)
    rows = crowd.answer(project, tasks, [(users[0], crowd.first_side), (users[1], crowd.first_side)], overlap=2)
    imported = [row.pk for row in rows if row.annotator_id == users[0].pk]
    Feedback.objects.filter(pk__in=imported).update(value={"order_unknown": True})
    people, _ = compute_crowds(project)
    one, other = people.of(users[0].pk), people.of(users[1].pk)
    assert one is not None and other is not None
    assert (one.first.n, one.streak) == (0, None)
    assert (other.first.value, other.first.n) == (1, 30)
    assert one.agreement.n == other.agreement.n == 30


def test_gold_counts_for_accuracy_and_for_nothing_else(project: Project) -> None:
    users = crowd.make_people(project, 2)
    tasks = crowd.make_tasks(project, 30, purpose="gold", gold={"accept": {"side": 0}}, wanted=2)
    crowd.answer(project, tasks, [(users[0], lambda *_: 1), (users[1], crowd.first_side)], overlap=2)
    people, _ = compute_crowds(project)
    best, other = people.of(users[0].pk), people.of(users[1].pk)
    assert best is not None and other is not None
    assert (best.gold.value, best.gold.n) == (1, 30)
    assert other.gold.value == pytest.approx(Feedback.objects.filter(annotator=users[1], right=True).count() / 30)
    assert best.agreement.n == best.first.n == 0
    assert best.streak is None
    assert [one.user for one in notices(people.raters) if one.signal == "gold"] == [users[1].pk]


def test_a_gold_task_is_judged_by_the_first_answer(project: Project) -> None:
    [user] = crowd.make_people(project, 1)
    gold = crowd.make_tasks(project, 2, purpose="gold", gold={"accept": {"side": 0}})
    first, other = crowd.answer(project, gold, [(user, lambda *_: -1)], overlap=1)
    Feedback.objects.filter(pk=first.pk).update(withdrawn_at=first.created_at)
    again = Feedback.objects.get(pk=first.pk)
    again.pk, again.right, again.preference, again.supersedes = None, True, 2, first
    again.idempotency_key, again.withdrawn_at = uuid.uuid4(), None
    again.save()
    answers = read_answers(project)
    assert sorted(answers.pk.tolist()) == sorted([other.pk, again.pk])
    assert answers.right.tolist() == [0, 0]


def test_under_twenty_answers_nobody_stands_out(project: Project) -> None:
    users = crowd.make_people(project, 2)
    crowd.answer(
        project, crowd.make_tasks(project, 19), [(users[0], crowd.first_side), (users[1], crowd.fair())], overlap=2
    )
    people, _ = compute_crowds(project)
    assert notices(people.raters) == []


def test_unfinished_and_withdrawn_answers_do_not_count(project: Project) -> None:
    users = crowd.make_people(project, 2)
    rows = crowd.answer(project, crowd.make_tasks(project, 4), [(one, crowd.fair()) for one in users], overlap=2)
    Assignment.objects.filter(pk=rows[0].assignment_id).update(status="leased")
    Feedback.objects.filter(pk=rows[1].pk).update(withdrawn_at=rows[1].created_at)
    answers = read_answers(project)
    assert Counter(answers.pk.tolist()) == Counter(row.pk for row in rows[2:])
    assert len(longer_first(project, answers)) == len(answers)


def test_one_persons_page_has_the_figures_of_the_crowd(project: Project) -> None:
    first = make_crowd(project, crowd.first_side, items=60)
    people, _ = compute_crowds(project)
    for pk in (first, first + 1):
        user = Feedback.objects.filter(annotator=pk)[0].annotator
        own, among = work_of(project, user).rater, people.of(pk)
        assert own is not None and among is not None
        assert (own.answers, own.agreement, own.first, own.longer) == (
            among.answers, among.agreement, among.first, among.longer
        )  # fmt: skip
        assert days_in_a_row(project, user) >= 1
