"""Revisions: what the critic then wrote instead."""

from curate.builders.revisions import BUILDER, REQUEST
from tests.curate.builders.items import QUESTION, build, critique, edit, item

TOLD = critique(weaknesses="Bland.", refinement="Add salt.", step=1)


def test_the_critique_is_the_turn_before_the_revised_text() -> None:
    written = edit("An hour, with salt.", cost=2, step=2)
    built = build(BUILDER, item("An hour.", answers=[TOLD, written]))
    told = f"{REQUEST}\n\nWhat is wrong: Bland.\n\nWhat should change: Add salt."
    assert built.column("prompt") == [
        [*QUESTION, {"role": "assistant", "content": "An hour."}, {"role": "user", "content": told}]
    ]
    assert built.text("completion") == ["An hour, with salt."] and built.column("task") == ["revision"]
    assert built.rows[0].feedback_ids == (TOLD.feedback_id, written.feedback_id)
    assert built.rows[0].raters == 1 and built.rows[0].notes == {"edit_cost": 2}


def test_only_what_should_change_or_only_the_critique() -> None:
    one = item("An hour.", answers=[TOLD, edit("An hour, with salt.", cost=2, step=2)])
    for which, told in (("refinement", "What should change: Add salt."), ("critique", "What is wrong: Bland.")):
        built = build(BUILDER, one, options={"feedback": which})
        assert built.text("prompt") == [f"{REQUEST}\n\n{told}"]


def test_it_needs_a_critique_of_the_same_response_by_the_same_rater_before_the_edit() -> None:
    others = (
        critique(weaknesses="Bland.", step=1, by=2),
        critique(weaknesses="Bland.", step=1, of=1),
        critique(weaknesses="Bland.", step=3),
        critique(step=1),
    )
    for other in others:
        built = build(BUILDER, item("w", "x", answers=[other, edit("y", cost=1, step=2)]))
        assert built.dropped == {"no_feedback": 1}


def test_of_several_critiques_the_last_one_before_the_edit_counts() -> None:
    later = critique(weaknesses="Too short.", step=2)
    built = build(BUILDER, item("w", answers=[TOLD, later, edit("y", cost=1, step=3)]))
    assert "Too short." in built.text("prompt")[0] and "Bland." not in built.text("prompt")[0]


def test_an_unchanged_text_is_no_revision() -> None:
    same = edit("w", cost=0, accepted=True, step=2)
    assert build(BUILDER, item("w", answers=[TOLD, same])).dropped == {"unchanged": 1}
