"""The tasks that the newest reward model is least sure of first.

Under Bradley and Terry (1952) the model expects that a beats b with probability sigmoid(r_a - r_b): the smaller the gap
between the rewards, the nearer that is to 1/2. With more than two responses the gap is that between the best two.
"""

from django.db.models import Exists, OuterRef

from accounts.models import Project
from annotate.models import ResponseScore
from annotate.sampling.base import Sampler
from annotate.sampling.placing import Known
from registry.models import ModelVersion

VALUES = """
SELECT shown.task_id,
       (array_agg(scored.score ORDER BY scored.score DESC))[1] - (array_agg(scored.score ORDER BY scored.score DESC))[2]
           AS value
FROM due
JOIN annotate_taskresponse AS shown ON shown.task_id = due.id
LEFT JOIN annotate_responsescore AS scored
    ON scored.response_id = shown.response_id AND scored.model_id = %(model)s
GROUP BY shown.task_id
HAVING count(scored.score) = count(*) AND count(*) > 1
"""


def model_of(project: Project) -> ModelVersion | None:
    """The newest reward model of the project that has scored any response."""
    rewards = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.REWARD)
    scored = rewards.filter(Exists(ResponseScore.objects.filter(model=OuterRef("pk"))))
    return scored.order_by("-created_at", "-pk").first()


def known(project: Project) -> Known | None:
    model = model_of(project)
    if model is None:
        return None
    return Known(VALUES, {"model": model.pk}, source=f"By the scores of the reward model {model.name}.")


def supply(project: Project) -> tuple[str, str]:
    if ModelVersion.objects.filter(project=project, role=ModelVersion.Role.REWARD).exists():
        return "score", "Launch a scoring run"
    return "train_reward", "Train a reward model first"


SAMPLER = Sampler(
    slug="uncertain",
    title="Where the reward model is unsure",
    description=(
        "Tasks come first whose responses the newest reward model scores nearly alike. "
        "It needs scores of the responses by a reward model."
    ),
    known=known,
    needs="have scores of all their responses",
    supply=supply,
)
