"""position: how often voters choose what was shown first. A fair voter does in half of the votes.

Judges are not in it: a scorer reads one response at a time and has no first.
"""

from collections import defaultdict

import numpy as np

from accounts.models import Project, User
from accounts.pseudonyms import rater_name
from annotate.comparisons import comparisons
from evaluate.battles import KIND_WORDS, Voice
from evaluate.benchmarks.base import Result
from evaluate.stats import first_slot_rate, first_slot_rates
from evaluate.stats.position import FAIR


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
    return found
