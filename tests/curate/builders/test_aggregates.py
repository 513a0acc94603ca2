"""Each kind of rows and each way to make one of several raters: it does what the recipe says, or is refused."""

import pytest

from curate.builders import BUILDERS
from curate.builders.base import AGGREGATES
from curate.making.plan import RecipeError, check_aggregate
from registry.specs import BuildDatasetSpec
from tests.curate.builders.items import (
    build,
    candidates,
    critique,
    decision,
    edit,
    item,
    ranked,
    rated,
    selected,
    voted,
)  # fmt: skip

ALL = {"majority", "mean", "dawid_skene", "mace", "each"}
ACCEPTED = {
    "pairs": ALL, "joint": ALL, "reward_augmented": ALL, "rankings": {"majority", "each"},
    "unpaired": {"majority", "mean", "each"}, "judge_pairwise": {"majority", "mean", "each"},
    "judge_pointwise": {"majority", "mean", "each"}, "rs_dpo": {"majority"}, "ampo": {"majority"},
    "best_of_n": {"majority"}, "offset_bias": ALL, "judge_offset_bias": ALL,
}  # fmt: skip
STEPS = [{"kind": "rubric", "options": {}}]


def refusal(slug: str, aggregate: str, **recipe: object) -> str:
    spec = BuildDatasetSpec.model_validate({"rows": slug, "aggregate": aggregate, **recipe})
    try:
        check_aggregate(BUILDERS[slug], spec, BUILDERS[slug].options.model_validate(spec.options))
    except RecipeError as error:
        return str(error) if error.field == "aggregate" else ""
    return ""


def two_raters(slug: str, aggregate: str) -> list[int]:
    """How many raters each row stands on, of an item that two people answered alike in every way."""
    votes = [voted(2, by=1), voted(2, by=2)]
    found = candidates("An hour, or 60 minutes.", "A minute.", scores=[3.0, -1.0], embedding=[1.0, 0.0])
    answers = list(votes)
    for by in (1, 2):
        answers += [ranked(1, 2, by=by), rated({"fluency": 5}, {"fluency": 2}, by=by),
                    selected(0, shown=[0, 1], by=by), critique(weaknesses=f"Bland {by}.", by=by, step=1)]  # fmt: skip
    answers += [edit("An hour, with salt.", cost=2, step=2), edit("An hour, soaked.", cost=2, step=2)]
    decided = [decision(0, one) for one in votes] if aggregate == "each" else [decision(0, *votes)]
    built = build(BUILDERS[slug], item(candidates=found, answers=answers, decisions=decided, steps=STEPS * 3),
                  recipe={"aggregate": aggregate})  # fmt: skip
    return [row.raters for row in built.rows]


def test_the_ways_are_those_of_the_recipe() -> None:
    assert set(AGGREGATES) == ALL


@pytest.mark.parametrize("aggregate", sorted(ALL))
@pytest.mark.parametrize("slug", BUILDERS)
def test_it_does_what_the_recipe_says_or_is_refused(slug: str, aggregate: str) -> None:
    said = refusal(slug, aggregate)
    assert (said == "") == (aggregate in ACCEPTED.get(slug, {"majority", "each"})), said
    if said:
        assert BUILDERS[slug].title in said and "majority" in said
        return
    raters = two_raters(slug, aggregate)
    assert raters
    if BUILDERS[slug].reads == "scores":
        assert set(raters) == {0}
    elif aggregate == "each" and slug != "selections":
        assert set(raters) == {1}
    elif slug in ACCEPTED:
        assert set(raters) == {2}


@pytest.mark.parametrize("aggregate", ["dawid_skene", "mace"])
def test_a_refusal_says_what_to_do_and_that_helps(aggregate: str) -> None:
    assert "leave them out" in refusal("unpaired", aggregate)
    assert refusal("unpaired", aggregate, kinds=["pairwise", "chat"]) == ""
    assert "selection" in refusal("unpaired", aggregate, options={"ratings_decide": False})
    assert "turn dimensions off" in refusal("judge_pairwise", aggregate)
    assert refusal("judge_pairwise", aggregate, options={"dimensions": False}) == ""


def test_the_level_of_most_raters_is_not_their_mean() -> None:
    answers = [rated({"fluency": level}, by=by) for by, level in enumerate((2, 2, 5))]
    of = item("w", answers=answers, steps=STEPS)
    assert build(BUILDERS["judge_pointwise"], of, recipe={"aggregate": "majority"}).text("completion") == ["2"]
    assert build(BUILDERS["judge_pointwise"], of, recipe={"aggregate": "mean"}).text("completion") == ["3"]


def test_a_dimension_goes_to_most_raters_or_to_the_stronger_side() -> None:
    given = [({"fluency": 3}, {"fluency": 2}), ({"fluency": 3}, {"fluency": 2}), ({"fluency": 1}, {"fluency": 5})]
    answers = [rated(one, other, by=by) for by, (one, other) in enumerate(given)]
    of = item("w", "x", answers=answers, steps=STEPS)
    by = {way: build(BUILDERS["judge_pairwise"], of, recipe={"aggregate": way}).text("completion")
          for way in ("majority", "mean")}  # fmt: skip
    assert by["majority"] == ["A", "B"] and by["mean"] == []  # one rater of three is no agreement of a half
    two = item("w", "x", answers=[answers[0], answers[2]], steps=STEPS)
    assert build(BUILDERS["judge_pairwise"], two, recipe={"aggregate": "mean"}).text("completion") == ["B", "A"]
    assert build(BUILDERS["judge_pairwise"], two, recipe={"aggregate": "majority"}).text("completion") == []
