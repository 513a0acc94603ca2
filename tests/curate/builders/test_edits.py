"""Edits over originals (CLAIR), and fine-tuning on what was edited or accepted."""

from curate.builders import edited, edits
from tests.curate.builders.items import build, candidates, edit, item

DRAFT = "Cook the beans for a minute with salt"


def test_the_edited_text_is_chosen_over_the_original() -> None:
    written = edit("Cook the beans for an hour with salt", cost=2, of=1)
    built = build(edits.BUILDER, item("w", DRAFT, answers=[written]))
    assert built.text("chosen") == ["Cook the beans for an hour with salt"] and built.text("rejected") == [DRAFT]
    assert built.rows[0].notes == {"edit_cost": 2, "edit_share": 2 / 8}
    assert built.rows[0].models == ("", "model-1") and built.rows[0].seed == 1
    assert built.column("strength") == [None]


def test_a_person_finishes_what_a_model_left_cut_off() -> None:
    one = item(candidates=candidates(DRAFT, finished=False), answers=[edit(f"{DRAFT}.", cost=1)])
    built = build(edits.BUILDER, one)
    assert built.column("chosen_finished") == [True] and built.column("rejected_finished") == [False]


def test_an_accepted_response_makes_no_pair() -> None:
    assert build(edits.BUILDER, item(DRAFT, answers=[edit(DRAFT, cost=0, accepted=True)])).dropped == {"accepted": 1}


def test_nor_does_one_with_other_spaces() -> None:
    assert build(edits.BUILDER, item("a b", answers=[edit("a  b", cost=0)])).dropped == {"spacing": 1}


def test_only_small_edits_can_be_asked_for() -> None:
    one = item("a b c d", answers=[edit("a b c e", cost=1, by=1), edit("e f g d", cost=3, by=2)])
    built = build(edits.BUILDER, one, options={"most_changed": 0.25})
    assert built.text("chosen") == ["a b c e"] and built.dropped == {"most_changed": 1}


def test_every_editor_s_version_is_a_pair() -> None:
    one = item("a", answers=[edit("b", cost=1, by=1), edit("c", cost=1, by=2)])
    assert build(edits.BUILDER, one).text("chosen") == ["b", "c"]


def test_fine_tuning_takes_edited_and_accepted_texts() -> None:
    one = item("a", answers=[edit("b", cost=1, by=1), edit("a", cost=0, accepted=True, by=2)])
    built = build(edited.BUILDER, one)
    assert built.text("completion") == ["b", "a"] and built.column("task") == ["answer", "answer"]
    assert [row.models for row in built.rows] == [("",), ("model-0",)]


def test_accepted_texts_can_be_left_out() -> None:
    one = item("a", answers=[edit("a", cost=0, accepted=True)])
    assert build(edited.BUILDER, one, options={"accepted": False}).dropped == {"accepted": 1}
