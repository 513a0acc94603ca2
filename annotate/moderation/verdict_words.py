"""A verdict and answers in words, in the letters of whoever reads them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.text import Truncator

from annotate.design.protocols import Step
from annotate.desk.queue import shown_order
from annotate.kinds import Answer
from annotate.kinds.base import LETTERS
from annotate.models import Verdict
from annotate.moderation.disagreement import compared_in

MOST_QUOTED = 60
"""Characters of an answer where a verdict names it."""
TEXTS = "task__task_responses__response"
"""What `with_text` reads of a verdict."""


def as_seen(value: Mapping[str, Any], order: Sequence[int], shown: Sequence[int]) -> dict[str, Any]:
    """The value of a comparison given in `order`, in terms of `shown`: where the two stood the other way, negated."""
    if list(order) == list(shown):
        return dict(value)
    turned = dict(value)
    if "strength" in value:
        turned["strength"] = -value["strength"]
    if "dimensions" in value:
        turned["dimensions"] = {name: -strength for name, strength in value["dimensions"].items()}
    return turned


def words_of(step: Step, value: Mapping[str, Any]) -> str:
    return step.kind.say(value)


def relettered(step: Step, value: Mapping[str, Any], order: Sequence[int], shown: Sequence[int]) -> str:
    """A value given in the letters of `order`, said in those of `shown`."""
    return in_letters(words_of(step, value), order, shown)


def in_letters(words: str, order: Sequence[int], shown: Sequence[int]) -> str:
    """Words that this program wrote in the letters of `order`, in those of `shown`."""
    if list(order) == list(shown) or not set(order) <= set(shown):
        return words
    places = list(shown)
    letters = {LETTERS[place]: LETTERS[places.index(position)] for place, position in enumerate(order)}
    return re.sub(r"\b[A-L]\b", lambda found: letters.get(found[0], found[0]), words)


def with_text(verdict: Verdict, shown: Sequence[int]) -> str:
    """A verdict in the letters of `shown`, and the first words of the answer that it puts first."""
    step = compared_in(verdict.task)
    words = relettered(step, verdict.value, verdict.order, shown)
    best = None
    if step.kind.extremes:
        answer = Answer(value=verdict.value, preference=verdict.preference)
        best = step.kind.extremes(answer, verdict.order)
    row = next((one for one in verdict.task.task_responses.all() if best and one.position == best[0]), None)
    if row is None or best is None or best[0] not in shown:
        return words
    letter = LETTERS[list(shown).index(best[0])]
    first = Truncator(" ".join(row.response.text.split())).chars(MOST_QUOTED)
    return f"{words}. {letter} is “\u2068{first}\u2069”"


def in_own_letters(verdict: Verdict) -> str:
    """A verdict in the letters that its adjudicator saw, whoever's answer was taken."""
    responses = len(verdict.task.task_responses.all())
    return with_text(
        verdict, shown_order(annotator_id=verdict.adjudicator_id, task_id=verdict.task_id, responses=responses)
    )


def seen_as(order: Sequence[int], shown: Sequence[int]) -> tuple[str, str]:
    """What the rater saw where, and what the rater's own letters mean, both in the letters of `shown`."""
    letters = [LETTERS[list(shown).index(position)] for position in order]
    if len(letters) < 2:
        return "", ""
    saw = f"saw {letters[0]} on the left" if len(letters) == 2 else f"saw {', '.join(letters)}"
    if list(order) == list(shown):
        return saw, ""
    if len(letters) == 2:
        return saw, "their A is B here"
    return saw, f"their {', '.join(LETTERS[: len(letters)])} are {', '.join(letters)} here"
