"""Pairs against polish: what is wrong with each rejected answer, where it comes from, and that nothing leaks."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from accounts.models import Project
from annotate.models import Feedback
from curate.builders import judge_offset_bias
from curate.builders.offset_bias import (
    Donor,
    OffsetBiasOptions,
    Pool,
    alike,
    cut_short,
    erroneous,
    other_numbers,
    words_of,
)
from curate.judge_prompts import ask_choice
from curate.rows import Row
from tests.curate.building import frozen, voted
from tests.factories import make_prompt

GOOD = "Soak them for 8 hours. Rinse them well. Cook them for 90 minutes. Salt them at the end."
BAD = "No idea."


def test_every_number_becomes_another_of_its_length() -> None:
    text = "In 1989 it took 28 years, 3 days and 0 hours; 2.5% of 1,000 stayed."
    wrong = other_numbers(text, "p-1")
    kept = [a == b for a, b in zip(text.split(), wrong.split(), strict=True)]
    assert kept.count(False) == 4
    assert len(wrong) == len(text)
    assert wrong.endswith("2.5% of 1,000 stayed.")
    assert other_numbers(text, "p-1") == wrong
    assert "1989" not in wrong


@pytest.mark.parametrize("digit", range(10))
def test_no_number_stays_by_chance(digit: int) -> None:
    assert all(other_numbers(f"It is {digit} here", f"seed {n}") != f"It is {digit} here" for n in range(50))


def test_the_numbers_of_a_list_are_no_facts() -> None:
    assert other_numbers("1. Wash\n2) Cook", "p") == "1. Wash\n2) Cook"


def test_the_last_half_is_left_out_where_there_is_one() -> None:
    assert cut_short(GOOD) == "Soak them for 8 hours. Rinse them well."
    assert cut_short("One. Two. Three.") == ""


def test_kinds_can_be_turned_off() -> None:
    assert set(erroneous(GOOD, OffsetBiasOptions(), "p")) == {"numbers", "cut"}
    assert set(erroneous(GOOD, OffsetBiasOptions(numbers=False), "p")) == {"cut"}
    assert erroneous("Yes.", OffsetBiasOptions(), "p") == {}


def donor(key: str, words: str, text: str) -> Donor:
    return Donor(key, frozenset(words.split()), text, "m", (1,))


def test_the_most_similar_prompt_gives_the_answer_but_not_one_that_asks_the_same() -> None:
    pool = Pool([donor("far", "a b c d", "Far."), donor("near", "cook rice today now", "Near."),
                 donor("same", "cook beans today now", "Same."), donor("own", "cook beans today", "Own.")])  # fmt: skip
    row = Row({}, "own", "en", ())
    words = frozenset(["cook", "beans", "today"])
    assert alike(words, frozenset(["cook", "beans", "today", "now"])) == 0.75
    near = pool.other(row, words, "Own.", similar=True, most=0.6, seed=0)
    assert near is not None
    assert near.prompt_key == "near"
    far = pool.other(row, words, "Own.", similar=False, most=0.1, seed=1)
    assert far is not None
    assert far.prompt_key == "far"
    assert Pool([donor("own", "x", "Own.")]).other(row, words, "Own.", similar=True, most=1.0, seed=0) is None


@pytest.fixture
def answered(project: Project) -> dict[str, str]:
    """prompt key -> the answer that people chose."""
    topics = ["beans", "rice", "bread", "soup", "tea", "coffee", "cake", "pasta", "salad", "stew", "jam", "cheese"]
    good = {}
    for number, topic in enumerate(topics):
        key = f"p-{number:02}"
        good[key] = f"For {topic} take {number + 2} minutes. Stir it. Taste it. Serve {topic} hot."
        make_prompt(project, key, messages=[{"role": "user", "content": f"How do I make {topic}, in {number} words?"}])
        voted(project, key, 2, texts=(good[key], f"I do not like {topic}."))
    return good


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {split: pq.read_table(folder / f"{split}.parquet").to_pylist() for split in ("train", "held_out")}


def test_rejected_answers_are_good_ones_to_other_prompts_of_the_same_split(
    project: Project, answered: dict[str, str], tmp_path: Path
) -> None:
    made = frozen(project, tmp_path / "a", rows="offset_bias", held_out_share=0.4, seed=1)
    splits = rows_of(tmp_path / "a")
    keys = {split: {row["prompt_key"] for row in rows} for split, rows in splits.items()}
    assert all(keys.values())
    by_text = {text: key for key, text in answered.items()}
    kinds = {"off_topic": 0, "numbers": 0, "cut": 0}
    votes = dict(Feedback.objects.values_list("task__prompt__key", "pk"))
    for split, rows in splits.items():
        for row in rows:
            chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
            assert chosen == answered[row["prompt_key"]]
            if rejected in by_text:
                kinds["off_topic"] += 1
                assert by_text[rejected] != row["prompt_key"]
                assert by_text[rejected] in keys[split]
                assert set(row["feedback_ids"]) == {votes[row["prompt_key"]], votes[by_text[rejected]]}
            elif rejected == cut_short(chosen):
                kinds["cut"] += 1
            else:
                kinds["numbers"] += 1
                assert rejected == other_numbers(chosen, row["prompt_key"])
    assert kinds == {"off_topic": 12, "numbers": 12, "cut": 12}
    assert made.rows == {split: len(rows) for split, rows in splits.items()}


def test_the_same_votes_give_the_same_rows(project: Project, answered: dict[str, str], tmp_path: Path) -> None:
    one = frozen(project, tmp_path / "a", rows="offset_bias", seed=1)
    other = frozen(project, tmp_path / "b", rows="offset_bias", seed=1)
    assert one.content_hash == other.content_hash


def test_a_judge_sees_each_pair_in_both_orders(project: Project, answered: dict[str, str], tmp_path: Path) -> None:
    options = {"numbers": False, "cut": False, "off_topic": "dissimilar"}
    frozen(project, tmp_path / "a", rows="judge_offset_bias", options=options, held_out_share=0)
    rows = rows_of(tmp_path / "a")["train"]
    assert len(rows) == 24
    assert {row["task"] for row in rows} == {"verdict"}
    assert sum(row["completion"][0]["content"] == "A" for row in rows) == 12
    asked: dict[str, set[str]] = {}
    for row in rows:
        content = row["prompt"][0]["content"]
        first = content.index(answered[row["prompt_key"]]) < content.index("<answer_b>")
        assert first == (row["completion"][0]["content"] == "A")
        assert content.count("I do not like") == 0
        asked.setdefault(row["prompt_key"], set()).add("".join(sorted(content)))
    assert all(len(one) == 1 for one in asked.values())


def test_one_prompt_alone_has_no_other_to_take_an_answer_from(project: Project, tmp_path: Path) -> None:
    voted(project, "p-1", 2, texts=(GOOD, BAD))
    made = frozen(project, tmp_path / "a", rows="offset_bias", held_out_share=0)
    assert made.rows["train"] == 2  # numbers and cut
    assert words_of([{"content": "Cook BEANS"}]) == {"cook", "beans"}


def test_the_verdict_of_a_row_is_the_question_that_judges_are_asked() -> None:
    messages = [{"role": "user", "content": "Why?"}]
    columns = judge_offset_bias.verdict(messages, "good", "bad", chosen_first=False)
    assert columns["prompt"] == ask_choice(messages, ("bad", "good"))
    assert columns["completion"][0]["content"] == "B"
