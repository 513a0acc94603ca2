"""From rows to ratings: whose battles count, which are left out, and what may be claimed."""

import pytest

from evaluate.battles import Voice, judged, voted
from evaluate.leaderboard import boards, finding, findings, headline
from evaluate.stats import Estimate


def board_of(project, key):
    return next(board for board in boards(project) if board.voice.key == key)


def test_a_project_without_battles_has_no_boards(project):
    assert boards(project) == []
    assert headline(project) is None


def test_people_and_simulated_raters_are_never_mixed(project, world, base, tuned):
    prompt = world.prompt()
    task = world.task(world.response(prompt, tuned), world.response(prompt, base), wanted=2)
    world.vote(task, 3, rater=world.rater("ann"))
    world.vote(task, -1, rater=world.rater("robot", simulated=True))
    found = {battles.voice: battles for battles in voted(project)}
    assert found[Voice("human")].outcome.tolist() == [1.0]
    assert found[Voice("simulated")].outcome.tolist() == [0.0]
    assert Voice("simulated").label == "simulated raters"


def test_ties_and_both_bad_are_half_a_win(project, world, base, tuned):
    for preference in (0, None):
        prompt = world.prompt()
        world.vote(world.task(world.response(prompt, tuned), world.response(prompt, base)), preference)
    assert voted(project)[0].outcome.tolist() == [0.5, 0.5]


def test_withdrawn_votes_do_not_count(project, world, base, tuned):
    from django.utils import timezone

    prompt = world.prompt()
    world.vote(world.task(world.response(prompt, tuned), world.response(prompt, base)), 1, withdrawn_at=timezone.now())
    assert voted(project) == []


def test_votes_between_answers_of_one_model_are_no_battle_of_models(project, world, base):
    prompt = world.prompt()
    world.vote(world.task(world.response(prompt, base, "short"), world.response(prompt, base, "rather longer")), 1)
    assert voted(project) == []
    (battles,) = voted(project, same_model=True, lengths=True)
    assert (battles.first_length.tolist(), battles.second_length.tolist()) == ([5], [13])


def test_a_pair_that_was_judged_again_counts_once_with_its_newest_verdict(project, world, base, tuned):
    prompt = world.prompt()
    one, two = world.response(prompt, tuned), world.response(prompt, base)
    world.judgement(world.job("judge"), one, two, 0.0)
    world.judgement(world.job("judge"), two, one, 0.0)  # sides swapped: the tuned one wins
    (battles,) = judged(project)
    assert len(battles) == 1
    assert battles.of("dpo-01")[0].tolist() == [1.0]


def test_the_board_has_ratings_rates_and_both_sides_of_a_pair(project, world, base, tuned):
    world.compared([1.0] * 15 + [0.0] * 5, first=tuned, second=base)
    board = board_of(project, "reward_model:rm-01")
    assert board.order == ["dpo-01", "base"]
    assert board.ratings.anchor == "base"
    assert board.rating("base").value == 1000
    assert board.rates["dpo-01"].value == 0.75
    assert board.pairs["dpo-01", "base"].value + board.pairs["base", "dpo-01"].value == pytest.approx(1)
    assert board.pairs["base", "dpo-01"].low == pytest.approx(1 - board.pairs["dpo-01", "base"].high)


def test_models_that_never_met_have_rates_but_no_ratings(project, world, base, tuned):
    world.compared([1.0, 0.0], first=tuned, second=base)
    world.compared([1.0], first=world.model("x"), second=world.model("y"))
    board = board_of(project, "reward_model:rm-01")
    assert "no common scale" in board.ratings.problem
    assert set(board.order) == {"base", "dpo-01", "x", "y"}


def test_battles_on_prompts_that_a_model_was_trained_on_are_left_out(project, world, base, tuned):
    learnt = world.prompt("learnt")
    task = world.task(world.response(learnt, base, "a"), world.response(learnt, base, "b"))
    world.trained_on(tuned, world.vote(task, 1))
    job = world.compared([0.0, 1.0, 1.0], first=tuned, second=base)
    world.judgement(job, world.response(learnt, tuned), world.response(learnt, base), 1.0)
    board = board_of(project, "reward_model:rm-01")
    assert (board.battles, board.trained) == (3, 1)
    found = headline(project)
    assert (found.main.rate.n, found.trained) == (3, 1)


def test_training_of_a_parent_counts_too(project, world, base, tuned):
    learnt = world.prompt()
    task = world.task(world.response(learnt, base, "a"), world.response(learnt, base, "b"))
    world.trained_on(tuned, world.vote(task, 1))
    child = world.model("dpo-02", parent=tuned)
    world.judgement(world.job("judge"), world.response(learnt, child), world.response(learnt, base), 1.0)
    (board,) = boards(project)
    assert (board.battles, board.trained) == (0, 1)


def learnt_prompt(world, base, model):
    """A prompt in the training split of the model's dataset."""
    prompt = world.prompt()
    task = world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"))
    world.trained_on(model, world.vote(task, 1))
    return prompt


def test_a_reward_model_is_no_judge_of_prompts_that_it_was_trained_on(project, world, base, tuned):
    parent = world.model("rm-00", role="reward", parent=base)
    reward = world.model("rm-01", role="reward", parent=parent)
    job = world.compared([0.0, 1.0, 1.0], first=tuned, second=base)
    for model in (reward, parent):
        prompt = learnt_prompt(world, base, model)
        one, two = world.response(prompt, tuned), world.response(prompt, base)
        world.judgement(job, one, two, 1.0)
        world.judgement(job, one, two, 1.0, judge="concise", kind="hidden_preference")
    board = board_of(project, "reward_model:rm-01")
    assert (board.battles, board.trained) == (3, 2)
    assert board_of(project, "hidden_preference:concise").battles == 2, "a preference learns nothing"
    assert headline(project).main.rate.n == 3


def test_the_headline_prefers_a_judge_that_has_fair_battles(project, world, base, tuned):
    prompt = learnt_prompt(world, base, world.model("rm-01", role="reward"))
    job, one, two = world.job("judge"), world.response(prompt, tuned), world.response(prompt, base)
    world.judgement(job, one, two, 1.0)
    assert "no held-out battle yet" in headline(project).sentence
    world.judgement(job, one, two, 1.0, judge="concise", kind="hidden_preference")
    assert headline(project).main.voice.name == "concise"


def test_several_samples_of_a_prompt_are_one_fact_for_the_ratings(project, world, base, tuned):
    other, job = world.model("dpo-02", parent=base), world.job("judge")
    for _ in range(2):
        prompt = world.prompt()
        for _ in range(20):
            for model in (tuned, other):
                world.judgement(job, world.response(prompt, model), world.response(prompt, base), 1.0)
    (board,) = boards(project)
    assert board.battles == 80
    assert findings(board) == "No model is above base with certainty."


def test_a_model_that_was_compared_with_itself_is_no_headline(project, world, base, tuned):
    job = world.compared([1.0] * 3, first=tuned, second=base)
    world.compared([0.5] * 3, first=base, second=base)
    assert headline(project).job == job


def test_the_headline_is_the_newest_finished_judge_job_by_each_judge(project, world, base, tuned):
    world.compared([0.0] * 12, first=tuned, second=base)
    job = world.compared([1.0] * 12, first=tuned, second=base)
    world.job("judge", status="running")
    for judgement in list(job.judgements.all())[:4]:
        world.judgement(job, judgement.first, judgement.second, 0.0, judge="concise", kind="hidden_preference")
    found = headline(project)
    assert found.job == job
    assert (found.first, found.second) == ("dpo-01", "base")
    rates = {one.voice.key: (one.rate.value, one.rate.n, one.rate.clusters) for one in found.verdicts}
    assert rates == {"reward_model:rm-01": (1.0, 12, 12), "hidden_preference:concise": (0.0, 4, 4)}
    assert found.main.voice.kind == "reward_model"
    assert found.main.url == "/p/helpful/battles/?first=dpo-01&second=base&judge=reward_model%3Arm-01"


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (Estimate(0.71, 0.63, 0.78, 120), "new beats old in 71% of battles, between 63 and 78"),
        (Estimate(0.2, 0.1, 0.3, 120), "old beats new in 80% of battles, between 70 and 90"),
        (Estimate(0.55, 0.45, 0.65, 120), "new and old cannot be told apart yet: 55%, between 45 and 65"),
        (Estimate(None, None, None, 0), "new and old have no held-out battle yet"),
    ],
)
def test_a_finding_claims_no_more_than_its_interval(rate, said):
    assert finding("new", "old", rate) == said


def test_another_projects_battles_do_not_leak(project, world, base, tuned):
    from accounts.models import Project

    world.compared([1.0], first=tuned, second=base)
    other = Project.objects.create(name="Other", slug="other")
    assert boards(other) == []
    assert headline(other) is None
