"""What the demonstration reports is computed from what is stored."""

import pytest

from evaluate.figures import demo_report


def test_an_empty_project_reports_nothing(project):
    report = demo_report(project)
    assert report["reward_accuracy"] is None
    assert report["win_rate"] is None


def test_accuracy_is_computed_again_from_the_stored_margins(project, world):
    pairs = [[f"p{i // 2}", 1.0 if i % 4 else -1.0] for i in range(40)]
    world.model("rm-01", role="reward", metrics={"held_out_pairs": pairs, "accuracy": {"value": 0.1}})
    accuracy = demo_report(project)["reward_accuracy"]
    assert accuracy["value"] == pytest.approx(0.75)
    assert (accuracy["n"], accuracy["clusters"]) == (40, 20)
    assert accuracy["low"] < 0.75 < accuracy["high"]


def test_without_margins_it_is_what_the_training_job_stored(project, world):
    world.model("rm-01", role="reward", metrics={"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}})
    assert demo_report(project)["reward_accuracy"] == {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50, "clusters": 0}


def test_the_win_rate_is_the_headlines(project, world, base, tuned):
    job = world.compared([1.0] * 9 + [0.0] * 3, first=tuned, second=base)
    for judgement in job.judgements.all():
        world.judgement(job, judgement.first, judgement.second, 0.5, judge="concise", kind="hidden_preference")
    report = demo_report(project)
    assert report["win_rate"]["value"] == 0.75
    assert report["win_rate_by_judge"]["hidden_preference:concise"]["value"] == 0.5
    assert (report["first"], report["second"]) == ("dpo-01", "base")


def test_a_caller_can_name_the_reward_model_and_the_job(project, world, base, tuned):
    reward = world.model("rm-01", role="reward", metrics={"accuracy": {"value": 0.8}})
    job = world.compared([1.0] * 4, first=tuned, second=base)
    world.model("rm-02", role="reward", metrics={"accuracy": {"value": 0.1}})
    world.compared([0.0] * 4, first=tuned, second=base)
    report = demo_report(project, reward=reward, job=job)
    assert (report["reward_model"], report["reward_accuracy"]["value"], report["win_rate"]["value"]) == (
        "rm-01",
        0.8,
        1,
    )
    newest = demo_report(project)
    assert (newest["reward_model"], newest["win_rate"]["value"]) == ("rm-02", 0)
