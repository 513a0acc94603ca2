"""Agreement and counts: people and simulated raters are never one number."""

import krippendorff
import numpy as np
import pytest

from annotate.quality.progress import ENOUGH_TASKS, agreement, alpha_with_interval, answers_a_day, progress
from evaluate.charts.answers import draw


@pytest.fixture
def rated(world, base):
    """Make tasks that several raters answered, each with the preferences that are given."""

    def make(count, preferences, *, simulated=False):
        for _ in range(count):
            prompt = world.prompt()
            task = world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"), wanted=9)
            for i, preference in enumerate(preferences):
                world.vote(task, preference, rater=world.rater(f"r{i}{simulated}", simulated=simulated))

    return make


def test_alpha_is_that_of_the_krippendorff_package():
    rng = np.random.default_rng(3)
    counts = rng.multinomial(3, [0.3, 0.2, 0.5], size=40)
    figure = alpha_with_interval([tuple(row) for row in counts.tolist()])
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert figure.value == pytest.approx(expected)
    assert figure.low < figure.value < figure.high
    assert figure.n == 40


def test_agreement_is_of_simulated_raters_and_says_so_while_people_share_few_tasks(project, rated):
    rated(30, [2, 1, 3], simulated=True)
    rated(5, [-1, -1, 2], simulated=True)
    rated(3, [1, -1])
    found = agreement(project)
    assert (found.n, found.simulated) == (35, True)


def test_agreement_is_of_people_once_they_share_enough_tasks(project, rated):
    rated(ENOUGH_TASKS + 5, [2, 2], simulated=True)
    rated(ENOUGH_TASKS // 2, [1, 2])
    rated(ENOUGH_TASKS // 2, [-1, None])
    found = agreement(project)
    assert (found.n, found.simulated) == (ENOUGH_TASKS, False)


def test_a_person_and_a_simulated_rater_do_not_agree_on_anything(project, world, base):
    prompt = world.prompt()
    task = world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"), wanted=2)
    world.vote(task, 1, rater=world.rater("ann"))
    world.vote(task, -1, rater=world.rater("robot", simulated=True))
    assert agreement(project).n == 0
    assert progress(project) == {"answered": 2, "wanted": 2, "tasks": 1, "simulated": 1}
    today = answers_a_day(project)[-1]
    assert (today.people, today.simulated, today.total) == (1, 1, 2)


@pytest.mark.parametrize(
    ("people", "simulated", "said", "under"),
    [
        (0, 0, "No answers in the last four weeks", ""),
        (0, 3, "All 3 simulated answers came on", "; all by simulated raters"),
        (0, 1, "One simulated answer, on", "; all by simulated raters"),
        (2, 0, "All 2 answers came on", ""),
        (2, 1, "All 3 answers came on", "; 2 by people, 1 by simulated raters"),
    ],
)
def test_the_chart_says_whose_answers_it_counts(project, rated, people, simulated, said, under):
    rated(people, [1])
    rated(simulated, [1], simulated=True)
    chart = draw(project, answers_a_day(project))
    assert chart.title.startswith(said)
    assert "".join(chart.subtitle.partition(";")[1:]) == under
