"""Selections after ILLUME: what people chose, over rounds, with task-only rows mixed in."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.builders.selections import BUILDER
from tests.curate.builders.items import build, candidates, edit, item, selected


def in_round(number: int, *texts: str, key: str = "p-1", fits=(0,)):
    found = [replace(one, round=number) for one in candidates(*texts)]
    return item(candidates=found, prompt_key=key, answers=[selected(*fits, shown=range(len(texts)))])


def edited(number: int):
    return item("draft", prompt_key=f"edit-{number:04}", answers=[edit(f"answer {number}", cost=1)])


def test_chosen_candidates_are_what_is_learnt() -> None:
    built = build(BUILDER, item("one", "two", "three", answers=[selected(0, 2, shown=[2, 1, 0])]))
    assert built.text("completion") == ["one", "three"] and built.column("weight") == [1, 1]
    assert [row.models for row in built.rows] == [("model-0",), ("model-2",)]


def test_short_candidates_and_other_cases_of_the_same_words_are_left_out() -> None:
    built = build(BUILDER, item("ab", "Beans", "beans ", "abc", answers=[selected(0, 1, 2, 3, shown=range(4))]))
    assert built.text("completion") == ["Beans", "abc"]
    assert build(BUILDER, item("ab", "abc", answers=[selected(0, shown=[0, 1])])).dropped == {"short": 1}


def test_none_fits_gives_no_row() -> None:
    assert build(BUILDER, item("one", "two", answers=[selected(shown=[0, 1])])).dropped == {"none_fits": 1}


@pytest.mark.parametrize(("share", "texts"), [(0.5, ["one", "two"]), (0.7, ["one"]), (1.0, ["one"])])
def test_raters_accept_by_their_share(share: float, texts: list[str]) -> None:
    answers = [selected(0, 1, shown=[0, 1], by=1), selected(0, shown=[1, 0], by=2)]
    built = build(BUILDER, item("one", "two", answers=answers), options={"accepted_by": share})
    assert built.text("completion") == texts and built.rows[0].raters == 2


def test_what_earlier_rounds_accepted_stays_in_once() -> None:
    rounds = in_round(7, "old words", "x y z"), in_round(9, "Old words", "new words", fits=(0, 1))
    assert build(BUILDER, *rounds).text("completion") == ["old words", "new words"]


def test_only_the_newest_round() -> None:
    rounds = in_round(7, "old words"), in_round(9, "new words", key="p-2"), in_round(7, "old again", key="p-3")
    assert build(BUILDER, *rounds, options={"rounds": "newest"}).text("completion") == ["new words"]


def test_ten_task_only_rows_to_an_accepted_one_weigh_it_tenfold() -> None:
    built = build(BUILDER, *(edited(number) for number in range(30)), in_round(1, "chosen"))
    assert built.column("task").count("answer") == 10
    assert [row.columns["weight"] for row in built.rows if row.columns["task"] == "rationale"] == [10]
    assert {row.columns["weight"] for row in built.rows if row.columns["task"] == "answer"} == {1}


def test_w_is_task_only_rows_over_accepted_rows() -> None:
    chosen = [in_round(1, f"chosen {number}", key=f"p-{number}") for number in range(2)]
    built = build(BUILDER, *(edited(number) for number in range(5)), *chosen)
    assert [row.columns["weight"] for row in built.rows if row.columns["task"] == "rationale"] == [2.5, 2.5]


def test_w_is_at_least_one() -> None:
    chosen = [in_round(1, f"chosen {number}", key=f"p-{number}") for number in range(2)]
    assert build(BUILDER, edited(1), *chosen).column("weight") == [1, 1, 1]


def test_task_only_rows_can_be_left_out() -> None:
    built = build(BUILDER, edited(1), in_round(1, "chosen"), options={"task_rows": "none"})
    assert built.text("completion") == ["chosen"] and built.dropped == {"no_selection": 1}


def test_task_only_rows_alone_are_no_selections() -> None:
    assert build(BUILDER, edited(1), edited(2)).rows == []


def test_which_task_only_rows_are_drawn_follows_from_the_seed() -> None:
    def drawn(seed: int) -> list[str]:
        items = [*(edited(number) for number in range(30)), in_round(1, "chosen")]
        return build(BUILDER, *items, recipe={"seed": seed}).text("completion")

    assert drawn(1) == drawn(1) != drawn(2)


@given(task_rows=st.integers(0, 40), accepted=st.integers(0, 8), most=st.floats(0.1, 20), seed=st.integers(0, 99))
def test_the_mix_is_exact_and_keeps_the_order(task_rows: int, accepted: int, most: float, seed: int) -> None:
    chosen = [in_round(1, f"chosen {number}", key=f"p-{number}") for number in range(accepted)]
    items = sorted([*(edited(n) for n in range(task_rows)), *chosen], key=lambda one: one.prompt_key)
    built = build(BUILDER, *items, options={"task_rows_per_accepted": most}, recipe={"seed": seed})
    kinds = built.column("task")
    assert kinds.count("rationale") == accepted
    assert kinds.count("answer") == min(task_rows, int(most * accepted))
    assert [row.prompt_key for row in built.rows] == sorted(row.prompt_key for row in built.rows)
