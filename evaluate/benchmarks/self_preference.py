"""self_preference: how often a judge chooses its own family where people see no difference.

Family: models that come from the same base as the judge. Of pairs that people and the judge saw, with one response of
the judge's family and one of another, those count where the votes of people are even; a fair judge chooses its own in
half.
"""

from collections.abc import Mapping

import numpy as np

from accounts.models import Project
from annotate.comparisons import comparisons
from annotate.models import Feedback
from evaluate.battles import KIND_WORDS, Voice, newest_verdicts, with_responses
from evaluate.benchmarks.base import Result
from evaluate.models import Judgement
from evaluate.stats import clustered_win_rate
from registry.models import ModelVersion

FAIR = 0.5
TOWARDS = ("its own family", "other families")
Pair = tuple[int, int]


def run(project: Project) -> list[Result]:
    verdicts = newest_verdicts(Judgement.objects.filter(project=project, judge_model__isnull=False)).values_list(
        "judge_kind", "judge_name", "judge_model_id", "first_id", "second_id", "first__model_id", "second__model_id",
        "outcome", "first__prompt_id",
    )  # fmt: skip
    rows = list(verdicts)
    if not rows:
        return []
    even, roots = even_pairs(project), families(project)
    chosen: dict[Voice, list[tuple[float, int]]] = {}
    uneven: dict[Voice, int] = {}
    for kind, name, judge, first, second, first_model, second_model, outcome, prompt in rows:
        own = [roots.get(model, -1) == roots[judge] for model in (first_model, second_model)]
        if own[0] == own[1] or first_model is None or second_model is None:
            continue
        voice = Voice(kind, name)
        if (min(first, second), max(first, second)) in even:
            chosen.setdefault(voice, []).append((outcome if own[0] else 1 - outcome, prompt))
        else:
            uneven[voice] = uneven.get(voice, 0) + 1
    found = []
    for voice in sorted(chosen, key=lambda voice: (list(KIND_WORDS).index(voice.kind), voice.name)):
        outcomes, prompts = zip(*chosen[voice], strict=True)
        rate = clustered_win_rate(outcomes, np.array(prompts))
        found.append(Result("self_preference", "chooses its own family", voice, rate, FAIR, TOWARDS,
                            left_out=uneven.get(voice, 0)))  # fmt: skip
    return found


def even_pairs(project: Project) -> set[Pair]:
    """Pairs of responses that people voted on, as often for the one as for the other."""
    votes = with_responses(comparisons(project)).exclude(origin=Feedback.Origin.SIMULATED)
    leaning: dict[Pair, int] = {}
    for zero, one, preference in votes.values_list("zero__response_id", "one__response_id", "preference"):
        pair = (min(zero, one), max(zero, one))
        towards = (preference or 0) if zero < one else -(preference or 0)
        leaning[pair] = leaning.get(pair, 0) + (towards > 0) - (towards < 0)
    return {pair for pair, lean in leaning.items() if lean == 0}


def families(project: Project) -> Mapping[int, int]:
    """Each model -> the one that it comes from in the end."""
    parents = dict(ModelVersion.objects.filter(project=project).values_list("pk", "parent_id"))

    def root(pk: int) -> int:
        while (parent := parents.get(pk)) is not None:
            pk = parent
        return pk

    return {pk: root(pk) for pk in parents}
