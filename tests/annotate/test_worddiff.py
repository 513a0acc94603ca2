"""Words and their distance: the rule by examples, the distance against its definition, and that it is a metric."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate import worddiff
from annotate.worddiff import cost_of_edit, distance, words

SCRIPT = Path(__file__).parents[2] / "static" / "js" / "worddiff.js"
few_words = st.lists(st.sampled_from("abcd"), max_size=12)


def by_definition(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", ["I", "don't", "know", "."]),
        ("‘it’s’ 3.5 %", ["‘", "it’s", "’", "3", ".", "5", "%"]),
        ("a\u00a0b\r\nc\u200bd\ufeffe\u3000f", list("abcdef")),
        ("cafe\u0301 café", ["cafe\u0301", "café"]),
        ("東京タワー", list("東京タワー")),
        ("か\u3099ｶﾞ", ["か\u3099", "ｶﾞ"]),
        ("ดีครับ", ["ดี", "ค", "รั", "บ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("مَرْحَبًا، عالم؟", ["مَرْحَبًا", "،", "عالم", "؟"]),
        ("\u202bשלום\u202c", ["שלום"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("हिन्दी है।", ["हिन्दी", "है", "।"]),
        ("👩\u200d💻👍🏽🇩🇪🇫🇷❤\ufe0f", ["👩\u200d💻", "👍🏽", "🇩🇪", "🇫🇷", "❤\ufe0f"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_what_a_token_is(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_nothing_but_space_is_left_out(text: str) -> None:
    space = re.compile(f"[{worddiff.ranges(worddiff.SPACE)}]")
    assert "".join(words(text)) == space.sub("", text)


@given(few_words, few_words)
def test_the_distance_is_levenshteins(a: list[str], b: list[str]) -> None:
    assert distance(a, b) == by_definition(a, b)


def test_the_distance_of_long_texts_is_levenshteins() -> None:
    a = [str(n * n % 83) for n in range(300)]
    b = [str(n * n % 83 if n % 7 else n) for n in range(20, 330)]
    assert distance(a, b) == by_definition(a, b)


@given(few_words, few_words, few_words)
def test_the_distance_is_a_metric(a: list[str], b: list[str], c: list[str]) -> None:
    assert distance(a, a) == 0
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@given(few_words, few_words)
def test_its_bounds(a: list[str], b: list[str]) -> None:
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


def test_spacing_costs_nothing_and_a_replaced_word_costs_one() -> None:
    assert cost_of_edit("Soak them.\n\nThen cook.", "Soak  them. Then cook.") == 0
    assert cost_of_edit("Soak them overnight.", "Soak beans overnight.") == 1
    assert cost_of_edit("", "Soak them.") == 3


def test_the_page_has_the_same_tables() -> None:
    script = SCRIPT.read_text()
    for name in ("SPACE", "SYMBOL", "SINGLE", "MARK"):
        found = re.search(rf"export const {name} =(.*?);", script, re.DOTALL)
        assert found
        assert "".join(re.findall(r'"(.*?)"', found[1])) == getattr(worddiff, name)
