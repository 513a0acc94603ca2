"""Critique fine-tuning: prompt and response in, critique out, with a conclusion that can be read again."""

import pytest

from curate.builders.critique_text import QUOTE_MOST, mark_line
from curate.builders.critiques import BUILDER, REQUEST
from curate.judge_prompts import conclusion_line, read_conclusion
from tests.curate.builders.items import QUESTION, build, critique, item, mark, rated, selected

GOOD = mark("soak", "good", "", "Yes.")


def test_the_response_is_criticised_in_a_further_turn() -> None:
    built = build(BUILDER, item("w", "An hour.", answers=[critique(of=1, weaknesses="No salt.")]))
    assert built.column("prompt") == [
        [*QUESTION, {"role": "assistant", "content": "An hour."}, {"role": "user", "content": REQUEST}]
    ]
    assert built.text("completion") == ["What is wrong: No salt."]
    assert built.rows[0].models == ("", "model-1") and built.column("task") == ["critique"]


def test_the_form_of_critique_fine_tuning() -> None:
    words = critique(weaknesses="Too short.", marks=[mark("a minute")])
    options = {"form": "question_solution", "conclusion": "needed"}
    built = build(BUILDER, item("a minute", answers=[words]), options=options)
    assert built.text("prompt") == ["Question:\nHow long do beans cook?\n\nSolution:\na minute"]
    assert built.text("completion")[0].endswith("\n\nConclusion: wrong [END]")
    assert read_conclusion(built.text("completion")[0]) is False


def test_marks_are_quoted_with_label_severity_and_comment() -> None:
    words = critique(strengths="Clear.", marks=[mark("a minute", "factual error", "critical", "An hour."), GOOD])
    assert build(BUILDER, item("w", answers=[words]), options={"conclusion": "none"}).text("completion") == [
        "What is right: Clear.\n\n- “a minute” (factual error, critical): An hour.\n- “soak” (good): Yes."
    ]


def test_a_long_quote_keeps_its_ends_and_stays_on_one_line() -> None:
    line = mark_line(mark("start\n" + "x" * 1_000 + "\nend"))
    assert "start " in line and " end”" in line and "\n" not in line and len(line) < QUOTE_MOST + 60


def test_dimensions_are_paragraphs() -> None:
    words = critique(dimensions={"honest": "It claims too much."})
    assert build(BUILDER, item("w", answers=[words])).text("completion") == ["honest: It claims too much."]


def test_what_should_change_is_another_thing_than_the_critique() -> None:
    assert build(BUILDER, item("w", answers=[critique(refinement="Add salt.")])).dropped == {"empty": 1}
    words = critique(weaknesses="Bland.", refinement="Add salt.")
    built = build(BUILDER, item("w", answers=[words]), options={"refinement": True})
    assert built.text("completion") == ["What is wrong: Bland.\n\nWhat should change: Add salt."]


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([critique(marks=[mark("w")])], False),
        ([critique(marks=[mark("w", severity="minor")])], None),
        ([critique(marks=[GOOD])], True),
        ([critique(strengths="Clear.")], True),
        ([critique(strengths="Clear.", weaknesses="Short.")], None),
        ([critique(weaknesses="Short.")], None),
        ([critique(weaknesses="Short."), selected(0, shown=[1, 0])], True),
        ([critique(marks=[GOOD]), selected(1, shown=[1, 0])], False),
        ([critique(weaknesses="Short."), rated({"a": 4, "b": 4}, {"a": 1, "b": 1})], True),
        ([critique(weaknesses="Short."), rated({"a": 2, "b": 2}, {"a": 5, "b": 5})], False),
        ([critique(weaknesses="Short."), rated({"a": 3, "b": 3}, {"a": 5, "b": 5})], None),
        ([critique(weaknesses="Short."), selected(0, shown=[0, 1], by=2)], None),
    ],
)
def test_the_verdict_is_what_the_rater_s_answers_say(answers, verdict: bool | None) -> None:
    text = build(BUILDER, item("w", "x", answers=answers)).text("completion")[0]
    assert read_conclusion(text) is verdict


def test_rows_without_a_verdict_can_be_left_out() -> None:
    words = critique(weaknesses="Short.")
    built = build(BUILDER, item("w", answers=[words]), options={"conclusion": "needed"})
    assert built.dropped == {"no_verdict": 1}


@pytest.mark.parametrize("right", [True, False])
def test_the_conclusion_is_recovered_by_its_regex(right: bool) -> None:
    assert read_conclusion(f"Conclusion: right, so far.\n\n{conclusion_line(right)}") is right
    assert read_conclusion(f"{conclusion_line(right)} and more") is None
