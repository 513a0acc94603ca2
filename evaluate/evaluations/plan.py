"""What an evaluation will do and what it costs, before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from accounts.models import Project
from annotate.models import Prompt, Response
from evaluate.models import Evaluation
from registry.models import Job, ModelVersion
from registry.specs import SampleSpec

NEWEST = 20
"""Finished runs that an estimate looks at."""


@dataclass(frozen=True)
class Cost:
    """`seconds` is None where no finished run of the project says how fast such work is."""

    prompts: int
    responses: int
    """Still to be written."""
    pairs: int
    battles: int
    """A round of judging: at most the batch."""
    verdicts: int
    """Of that round, by all judges."""
    answers: int
    """Of that round, by people."""
    seconds: float | None


def prompts_of(evaluation: Evaluation) -> list[int]:
    """The prompts that it is about, as the job `sample` would choose them.

    A dataset names its prompts in its rows, which only a worker reads; its lineage says the same.
    """
    found = Prompt.objects.filter(project=evaluation.project)
    if evaluation.dataset is None:
        found = found.exclude(origin=Prompt.Origin.CHAT)
    else:
        lineage = evaluation.dataset.lineage.all()
        if evaluation.split != Evaluation.Split.ALL:
            lineage = lineage.filter(split=evaluation.split)
        found = found.filter(pk__in=lineage.values("feedback__task__prompt"))
    if evaluation.tag:
        found = found.filter(tags__contains=[evaluation.tag])
    return list(found.order_by("key").values_list("pk", flat=True))


def sample_params(evaluation: Evaluation, model: ModelVersion) -> dict[str, object]:
    """Settings of the job that lets the model answer."""
    spec = SampleSpec(
        model=model.name, dataset=str(evaluation.dataset) if evaluation.dataset else "", split=evaluation.split,
        tag=evaluation.tag, decoding=[evaluation.decoding],
    )  # fmt: skip
    return spec.model_dump(mode="json")


def sampled(evaluation: Evaluation, model: ModelVersion) -> Job | None:
    """A run that wrote, or is about to write, just these answers."""
    runs = Job.objects.filter(
        project=evaluation.project, kind="sample", params=sample_params(evaluation, model),
        status__in=[Job.Status.SUCCEEDED, Job.Status.RUNNING, Job.Status.QUEUED],
    )  # fmt: skip
    return runs.order_by("-pk").first()


def is_from_file(model: ModelVersion) -> bool:
    return bool(model.format == ModelVersion.Format.OUTPUTS)


def cost_of(evaluation: Evaluation, models: Sequence[ModelVersion]) -> Cost:
    prompts = len(prompts_of(evaluation))
    missing = [one for one in models if not is_from_file(one) and sampled(evaluation, one) is None]
    responses = len(missing) * prompts
    own = [one for one in models if not is_from_file(one)]
    pairs, judged = len(models) * (len(models) - 1) // 2, len(own) * (len(own) - 1) // 2
    battles = min(evaluation.batch, pairs * prompts)
    # Judges take whole pairs, people single battles.
    by_judge = (
        min(judged, max(1, round(evaluation.batch / prompts))) * prompts if prompts and evaluation.has_judge else 0
    )
    judges = sum(map(bool, (evaluation.reward_model, evaluation.judge_model, evaluation.hidden_preference)))
    answers = battles * evaluation.raters
    times = [(responses, pace(evaluation.project, "sample")), (by_judge, pace(evaluation.project, "judge"))]
    known = all(one is not None for number, one in times if number)
    seconds = sum(number * (one or 0.0) for number, one in times) if known else None
    return Cost(
        prompts,
        responses,
        pairs,
        max(battles if evaluation.raters else 0, by_judge),
        by_judge * judges,
        answers,
        seconds,
    )


def pace(project: Project, kind: str) -> float | None:
    """Seconds a response or a battle took in the newest finished runs, the middle one; None without any."""
    newest = Job.objects.filter(project=project, kind=kind, status=Job.Status.SUCCEEDED).order_by("-pk")[:NEWEST]
    made = {"sample": "responses", "judge": "battles"}[kind]
    paces = [job.seconds / job.result[made] for job in newest if job.seconds and job.result.get(made)]
    return median(paces) if paces else None


def has_answers(evaluation: Evaluation, model: ModelVersion) -> bool:
    return Response.objects.filter(model=model, prompt__in=prompts_of(evaluation)).exists()
