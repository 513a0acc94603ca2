"""Joint pairs after DOVE: each response with its own prompt."""

from dataclasses import replace

from curate.builders.joint import BUILDER
from tests.curate.builders.items import QUESTION, build, candidates, decision, item

OTHER = [{"role": "user", "content": "How long do lentils cook?"}]


def two_prompts(**values):
    first, second = candidates("an hour", "twenty minutes")
    return item(
        candidates=[replace(first, messages=QUESTION), replace(second, messages=OTHER)], two_prompts=True, **values
    )


def test_each_side_has_its_own_prompt() -> None:
    built = build(BUILDER, two_prompts(decisions=[decision(1)]))
    assert built.column("prompt_chosen") == [OTHER] and built.text("chosen") == ["twenty minutes"]
    assert built.column("prompt_rejected") == [QUESTION] and built.text("rejected") == ["an hour"]


def test_equal_ones_are_dropped_whatever_the_recipe_says_of_ties() -> None:
    tied = decision(tie=True, strength=0.0)
    for ties in ("drop", "half", "keep"):
        built = build(BUILDER, two_prompts(decisions=[tied]), recipe={"ties": ties})
        assert not built.rows and built.dropped == {"tie": 1}


def test_of_several_raters_by_themselves_those_with_a_side_stay() -> None:
    found = [decision(0, tie=True, strength=0.0), decision(1)]
    built = build(BUILDER, two_prompts(decisions=found), recipe={"aggregate": "each", "ties": "keep"})
    assert built.text("chosen") == ["twenty minutes"]


def test_plain_items_are_mixed_in_with_one_prompt_on_both_sides() -> None:
    built = build(BUILDER, item("an hour", "a minute", decisions=[decision(0)]))
    assert built.column("prompt_chosen") == built.column("prompt_rejected") == [QUESTION]


def test_plain_items_can_be_left_out() -> None:
    built = build(BUILDER, item("w", "x", decisions=[decision(0)]), options={"conditional": False})
    assert built.dropped == {"conditional": 1}


def test_the_same_text_to_two_prompts_is_a_pair_and_to_one_prompt_is_none() -> None:
    first, second = candidates("an hour", "an hour")
    twice = item(candidates=[replace(first, messages=QUESTION), replace(second, messages=OTHER)], two_prompts=True,
                 decisions=[decision(0)])  # fmt: skip
    assert len(build(BUILDER, twice).rows) == 1
    assert build(BUILDER, item("an hour", "an hour", decisions=[decision(0)])).dropped == {"same_text": 1}


def test_the_margin_is_the_recipe_s() -> None:
    one = two_prompts(decisions=[decision(0, strength=2.5, agreement=0.75)])
    assert [
        build(BUILDER, one, recipe={"margin": margin}).column("margin")[0]
        for margin in ("strength", "disagreement", "none")
    ] == [2.5, 0.5, 0]
