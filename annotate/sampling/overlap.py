"""Adaptive overlap: where raters disagree, ask one more, up to the task's ceiling.

Answers to the first step are compared, or to the first later one whose kind can be. Positions are canonical, so the
order in which each rater saw the responses does not matter.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from annotate.kinds.ranking import level, ranks_by_position
from annotate.models import Feedback, Task

LEAST_TAU = 0.5
"""Mean Kendall tau over pairs of raters below which rankings disagree. A swap of neighbours among three is 0.33, among
four 0.67."""
LEAST_JACCARD = 0.5
"""Mean Jaccard index over pairs of raters below which selections disagree: half of what anyone chose, both chose."""


def another_wanted(task: Task, answers: Iterable[Feedback]) -> bool:
    """Whether one more rater is wanted: all wanted answers are there, they disagree, and the ceiling allows it.

    `answers`: the current answers to the task, of all steps. `task.answered` counts them.
    """
    if task.ceiling is None or task.wanted >= task.ceiling or task.answered < task.wanted:
        return False
    by_step: dict[int, list[Feedback]] = {}
    for answer in answers:
        by_step.setdefault(answer.step, []).append(answer)
    for step in sorted(by_step):
        compare = DISAGREE.get(by_step[step][0].kind)
        if compare:
            return compare(by_step[step])
    return False


def widen(task: Task) -> bool:
    """Ask for one more rater if one is wanted: sets and saves `wanted`, and says whether it did.

    The caller holds the row of the task, in the transaction that stored the answer; `task.answered` counts it already.
    """
    if task.ceiling is None or task.wanted >= task.ceiling or task.answered < task.wanted:
        return False  # no query for the tasks that have no ceiling
    if not another_wanted(task, Feedback.current.filter(task=task)):
        return False
    task.wanted += 1
    task.save(update_fields=["wanted"])
    return True


def sides_differ(answers: Sequence[Feedback]) -> bool:
    """Whether raters prefer different sides. A tie is a side of its own, and so is "both bad"."""
    sides = {"bad" if one.both_bad else sign(one.preference) for one in answers}
    return len(sides - {None}) > 1


def sign(preference: int | None) -> int | None:
    """-1, 0 or 1; None where the answer states no preference, which disagrees with nobody."""
    return None if preference is None else (preference > 0) - (preference < 0)


def rankings_differ(answers: Sequence[Feedback]) -> bool:
    return mean_over_pairs([ranks_of(one) for one in answers], tau) < LEAST_TAU


def selections_differ(answers: Sequence[Feedback]) -> bool:
    return mean_over_pairs([selected_by(one) for one in answers], jaccard) < LEAST_JACCARD


def mean_over_pairs(values: Sequence[Any], likeness: Callable[[Any, Any], float]) -> float:
    """1, full agreement, where fewer than two raters answered."""
    pairs = [likeness(one, other) for one, other in itertools.combinations(values, 2)]
    return sum(pairs) / len(pairs) if pairs else 1.0


def tau(one: dict[int, int], other: dict[int, int]) -> float:
    """Kendall's rank correlation of two rankings {position: rank}, from -1 to 1, over the positions of both.

    A pair that both tie is in the same order; a pair that one ties counts neither way. So it is defined for raters who
    tie everything, where tau-b is not.
    """
    common = sorted(one.keys() & other.keys())
    pairs = list(itertools.combinations(common, 2))
    if not pairs:
        return 1.0
    total = 0
    for a, b in pairs:
        mine, theirs = sign(one[a] - one[b]), sign(other[a] - other[b])
        total += 1 if mine == theirs else -1 if mine and theirs else 0
    return total / len(pairs)


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Share of what either chose that both chose; two empty selections are the same."""
    return len(one & other) / len(one | other) if one | other else 1.0


def ranks_of(answer: Feedback) -> dict[int, int]:
    """{position: rank}; what was left below the ranked ones shares the last place."""
    return {position: level(rank) for position, rank in enumerate(ranks_by_position(answer.value, answer.order))}


def selected_by(answer: Feedback) -> frozenset[int]:
    """Positions of what was selected. The value names places in the order shown."""
    return frozenset(answer.order[place] for place in answer.value.get("fits", []))


DISAGREE: dict[str, Callable[[Sequence[Feedback]], bool]] = {
    "pairwise": sides_differ,
    "chat": sides_differ,
    "rubric": sides_differ,
    "ranking": rankings_differ,
    "selection": selections_differ,
}
"""By kind. Of a kind that is not here (a critique, an edit) two answers always differ, and nothing follows from it."""
