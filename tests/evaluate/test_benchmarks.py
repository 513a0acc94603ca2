"""Position and length from stored votes and judgements."""

import pytest

from accounts.pseudonyms import pseudonym
from evaluate.battles import Voice
from evaluate.benchmarks import BENCHMARKS
from evaluate.benchmarks.base import Result
from evaluate.stats import Estimate


@pytest.mark.parametrize("name", BENCHMARKS)
def test_without_votes_there_is_nothing_to_report(project, name):
    assert BENCHMARKS[name](project) == []


def test_position_is_counted_in_the_order_that_was_shown(project, world, base):
    def task():
        prompt = world.prompt()
        return world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"))

    world.vote(task(), 2, order=[0, 1])  # position 0 shown first, and chosen
    world.vote(task(), -1, order=[1, 0])  # position 1 shown first, and chosen
    world.vote(task(), 3, order=[1, 0])  # position 1 shown first, the other chosen
    world.vote(task(), 0)
    world.vote(task(), None)
    world.vote(task(), 1, rater=world.rater("robot", simulated=True))
    people, simulated = BENCHMARKS["position"](project)
    assert people.estimate.value == pytest.approx(2 / 3)
    assert (people.estimate.n, people.left_out) == (3, 2)
    assert people.voice == Voice("human")
    assert [row.rater for row in people.raters] == [pseudonym(project.pk, world.rater("ann").pk)]
    assert simulated.voice == Voice("simulated")
    assert simulated.estimate.n == 1


def test_length_has_a_rate_and_a_pull_for_each_voice(project, world, base, tuned):
    job = world.job("judge")
    for i in range(20):
        prompt = world.prompt()
        long, short = world.response(prompt, tuned, "long " * (5 + i)), world.response(prompt, base, "short")
        world.vote(world.task(short, long), 1 if i < 16 else -1)  # people choose the short one in 16 of 20
        world.judgement(job, long, short, 1.0)  # the judge always the long one
    results = {(one.voice.key, one.measure): one for one in BENCHMARKS["length"](project)}
    people = results["human", "chooses the longer"]
    assert people.estimate.value == pytest.approx(0.2)
    assert people.biased
    assert people.verdict == "30 points towards the shorter"
    judge = results["reward_model:rm-01", "chooses the longer"]
    assert judge.estimate.value == 1.0
    assert results["reward_model:rm-01", "pull of length"].estimate.value > 1
    assert results["reward_model:rm-01", "pull of length"].verdict == "pulls towards the longer"


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(None, None, None, 0), "nothing measured yet"),
        (Estimate(0.53, 0.49, 0.57, 400), "no bias shown"),
        (Estimate(0.506, 0.501, 0.511, 90_000), "1 point towards the first"),
    ],
)
def test_verdicts_claim_no_more_than_the_interval(estimate, said):
    result = Result("position", "chooses the first", Voice("human"), estimate, 0.5, ("the first", "the second"))
    assert result.verdict == said
