"""How far an evaluation is: what is done, what waits, what failed, and what could not be read."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from evaluate.evaluations import plan
from evaluate.models import Entrant, Evaluation, Judgement, JudgeRun
from registry.models import Job


@dataclass(frozen=True)
class Answers:
    """Of one entrant."""

    entrant: Entrant
    written: int
    wanted: int

    @property
    def state(self) -> str:
        return self.entrant.sample.status if self.entrant.sample else "succeeded"


@dataclass(frozen=True)
class Judged:
    """One judge run. `unparseable`: battles whose verdict could not be read, of the judge that reads."""

    run: JudgeRun
    battles: int
    verdicts: int
    unparseable: int | None


@dataclass(frozen=True)
class Progress:
    answers: list[Answers]
    judged: list[Judged]
    tasks: int
    answered: int
    """Answers of people, of `asked`."""
    asked: int

    @property
    def failed(self) -> list[Job]:
        jobs = [one.entrant.sample for one in self.answers if one.entrant.sample] + [one.run.job for one in self.judged]
        return [job for job in jobs if job.status in (Job.Status.FAILED, Job.Status.CANCELLED)]

    @property
    def running(self) -> bool:
        jobs = [one.entrant.sample for one in self.answers if one.entrant.sample] + [one.run.job for one in self.judged]
        return any(not job.is_finished for job in jobs)

    @property
    def verdicts(self) -> int:
        return sum(one.verdicts for one in self.judged)

    @property
    def unparseable(self) -> int:
        return sum(one.unparseable or 0 for one in self.judged)


def progress(evaluation: Evaluation) -> Progress:
    prompts = plan.prompts_of(evaluation)
    entrants = evaluation.entrants.select_related("model", "sample__project").annotate(
        own=Count("sample__responses", distinct=True)
    )
    answers = []
    for entrant in entrants:
        written = entrant.own if entrant.sample else from_file(entrant, prompts)
        answers.append(Answers(entrant, written, len(prompts)))
    open_ = evaluation.asked.aggregate(
        tasks=Count("pk"), answered=Sum("task__answered", default=0), asked=Sum("task__wanted", default=0)
    )
    return Progress(answers, judged(evaluation), **open_)


def from_file(entrant: Entrant, prompts: list[int]) -> int:
    return entrant.model.responses.filter(prompt__in=prompts).values("prompt").distinct().count()


def judged(evaluation: Evaluation) -> list[Judged]:
    read = Q(job__judgements__judge_kind=Judgement.Judge.JUDGE_MODEL)
    runs = evaluation.judge_runs.select_related("job__project", "first__model", "second__model").annotate(
        verdicts=Count("job__judgements"), read=Count("job__judgements", filter=read)
    )
    found = []
    for run in runs.order_by("pk"):
        battles = int(run.job.result.get("battles", 0))
        done = run.job.status == Job.Status.SUCCEEDED and evaluation.judge_model
        found.append(Judged(run, battles, run.verdicts, battles - run.read if done else None))
    return found
