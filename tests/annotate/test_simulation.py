"""Simulated raters: what they like, how they err, and that every script is treated alike."""

from __future__ import annotations

import pytest

from annotate.simulation import PREFERENCES, VERY_STRONG, WORST, SimulatedRater, count_words

CONCISE, BULLETED, POLITE = (PREFERENCES[name] for name in ("concise", "bulleted", "polite"))
SHORT = "Boil it for six minutes."
LONG = "First bring a large pan of water to the boil, then lower the egg in with a spoon. " * 3


def rater(preference: str = "concise", **faults: float) -> SimulatedRater:
    settings = {"noise": 0.0, "position_bias": 0.0, "tie_width": 0.02} | faults
    return SimulatedRater(PREFERENCES[preference], **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PREFERENCES)
@pytest.mark.parametrize("text", ["", "   \n", "Yes.", "No way", "!!! ...", "是的。", "はい", "네"])
def test_an_answer_that_says_nothing_is_the_worst(name: str, text: str) -> None:
    assert PREFERENCES[name].score((), text) == WORST


@pytest.mark.parametrize("name", PREFERENCES)
def test_every_preference_says_what_it_likes(name: str) -> None:
    assert PREFERENCES[name].name == name and PREFERENCES[name].description.endswith(".")


def test_concise_likes_the_shorter_answer() -> None:
    assert CONCISE.score((), SHORT) > CONCISE.score((), LONG) > WORST
    assert CONCISE.score((), "Six minutes, please.") == CONCISE.score((), SHORT) == 1.0  # no race to three words


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "It is the wind that makes the waves.", 8),
        ("de", "Der Wind erzeugt die Wellen im Meer.", 7),
        ("ru", "Волны в море создаёт ветер.", 5),
        ("he", "הרוח יוצרת את הגלים בים.", 5),
        ("ar", "الرياح هي التي تصنع أمواج البحر.", 6),
        ("hi", "समुद्र में लहरें हवा से बनती हैं।", 7),
        ("zh-Hans", "海浪是由风吹动海面形成的。", 7),
        ("ja", "海の波は風によって生まれます。", 8),
        ("ko", "바다의 파도는 바람 때문에 생깁니다.", 6.4),
    ],
)
def test_the_same_sentence_has_about_as_many_words_in_every_script(language: str, text: str, words: float) -> None:
    assert count_words(text) == pytest.approx(words, abs=0.8), language


def test_punctuation_and_signs_are_not_words() -> None:
    assert count_words("- Wait ... what?! – “Yes”") == 3


def test_bulleted_likes_lists() -> None:
    items = "- eggs\n- flour\n- milk"
    numbered = "You need:\n1. eggs\n2. flour\n3. milk"
    assert BULLETED.score((), items) == 1.0
    assert 0.5 < BULLETED.score((), numbered) < 1.0
    assert BULLETED.score((), "・卵三つと塩\n・小麦粉と砂糖") > 0.5
    assert BULLETED.score((), "You need eggs - and flour, 1. and milk") == 0.0
    assert BULLETED.score((), "Well then:\n- only this one") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for asking me.",
        "Gracias por tu buena pregunta.",
        "谢谢你提出这个问题。",
        "תודה רבה על השאלה.",
        "شكرا على هذا السؤال.",
    ],
)
def test_polite_likes_courtesy_in_any_language(text: str) -> None:
    assert POLITE.score((), text) > POLITE.score((), "Work it out for yourself.") == 0.0


def test_saying_thanks_again_and_again_is_not_more_polite() -> None:
    assert POLITE.score((), "thanks thanks thanks thanks") < POLITE.score((), "Thank you, and sorry, please wait.")


def test_a_vote_is_positive_for_the_first_shown() -> None:
    assert rater().vote(SHORT, LONG, task_key="t") == 3
    assert rater().vote(LONG, SHORT, task_key="t") == -3
    assert rater().vote(SHORT, SHORT, task_key="t") == 0


def test_strength_grows_with_the_difference() -> None:
    shown = [SHORT + " word" * extra for extra in (1, 2, 6, 60)]
    strengths = [rater().vote(SHORT, text, task_key="t") for text in shown]
    assert strengths == sorted(strengths) and strengths[0] == 0 and strengths[-1] == 3
    assert CONCISE.score((), SHORT) - CONCISE.score((), shown[-1]) > VERY_STRONG


def test_position_bias_decides_near_ties_only() -> None:
    biased = rater(position_bias=0.1)
    assert biased.vote(SHORT, SHORT, task_key="t") == 1
    assert biased.vote(LONG, SHORT, task_key="t") == -3
    assert rater(position_bias=-0.1).vote(SHORT, SHORT, task_key="t") == -1


def test_noise_is_the_share_of_wrong_votes() -> None:
    noisy = rater(noise=0.15)
    wrong = sum(noisy.vote(SHORT, LONG, task_key=f"task {number}") < 0 for number in range(4000))
    assert wrong / 4000 == pytest.approx(0.15, abs=0.02)


def test_votes_depend_on_the_seed_and_the_task_and_nothing_else() -> None:
    tasks = [f"task {number}" for number in range(200)]

    def votes(seed: int, order: list[str]) -> dict[str, int]:
        who = SimulatedRater(CONCISE, noise=0.3, tie_width=0.02, seed=seed)
        return {task: who.vote(SHORT, LONG, task_key=task) for task in order}

    assert votes(1, tasks) == votes(1, tasks[::-1])
    assert votes(1, tasks) != votes(2, tasks)
    # Written down, so that a change of the draw is noticed: a demo's votes must not move by themselves.
    assert [votes(1, tasks)[task] for task in tasks[:10]] == [3, -3, 3, 3, 3, 3, 3, 3, 3, 3]


def test_faults_without_a_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="noise"):
        rater(noise=1.5)
    with pytest.raises(ValueError, match="tie_width"):
        rater(tie_width=-0.1)
