"""The case sets say what their file promises, and give no judge an easy way out."""

import gzip
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from evaluate.benchmarks.cases import FOLDER, HHH, OFFSET, TYPES, Case, case_set, contrast_pairs

DATA = Path("/work/shared/data")
NEEDED = dict.fromkeys(OFFSET, 20) | dict.fromkeys(HHH, 8)
SHINGLE = 12
"""So many words in a row are no coincidence."""


def every_case() -> list[Case]:
    return [case for kind in TYPES for case in case_set(kind).cases]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_every_file_of_the_folder_is_a_type_and_every_type_a_file():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*TYPES, "contrast"}


@pytest.mark.parametrize("kind", TYPES)
def test_a_set_names_its_type_and_trap_and_has_enough_cases(kind):
    found = case_set(kind)
    assert found.type == kind
    assert found.title
    assert found.trap.endswith(".")
    assert len(found.cases) >= NEEDED.get(kind, 16)


def test_an_unknown_type_is_refused():
    with pytest.raises(KeyError, match="There is no case set lenght"):
        case_set("lenght")


def test_keys_and_texts_are_there_once():
    cases = every_case()
    for name in ("key", "better", "worse"):
        texts = [getattr(case, name) for case in cases]
        # "12" or a date can be right twice; a sentence cannot.
        twice = [text for text, count in Counter(texts).items() if count > 1 and (name == "key" or len(text) > 40)]
        assert twice == []
    prompts = Counter(case.messages[0]["content"] for case in cases)
    assert [text for text, count in prompts.items() if count > 1] == []


@pytest.mark.parametrize("case", every_case(), ids=lambda case: case.key)
def test_a_case_is_whole(case):
    prompt = case.messages[0]["content"]
    for text, longest in ((prompt, 400), (case.better, 600), (case.worse, 900), (case.why, 200)):
        assert text == text.strip()
        assert 0 < len(text) <= longest
    assert words(case.better) != words(case.worse)
    assert len(case.why) >= 20
    assert case.key.startswith(case.type.replace("_", "-"))


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "length"])
def test_length_alone_decides_no_set_but_its_own(kind):
    longer = [len(case.better) > len(case.worse) for case in case_set(kind).cases]
    assert 0.4 <= sum(longer) / len(longer) <= 0.6


def test_in_the_length_set_the_worse_is_always_much_longer():
    assert all(len(case.worse) > 2.5 * len(case.better) for case in case_set("length").cases)


def test_in_the_format_set_the_worse_is_always_the_more_dressed():
    marks = re.compile(r"^\s*(#{1,6} |[-*] |\d+\. |\|)|\*\*", re.MULTILINE)
    for case in case_set("format").cases:
        assert len(marks.findall(case.worse)) > len(marks.findall(case.better)) == 0, case.key


def test_a_pair_of_languages_is_whole():
    groups: dict[str, list[Case]] = {}
    for case in case_set("language").cases:
        groups.setdefault(case.group, []).append(case)
    assert len(groups) >= 10
    for cases in groups.values():
        assert sorted(case.lang == "en" for case in cases) == [False, True]
        # What wins by length in one language does so in the other.
        assert len({len(case.better) > len(case.worse) for case in cases}) == 1


def test_contrast_pairs_differ_in_the_value_alone():
    pairs = contrast_pairs()
    assert len({pair.key for pair in pairs}) == len(pairs) >= 16
    for pair in pairs:
        assert pair.template.count("{}") == 1
        first, second = pair.prompts
        assert first != second
        assert first.replace(pair.values[0], "", 1) == second.replace(pair.values[1], "", 1)


def shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[at : at + SHINGLE]) for at in range(len(found) - SHINGLE + 1)}


def public_texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for one in (value.values() if isinstance(value, dict) else value) for text in public_texts(one)] if (
        isinstance(value, (dict, list))
    ) else []  # fmt: skip


def test_no_text_is_taken_from_public_data():
    if not DATA.is_dir():
        pytest.skip("the public data is not on this machine (../shared/data)")
    ours: set[tuple[str, ...]] = set()
    for case in every_case():
        for text in (case.messages[0]["content"], case.better, case.worse):
            ours |= shingles(text)
    texts = public_texts(json.loads((DATA / "offsetbias/biasbench.json").read_text()))
    for path in sorted((DATA / "llmbar").glob("*.json")):
        texts += public_texts(json.loads(path.read_text()))
    texts += public_texts(json.loads((DATA / "hh/hhh_alignment_eval.json").read_text()))
    with gzip.open(DATA / "hh/harmless-base_test.jsonl.gz", "rt") as lines:
        texts += [text for line in lines for text in public_texts(json.loads(line))]
    assert len(texts) > 1_000
    common = set().union(*map(shingles, texts)) & ours
    assert common == set()


def test_cases_within_a_type_are_about_different_things():
    for kind in TYPES:
        if kind == "language":
            continue
        prompts = [set(words(case.messages[0]["content"])) for case in case_set(kind).cases]
        for one, other in pairwise(prompts):
            assert len(one & other) / len(one | other) < 0.7
