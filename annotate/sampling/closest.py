"""The pairs of models that the votes tell apart least first: their answers move the ranking of models most.

Ratings are Bradley and Terry's (1952) from the project's votes so far, so the order is as old as the last time the
queue was put in order. A task is known when all its responses are of models that have votes and that met each other,
directly or through others. Two responses of one model say nothing about a rating, and wait with the unknown ones.
"""

from accounts.models import Project
from annotate.sampling.base import Sampler
from annotate.sampling.placing import Known
from annotate.sampling.ratings import ratings

# The smallest gap between two models of the task, in log-odds.
VALUES = """
SELECT one.task_id, min(abs(mine.rating - theirs.rating)) FILTER (WHERE mine.model <> theirs.model) AS value
FROM due
JOIN annotate_taskresponse AS one ON one.task_id = due.id
JOIN annotate_taskresponse AS two ON two.task_id = one.task_id AND two.position > one.position
JOIN annotate_response AS first ON first.id = one.response_id
JOIN annotate_response AS second ON second.id = two.response_id
LEFT JOIN unnest(%(models)s::bigint[], %(ratings)s::float8[], %(parts)s::bigint[]) AS mine (model, rating, part)
    ON mine.model = first.model_id
LEFT JOIN unnest(%(models)s::bigint[], %(ratings)s::float8[], %(parts)s::bigint[]) AS theirs (model, rating, part)
    ON theirs.model = second.model_id AND theirs.part = mine.part
GROUP BY one.task_id
HAVING count(theirs.model) = count(*)
"""


def known(project: Project) -> Known | None:
    found = ratings(project)
    if not found.models:
        return None
    params = {"models": found.models, "ratings": found.values, "parts": found.parts}
    return Known(
        VALUES,
        params,
        source=f"By {found.votes:,} votes on {len(found.models):,} models, as they stand now.",
    )


SAMPLER = Sampler(
    slug="closest",
    title="Closest models",
    description=(
        "Pairs of models whose ratings differ least come first. Collect the first votes in another order, "
        "and put the queue in order again from time to time: the ratings move with the votes."
    ),
    known=known,
    needs="compare models that have votes",
)
