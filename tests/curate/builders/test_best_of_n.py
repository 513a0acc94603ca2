"""Best-of-n: the sample with the highest reward becomes a row to fine-tune on."""

from dataclasses import replace

from curate.builders.best_of_n import BUILDER
from tests.curate.builders.items import build, candidates, item


def test_the_highest_reward_is_written_with_who_wrote_it() -> None:
    drawn = [replace(one, seed=40 + n) for n, one in enumerate(candidates("w", "x", "y", scores=[0.5, 2.0, -1.0]))]
    built = build(BUILDER, item(candidates=drawn))
    assert built.text("completion") == ["x"] and built.column("task") == ["answer"] and built.column("weight") == [1.0]
    (row,) = built.rows
    assert (row.models, row.seed, row.feedback_ids) == (("model-1",), 41, ())
    assert dict(row.notes) == {"reward": 2.0, "reward_gain": 1.5, "samples": 3, "unscored": 0}


def test_a_tie_of_two_texts_is_counted_and_of_one_text_is_none() -> None:
    assert build(BUILDER, item(candidates=candidates("w", "x", "y", scores=[2, 2, 0]))).dropped == {"one_best": 1}
    assert build(BUILDER, item(candidates=candidates("w", "w", "y", scores=[2, 2, 0]))).text("completion") == ["w"]


def test_unscored_and_cut_samples_do_not_count() -> None:
    assert build(BUILDER, item("w", "x")).dropped == {"scored": 1}
    three = candidates("w", "x", "y", scores=[3, 2, 1])
    cut = [replace(three[0], finished=False), three[1], three[2], replace(three[0], text="z", score=None)]
    built = build(BUILDER, item(candidates=cut))
    assert built.text("completion") == ["x"] and built.rows[0].notes["unscored"] == 1
    assert build(BUILDER, item(candidates=cut), options={"finished": False}).text("completion") == ["w"]
    assert build(BUILDER, item(candidates=cut), options={"least_samples": 3}).dropped == {"scored": 1}
