"""Ratings of the models of a project from the votes so far, for the sampler `closest`.

The dashboards have their own with intervals (evaluate.stats), which this app may not import. evalica would do, but it
loads pandas and scipy into the web process (1.1 s), for twenty lines.
"""

from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from accounts.models import Project

PRIOR = 0.5
"""Wins that each side of a pair that met has on top, so that a model that won every battle has a finite rating."""
ROUNDS = 10_000
EXACT = 1e-9
# One battle a person and task: the first step that states a preference. Pairs only, of two different models.
BATTLES = """
SELECT first.model_id, second.model_id, sum(CASE WHEN vote.preference > 0 THEN 1 WHEN vote.preference = 0 THEN 0.5
       ELSE 0 END)::float8, count(*)
FROM (
    SELECT DISTINCT ON (assignment_id) task_id, preference FROM annotate_feedback
    WHERE project_id = %s AND withdrawn_at IS NULL AND preference IS NOT NULL
    ORDER BY assignment_id, step
) AS vote
JOIN annotate_taskresponse AS one ON one.task_id = vote.task_id AND one.position = 0
JOIN annotate_taskresponse AS two ON two.task_id = vote.task_id AND two.position = 1
JOIN annotate_response AS first ON first.id = one.response_id
JOIN annotate_response AS second ON second.id = two.response_id
WHERE first.model_id <> second.model_id
GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Ratings:
    models: list[int]
    values: list[float]
    """Log-odds: P(a beats b) = sigmoid(a - b). Only differences inside one part have a meaning."""
    parts: list[int]
    """Models that met each other, directly or through others, are in one part."""
    votes: int


def ratings(project: Project) -> Ratings:
    with connection.cursor() as cursor:
        cursor.execute(BATTLES, [project.pk])
        rows = cursor.fetchall()
    models = sorted({model for row in rows for model in row[:2]})
    place = {model: i for i, model in enumerate(models)}
    wins = np.zeros((len(models), len(models)))
    for first, second, won, battles in rows:
        wins[place[first], place[second]] += won
        wins[place[second], place[first]] += battles - won
    values, parts = bradley_terry(wins)
    return Ratings(models, values.tolist(), parts.tolist(), int(wins.sum()))


def bradley_terry(wins: NDArray[np.float64], *, prior: float = PRIOR) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(ratings in log-odds with mean 0 in each part, part of each model), both (models,).

    wins: (models, models), how often the row beat the column; a tie is half a win to each. Each pair that met has
    `prior` wins a side on top. Fitted by minorisation and maximisation (Hunter 2004, eq. 3).
    """
    met = (wins + wins.T) > 0
    wins = wins + prior * met
    games = wins + wins.T
    won = wins.sum(axis=1)
    strength = np.ones(len(wins))
    parts = components(met)
    for _ in range(ROUNDS):
        weights = games / (strength[:, None] + strength[None, :])
        expected = weights.sum(axis=1)
        fresh = np.divide(won, expected, out=np.ones_like(won), where=expected > 0)
        for part in np.unique(parts):
            fresh[parts == part] /= np.exp(np.log(fresh[parts == part]).mean())
        done = np.abs(np.log(fresh) - np.log(strength)).max(initial=0) < EXACT
        strength = fresh
        if done:
            break
    return np.log(strength), parts


def components(met: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(models,), the smallest index of each model's part. met: (models, models), symmetric."""
    parts = np.arange(len(met))
    linked = met | np.eye(len(met), dtype=bool)
    for _ in range(len(met)):
        least = np.where(linked, parts[None, :], len(met)).min(axis=1, initial=len(met))
        if (least == parts).all():
            break
        parts = least
    return parts
