"""Simulated raters with a known taste, to show that the loop learns what people prefer.

A preference is a documented, deterministic score of a response. A `SimulatedRater` votes by it, imperfectly,
the way people do. With d = score(first) - score(second):

1. *Noise* is a slip: with probability `noise` the rater reports the opposite of what they prefer
   (d becomes -d), whatever the difference is. It is a flip, not a logistic choice, so that the rate of wrong
   votes is the number that was asked for.
2. *Position bias* then adds `position_bias` (in score units) to d: positive favours the response shown first.
   It decides near ties and hardly moves clear cases.
3. *Tie*: |d| <= `tie_width` gives 0. Otherwise the strength is 1, 2 or 3 with the sign of d:
   1 up to `STRONG`, 2 up to `VERY_STRONG`, 3 above.

Scores are on a scale of about 0 to 1, higher is better. A response that says nothing (fewer than
`MIN_WORDS` words) gets `WORST` under every preference: an empty answer must not win because it is short.
Words are counted for scripts without spaces too, see `count_words`.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Messages = Sequence[dict[str, str]]

WORST = -1.0
MIN_WORDS = 3
STRONG = 0.2
VERY_STRONG = 0.5

# Characters of scripts that are written without spaces, and how many of them make about one word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")
_UNSPACED_PER_WORD = 1.7
# Korean has spaces, but a spaced unit carries about as much as one and a half English words.
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HANGUL_PER_WORD = 2.2
_BULLET = re.compile(r"^\s*(?:[-*•‣・–]|\d{1,2}[.)、]|[٠-٩]{1,2}[.)])\s*\S", re.MULTILINE)


def count_words(text: str) -> float:
    """About how many English words `text` carries, in any script.

    Chinese, Japanese and Thai characters count as 1/1.7 of a word and Korean syllables as 1/2.2; in all
    other scripts whatever stands between spaces and has a letter or a digit in it is one word.
    """
    unspaced = len(_UNSPACED.findall(text))
    hangul = len(_HANGUL.findall(text))
    rest = _HANGUL.sub(" ", _UNSPACED.sub(" ", text))
    spaced = sum(any(character.isalnum() for character in piece) for piece in rest.split())
    return spaced + unspaced / _UNSPACED_PER_WORD + hangul / _HANGUL_PER_WORD


def _concise(prompt_messages: Messages, text: str) -> float:
    # Halving the length is worth the same everywhere, as it is to a reader: 1 up to 6 words, 0 at 96.
    return max(0.0, min(1.0, 1.0 - math.log2(max(count_words(text), 6.0) / 6.0) / 4.0))


def _bulleted(prompt_messages: Messages, text: str) -> float:
    items = len(_BULLET.findall(text))
    lines = sum(1 for line in text.splitlines() if line.strip())
    # One bullet is not a list; a list of three or more with little around it is what is wanted.
    return min(items, 3) / 3.0 * (0.5 + 0.5 * items / lines) if items >= 2 else 0.0


_COURTESY: dict[str, tuple[str, ...]] = {
    "en": (
        "please",
        "thank",
        "happy to",
        "glad to",
        "welcome",
        "sorry",
        "of course",
        "i hope",
        "best wishes",
        "i'd love",
        "appreciate",
        "congratulations",
        "kindly",
    ),
    "es": ("por favor", "gracias", "con gusto", "encantad", "disculp", "perdón", "un placer", "espero que"),
    "fr": (
        "s'il vous plaît",
        "s'il te plaît",
        "merci",
        "avec plaisir",
        "volontiers",
        "désolé",
        "je vous en prie",
        "j'espère",
    ),
    "de": ("bitte", "danke", "gerne", "entschuldig", "vielen dank", "freundlich", "ich hoffe"),
    "ru": ("пожалуйста", "спасибо", "извините", "с удовольствием", "благодар", "надеюсь", "будьте добры"),
    "ja": ("ありがとう", "お願い", "申し訳", "ください", "いただ", "どうぞ", "喜んで"),
    "zh": ("请", "谢谢", "感谢", "您", "抱歉", "不客气", "很高兴"),
    "ko": ("감사", "부탁", "죄송", "고맙", "기꺼이", "주세요", "반갑"),
    "hi": ("कृपया", "धन्यवाद", "शुक्रिया", "क्षमा", "आपका स्वागत", "खुशी"),
    "ar": ("من فضلك", "شكرا", "شكرًا", "عفوا", "يسعدني", "بكل سرور", "لو سمحت", "آسف"),
    "he": ("בבקשה", "תודה", "סליחה", "בשמחה", "אשמח", "מצטער"),
}
# One list for all languages: the preference sees a text, not its language.
_COURTESY_PATTERN = re.compile(
    "|".join(re.escape(word) for words in _COURTESY.values() for word in words), re.IGNORECASE
)


def _polite(prompt_messages: Messages, text: str) -> float:
    # Different courtesies count, so that "thanks thanks thanks" is no better than one.
    found = {match.lower() for match in _COURTESY_PATTERN.findall(text.replace("’", "'"))}
    return min(len(found), 3) / 3.0


@dataclass(frozen=True)
class Preference:
    """A hidden taste. `score` is higher for what is liked more, about 0 to 1, or WORST for a non-answer."""

    name: str
    description: str
    liking: Callable[[Messages, str], float]

    def score(self, prompt_messages: Messages, text: str) -> float:
        if count_words(text) < MIN_WORDS:
            return WORST
        return self.liking(prompt_messages, text)


PREFERENCES: dict[str, Preference] = {
    "concise": Preference(
        "concise",
        "Prefers the shorter answer, as long as it says something; halving the length is worth the same anywhere.",
        _concise,
    ),
    "bulleted": Preference(
        "bulleted",
        "Prefers an answer that is a list of at least two items, best three or more with little text around them.",
        _bulleted,
    ),
    "polite": Preference(
        "polite",
        "Prefers an answer with words of courtesy (please, thank you, gladly); up to three different ones count.",
        _polite,
    ),
}


@dataclass(frozen=True)
class SimulatedRater:
    """A rater with a preference and human faults; see the module's docstring for the exact model.

    `noise` is a probability in 0..1; `position_bias` and `tie_width` are in units of the score. For "concise"
    a tie width of 0.1 is a length 1.3 times the other's: nobody sees a smaller difference at a glance.
    """

    preference: Preference
    noise: float = 0.1
    position_bias: float = 0.02
    tie_width: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.noise <= 1.0:
            raise ValueError(f"noise is a probability between 0 and 1, not {self.noise}.")
        if self.tie_width < 0.0:
            raise ValueError(f"tie_width must not be negative, it is {self.tie_width}.")

    def vote(self, first_text: str, second_text: str, *, task_key: str, prompt_messages: Messages = ()) -> int:
        """Vote on two responses in the order shown: -3..3, positive prefers the first, 0 is a tie.

        The same rater (seed) gives the same vote for the same `task_key`, in any process and in any order
        of tasks.
        """
        first = self.preference.score(prompt_messages, first_text)
        second = self.preference.score(prompt_messages, second_text)
        difference = first - second
        if self._draw(task_key) < self.noise:
            difference = -difference
        difference += self.position_bias
        if abs(difference) <= self.tie_width:
            return 0
        size = 1 if abs(difference) <= STRONG else 2 if abs(difference) <= VERY_STRONG else 3
        return size if difference > 0 else -size

    def _draw(self, task_key: str) -> float:
        # hash() differs between processes; a digest does not.
        digest = hashlib.sha256(f"{self.seed}:{task_key}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big")).random()
