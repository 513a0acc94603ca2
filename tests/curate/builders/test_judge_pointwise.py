"""Judge data for one response: a dimension with its levels, and the digit that people gave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.design.rubrics import READY
from curate.builders.judge_pointwise import BUILDER
from curate.builders.ratings import rounded_mean
from curate.judge_prompts import read_score
from tests.curate.builders.items import QUESTION, build, critique, item, rated

MENLO = READY["menlo"]
RATED = {one.key: 4 for one in MENLO.dimensions}
STEPS = [{"kind": "rubric", "options": {"rubric": MENLO.model_dump()}}]


def test_every_dimension_of_every_response_is_a_row_with_one_digit() -> None:
    answer = rated({**RATED, "tone": 2}, {**RATED, "fluency": 5}, order=[1, 0])
    built = build(BUILDER, item("w", "x", answers=[answer], steps=STEPS))
    assert built.text("completion") == ["4", "2", "4", "4", "5", "4", "4", "4"]
    assert set(built.column("task")) == {"verdict"}


def test_the_prompt_holds_question_levels_prompt_and_response_and_no_other_response() -> None:
    built = build(BUILDER, item("The first one.", "The second one.", answers=[rated(RATED, RATED)], steps=STEPS))
    fluency, text = MENLO.dimensions[0], built.text("prompt")[0]
    for part in (fluency.name, fluency.question, *fluency.levels, QUESTION[0]["content"], "The first one."):
        assert part in text
    assert "The second one." not in text and MENLO.dimensions[1].levels[0] not in text


def test_raters_become_their_mean_with_a_half_rounded_up() -> None:
    answers = [rated({"fluency": level}, by=by) for by, level in enumerate((3, 4))]
    built = build(BUILDER, item("w", answers=answers, steps=STEPS))
    assert built.text("completion") == ["4"]
    assert built.rows[0].agreement == 0.5 and built.rows[0].raters == 2


def test_each_rater_can_be_a_row() -> None:
    answers = [rated({"fluency": level}, by=by) for by, level in enumerate((3, 4))]
    built = build(BUILDER, item("w", answers=answers, steps=STEPS), recipe={"aggregate": "each"})
    assert built.text("completion") == ["3", "4"]


def test_the_rubric_is_the_one_that_was_asked() -> None:
    own = {
        "title": "Beans",
        "dimensions": [{"key": "salt", "name": "Salt", "question": "Enough?", "levels": list("abcde")}],
    }
    steps = [{"kind": "rubric", "options": {"rubric": own}}]
    built = build(BUILDER, item("w", answers=[rated({"salt": 1})], steps=steps))
    assert "Salt. Enough?" in built.text("prompt")[0] and "1: a\n2: b" in built.text("prompt")[0]


def test_the_project_s_rubric_is_taken_where_the_step_only_names_it() -> None:
    own = {"title": "Beans", "dimensions": [{"key": "salt", "name": "Salt", "question": "", "levels": list("abcde")}]}
    steps = [{"kind": "rubric", "options": {"name": "beans", "version": 2}}]
    built = build(BUILDER, item("w", answers=[rated({"salt": 3})], steps=steps), rubrics={("beans", 2): own})
    assert built.text("completion") == ["3"]


def test_a_critique_comes_before_the_verdict_where_its_rater_wrote_one() -> None:
    rating, other = rated({"fluency": 2}, {"fluency": 3}, by=1), critique(weaknesses="Stiff.", by=2, step=1)
    own = critique(weaknesses="It rambles.", by=1, step=1)
    built = build(BUILDER, item("w", "x", answers=[rating, other, own], steps=STEPS), options={"critique": True})
    assert built.text("completion") == ["What is wrong: It rambles.\n\nScore: 2", "3"]
    assert [read_score(one) for one in built.text("completion")] == [2, 3]
    assert "nothing else" in built.text("prompt")[1] and "nothing else" not in built.text("prompt")[0]
    assert built.rows[0].feedback_ids == (rating.feedback_id, own.feedback_id)


def test_without_ratings_there_is_nothing_to_judge_by() -> None:
    assert build(BUILDER, item("w", answers=[critique(weaknesses="Stiff.")])).dropped == {"no_rating": 1}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=9))
def test_a_rounded_mean_is_the_nearest_level(levels: list[int]) -> None:
    found = rounded_mean(levels)
    assert abs(found - sum(levels) / len(levels)) <= 0.5 + 1e-9
    assert min(levels) <= found <= max(levels)


@pytest.mark.parametrize(("reply", "score"), [("4", 4), (" 4.\n", 4), ("Score: 3", 3), ("Bad.\nscore: **2**", 2),
    ("Score: 4/5", 4), ("Score: 4.5", None), ("45", None), ("6", None), ("I say 4", None), ("", None),
    ("Score: 2\nOn reflection\nScore: 3", 3), ("Score: 4/10", None)])  # fmt: skip
def test_a_reply_is_read_as_a_score_or_not_at_all(reply: str, score: int | None) -> None:
    assert read_score(reply) == score
