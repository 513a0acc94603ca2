"""FIGA: weights of the tokens that an edit touched. Values of METHODS2.md, method 76."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.worddiff import distance
from curate.builders.figa import BUILDER, token_weights
from tests.curate.builders.items import build, edit, item

EOS = 2


def test_inserted_and_replaced_tokens_go_up_deleted_and_replaced_ones_down() -> None:
    before, down, after, up = token_weights([5, 6, 7, 8, 9], [5, 10, 8, 9, 11], eos=EOS)
    assert (before, down) == ([5, 6, 7, 8, 9, EOS], [0, -0.5, -0.5, 0, 0, 0])
    assert (after, up) == ([5, 10, 8, 9, 11, EOS], [0, 1, 0, 0, 1, 1])


def test_identical_texts_give_only_the_end() -> None:
    _, down, _, up = token_weights([5, 6], [5, 6], eos=EOS)
    assert down == [0, 0, 0] and up == [0, 0, 1]


def test_published_loss_from_the_weights_of_a_row() -> None:
    """The loss and its gate of 0.6 are training's; with the weights of this row it is the published value."""
    _, down, _, up = token_weights([5, 11, 12, 13], [5, 14], eos=EOS)
    revised, original = np.array([0.1, 1.2, 0.8]), np.array([0.3, 0.2, 0.9, 0.5, 0.4])
    gated = np.where(original <= 0.6, down, 0)
    loss = (np.array(up) @ revised + gated @ original) / (np.count_nonzero(up) + np.count_nonzero(gated))
    assert loss == pytest.approx(0.4125, abs=1e-6)


def test_an_edit_is_a_row() -> None:
    built = build(BUILDER, item("abc", answers=[edit("axc", cost=1)]), eos=EOS)
    row = built.rows[0].columns
    assert row["original_ids"] == [97, 98, 99, EOS] and row["original_weights"] == [0, -0.5, 0, 0]
    assert row["revised_ids"] == [97, 120, 99, EOS] and row["revised_weights"] == [0, 1, 0, 1]
    assert (row["original"], row["revised"], row["tokenizer"]) == ("abc", "axc", "letters")
    assert built.rows[0].models == ("model-0", "")


def test_accepted_texts_are_rows_only_where_the_recipe_wants_them() -> None:
    one = item("abc", answers=[edit("abc", cost=0, accepted=True)])
    assert build(BUILDER, one, eos=EOS).dropped == {"accepted": 1}
    built = build(BUILDER, one, options={"accepted": True}, eos=EOS)
    assert built.column("revised_weights") == [[0, 0, 0, 1]] and built.rows[0].models == ("model-0", "model-0")


def test_a_tokenizer_without_an_end_gives_no_end() -> None:
    built = build(BUILDER, item("abc", answers=[edit("ab", cost=1)]))
    assert built.column("revised_ids") == [[97, 98]] and built.column("original_weights") == [[0, 0, -0.5]]
    one = item("abc", answers=[edit("abc", cost=0, accepted=True)])
    assert build(BUILDER, one, options={"accepted": True}).dropped == {"no_weight": 1}


ids = st.lists(st.integers(3, 8), max_size=12)


@given(ids, ids)
def test_weights_fit_the_ids_and_what_is_not_weighted_is_kept(original: list[int], revised: list[int]) -> None:
    before, down, after, up = token_weights(original, revised, eos=EOS)
    assert len(before) == len(down) and len(after) == len(up)
    assert before == [*original, EOS] and after == [*revised, EOS]
    assert set(down) <= {0, -0.5} and set(up) <= {0, 1} and down[-1] == 0 and up[-1] == 1
    kept = [token for token, weight in zip(original, down, strict=False) if not weight]
    assert kept == [token for token, weight in zip(revised, up, strict=False) if not weight]
    touched = max(sum(map(bool, down)), sum(map(bool, up[:-1])))
    cost = distance([str(one) for one in original], [str(one) for one in revised])
    assert touched <= cost <= sum(map(bool, down)) + sum(map(bool, up[:-1]))
