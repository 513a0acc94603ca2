"""Each pair twice, under the score that is aimed at."""

from typing import Any

import pytest

from curate.builders.reward_augmented import AIM, BUILDER, from_rating, from_reward
from tests.curate.builders.items import QUESTION, build, candidates, decision, item, rated


def test_two_rows_a_pair_the_second_turned_round() -> None:
    built = build(BUILDER, item("w", "x", decisions=[decision(1, strength=2.0, winner_first=1.0)]))
    assert built.text("chosen") == ["x", "w"] and built.text("rejected") == ["w", "x"]
    systems = [prompt[0] for prompt in built.column("prompt")]
    assert systems == [{"role": "system", "content": AIM.format(score=score)} for score in ("8.5", "2.5")]
    assert [prompt[1:] for prompt in built.column("prompt")] == [QUESTION, QUESTION]
    assert built.column("chosen_score") == [8.5, 2.5] and built.column("rejected_score") == [2.5, 8.5]
    assert built.column("chosen_first") == [1, 0] and [row.models for row in built.rows][1] == ("model-0", "model-1")


def test_who_was_shown_first_may_be_unknown() -> None:
    built = build(BUILDER, item("w", "x", decisions=[decision(0, winner_first=float("nan"))]))
    assert built.column("chosen_first") == [None, None]


def test_the_aim_follows_a_system_prompt_that_is_there() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *QUESTION]
    built = build(BUILDER, item("w", "x", messages=messages, decisions=[decision(0, strength=3.0)]))
    assert built.column("prompt")[0][0]["content"] == f"Be brief.\n\n{AIM.format(score=10)}"
    assert [one["role"] for one in built.column("prompt")[0]] == ["system", "user"]


@pytest.mark.parametrize(("strength", "scores"), [(3, [10, 1]), (1, [7, 4]), (2 / 3, [6.5, 4.5])])
def test_scores_from_strength_lie_on_both_sides_of_the_middle(strength: float, scores: list[float]) -> None:
    built = build(BUILDER, item("w", "x", decisions=[decision(0, strength=strength)]))
    assert [row.notes["target"] for row in built.rows] == scores


def test_scores_from_ratings() -> None:
    answer = rated({"a": 5, "b": 4}, {"a": 2, "b": 1})
    one = item("w", "x", answers=[answer], decisions=[decision(0, answer)])
    built = build(BUILDER, one, options={"scores": "rubric"})
    assert [row.notes["target"] for row in built.rows] == [8.9, 2.1]


def test_scores_from_a_reward_model() -> None:
    one = item(candidates=candidates("w", "x", scores=[2.0, 0.0]), decisions=[decision(0)])
    built = build(BUILDER, one, options={"scores": "reward", "centre": 1.0, "spread": 1.0})
    assert [row.notes["target"] for row in built.rows] == [7.6, 3.4]


def test_ends_of_the_scales() -> None:
    assert [from_rating(mean) for mean in (1, 3, 5)] == [1, 5.5, 10]
    assert [from_reward(reward, centre=0, spread=1) for reward in (-1e9, 0, 1, 1e9)] == [1, 5.5, 7.6, 10]


def test_a_pair_whose_chosen_score_is_lower_is_left_out() -> None:
    one = item(candidates=candidates("w", "x", scores=[0.0, 2.0]), decisions=[decision(0)])
    assert build(BUILDER, one, options={"scores": "reward"}).dropped == {"score_order": 1}


def test_equal_scores_keep_the_order_once() -> None:
    one = item(candidates=candidates("w", "x", scores=[2.0, 2.0]), decisions=[decision(0)])
    assert build(BUILDER, one, options={"scores": "reward"}).text("chosen") == ["w"]


@pytest.mark.parametrize("scores", ["rubric", "reward"])
def test_a_pair_without_scores_is_left_out(scores: str) -> None:
    options: dict[str, Any] = {"scores": scores}
    assert build(BUILDER, item("w", "x", decisions=[decision(0)]), options=options).dropped == {"no_score": 1}


def test_a_tie_is_left_out() -> None:
    one = item("w", "x", decisions=[decision(0, tie=True, strength=0.0)])
    assert build(BUILDER, one, recipe={"ties": "keep"}).dropped == {"tie": 1}


def test_equal_texts_are_left_out() -> None:
    assert build(BUILDER, item("w", "w\n", decisions=[decision(0)])).dropped == {"same_text": 1}
