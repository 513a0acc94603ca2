"""position: how often voters and judges choose what was shown first, and whether a judge keeps its choice when the two
change places. A fair one chooses the first in half of the cases and always keeps its choice.

Scorers are not in it: they read one response at a time and have no first.
"""

from collections import defaultdict

import numpy as np

from accounts.models import Project, User
from accounts.pseudonyms import rater_name
from annotate.comparisons import comparisons
from evaluate.battles import KIND_WORDS, Voice, newest_verdicts
from evaluate.benchmarks.base import Result
from evaluate.models import Judgement
from evaluate.stats import clustered_win_rate, first_slot_rate, first_slot_rates, win_rate
from evaluate.stats.position import FAIR

SIDES = {"A": 1, "B": -1, "C": 0}


def run(project: Project) -> list[Result]:
    sides: dict[str, list[int]] = defaultdict(list)
    raters: dict[str, list[int]] = defaultdict(list)
    # Labels of imported files say what is better, and not what was shown first.
    rows = (
        comparisons(project)
        .exclude(value__has_key="order_unknown")
        .values_list("origin", "annotator_id", "order", "preference")
    )
    for origin, rater, order, preference in rows.iterator(chunk_size=10_000):
        side = int(np.sign(preference or 0))
        sides[origin].append(side if order[0] == 0 else -side)
        raters[origin].append(rater)
    found, users = [], User.objects.in_bulk({pk for given in raters.values() for pk in given})
    names = {pk: rater_name(project.pk, user) for pk, user in users.items()}
    for origin in sorted(sides, key=list(KIND_WORDS).index):
        rate = first_slot_rate(sides[origin])
        found.append(
            Result(
                "position", "chooses the first shown", Voice(origin), rate, FAIR,
                ("the first shown", "the second shown"), left_out=len(sides[origin]) - rate.n,
                raters=tuple(first_slot_rates(sides[origin], [names[pk] for pk in raters[origin]])),
            )
        )  # fmt: skip
    return [*found, *by_judges(project)]


def by_judges(project: Project) -> list[Result]:
    """Of judges that read both responses, from what they said in each order."""
    read: dict[str, list[tuple[int, int]]] = defaultdict(list)
    rows = newest_verdicts(
        Judgement.objects.filter(project=project, judge_kind=Judgement.Judge.JUDGE_MODEL).exclude(readings={})
    ).values_list("judge_name", "readings")
    for name, readings in rows.iterator(chunk_size=10_000):
        given, swapped = (letter(readings.get(order, {})) for order in ("given", "swapped"))
        if given and swapped:
            read[name].append((SIDES[given], SIDES[swapped]))
    found = []
    for name in sorted(read):
        pairs, voice = np.array(read[name]), Voice(Judgement.Judge.JUDGE_MODEL.value, name)
        # Two verdicts of one pair are no independent facts.
        both, items = pairs.T.ravel(), np.tile(np.arange(len(pairs)), 2)
        slot = clustered_win_rate((both[both != 0] + 1) / 2, items[both != 0])
        kept = win_rate(((pairs[:, 0] == -pairs[:, 1]) & (pairs[:, 0] != 0)).astype(float))
        found += [
            Result("position", "chooses the first shown", voice, slot, FAIR, ("the first shown", "the second shown"),
                   left_out=int((both == 0).sum())),
            Result("position", "keeps its choice when swapped", voice, kept, 1.0, ("its choice", "the place")),
        ]  # fmt: skip
    return found


def letter(reading: dict[str, dict[str, float]]) -> str:
    """The likeliest verdict of a reading: A, B or C; empty where there is none."""
    said = reading.get("probabilities")
    return max(said, key=lambda one: said[one]) if said else ""
