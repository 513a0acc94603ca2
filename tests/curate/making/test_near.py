"""Near-duplicates are found without a miss, and stay on one side of the split."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from accounts.models import Project
from curate.making import near, split
from curate.making.facts import Prompts, facts_of, order_of
from tests.curate.building import build, voted
from tests.factories import make_prompt

TEXTS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=9).map(" ".join), min_size=1, max_size=14)


def prompts(texts: list[str]) -> Prompts:
    rows = [
        facts_of(i, f"p-{i}", "en", [{"role": "user", "content": text}], "given", "") for i, text in enumerate(texts)
    ]
    _, _, _, exact, content, words, chat = zip(*rows, strict=True)
    here = np.arange(len(texts))
    return Prompts(here, here, order_of(content), np.zeros_like(here), ("en",), exact, content, words, chat)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, threshold=st.sampled_from([0.5, 0.7, 0.8, 0.9, 1.0]), seed=st.integers(0, 5))
def test_near_duplicates_never_cross_the_split(texts: list[str], threshold: float, seed: int) -> None:
    known = prompts(texts)
    group = split.groups(known, by="cluster", threshold=threshold)
    held = split.sides(known, group, seed=seed, held_out_share=0.5)
    for i in range(len(texts)):
        for j in range(i):
            one, other = set(known.words[i].tolist()), set(known.words[j].tolist())
            if one and other and near.similarity(one, other) >= threshold:
                assert held[i] == held[j], (texts[i], texts[j])


@settings(max_examples=50, deadline=None)
@given(texts=TEXTS)
def test_who_is_not_near_anyone_is_alone(texts: list[str]) -> None:
    sets = [near.shingles(near.words(text)) for text in texts]
    naive = near.Forest(len(sets))
    for i in range(len(sets)):
        for j in range(i):
            if sets[i] and sets[j] and near.similarity(sets[i], sets[j]) >= 0.6:
                naive.join(np.array([i]), np.array([j]))
    assert near.components([near.packed(one) for one in sets], 0.6).tolist() == naive.roots().tolist()


def test_words_leave_out_case_and_punctuation_and_split_scripts_without_spaces() -> None:
    assert near.words("Hello, WORLD!") == ["hello", "world"]
    assert near.words("豆を煮る") == ["豆", "を", "煮", "る"]


def test_another_prompt_moves_no_other() -> None:
    texts = [f"how do i cook {one} for {two}" for one in ("rice", "beans", "eggs", "kale") for two in ("two", "ten")]
    before = split.sides(prompts(texts), np.arange(8), seed=1, held_out_share=0.5)
    after = split.sides(prompts([*texts, "something else"]), np.arange(9), seed=1, held_out_share=0.5)
    assert before.tolist() == after[:8].tolist()


@pytest.mark.django_db
def test_the_same_words_with_another_picture_are_another_prompt() -> None:
    one, other = (facts_of(1, "p", "en", [{"role": "user", "content": "What is this?"}], "given", sha) for sha in "ab")
    assert one[3] != other[3] and one[4] != other[4] and not {*one[5].tolist()} & {*other[5].tolist()}


@pytest.mark.django_db
def test_near_duplicate_rows_are_left_out(project: Project) -> None:
    long = "Soak the beans in plenty of cold water overnight then rinse them and boil them slowly with salt at the end"
    for key, end in (("p-1", "."), ("p-2", "!"), ("p-3", ". Or buy a tin and be done with it in a minute or two")):
        make_prompt(project, key, messages=[{"role": "user", "content": "How do I cook beans?"}])
        voted(project, key, 2, texts=(long + end, "No."))
    rows, funnel = build(project, deduplicate="near")
    assert [row.prompt_key for row in rows] == ["p-1", "p-3"]
    assert funnel.left_out == {"near": 1}
    assert len(build(project, deduplicate="exact")[0]) == 3
