"""REAL (Zhang et al. 2024, arXiv 2409.17169): the pairs whose responses are least alike first.

A pair of near copies is hard to tell apart and its label says little, so the paper labels the half that is least
similar and leaves the rest; it reports that up to 65% of the labels are saved. Stop when half of them are answered.

Similarity is the cosine of the responses' embeddings, the mean over all pairs where a task has more than two. A task is
known when all its responses are embedded by one encoder.
"""

from accounts.models import Project
from annotate.sampling.base import Sampler
from annotate.sampling.placing import Known

# 1 + mean cosine, from 0 (opposite) to 2 (the same); <=> is pgvector's 1 - cosine. Rounding may pass 2 by a hair.
# Vectors of two encoders may differ in length, on which <=> fails: they are kept apart before it is computed.
# OFFSET 0 keeps the planner from carrying whole vectors through a sort.
VALUES = """
SELECT task_id, greatest(0, 2 - avg(distance)) AS value
FROM (
    SELECT one.task_id, first.vector <=> second.vector AS distance
    FROM due
    JOIN annotate_taskresponse AS one ON one.task_id = due.id
    JOIN annotate_taskresponse AS two ON two.task_id = one.task_id AND two.position > one.position
    LEFT JOIN annotate_responseembedding AS first ON first.response_id = one.response_id
    LEFT JOIN annotate_responseembedding AS second
        ON second.response_id = two.response_id AND second.encoder = first.encoder
    OFFSET 0
) AS pair
GROUP BY task_id
HAVING count(distance) = count(*)
"""


def known(project: Project) -> Known:
    return Known(VALUES, source="By the cosine of the responses' embeddings.")


SAMPLER = Sampler(
    slug="dissimilar",
    title="Least similar responses",
    description=(
        "Tasks whose responses are least alike come first (REAL). Answer the first half and leave the rest: "
        "near copies say little. It needs embeddings of the responses."
    ),
    known=known,
    needs="have embeddings of all their responses",
    supply=lambda project: ("embed", "Launch an embedding run"),
)
