"""What the project's first page tells: how much is done, how good it is, what it has taught, who wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.utils.translation import get_language_info

from accounts.models import Project, User
from accounts.permissions import can_review
from annotate.models import Prompt
from annotate.moderation import flagged as moderation
from annotate.quality import progress as quality
from annotate.quality.progress import Day, Figure
from evaluate.leaderboard import Headline, headline
from evaluate.steps import Loop, next_step, page
from registry.models import Dataset, Job, ModelVersion

RECENT_JOBS = 100
LISTED = 5
FAILED_SHOWN = 3


@dataclass(frozen=True)
class Need:
    """A line of "Needs you": its state, what it is about, and the page that settles it."""

    state: str
    word: str
    name: str
    text: str
    act: str = ""
    url: str = ""


@dataclass(frozen=True)
class Overview:
    answered: int
    wanted: int
    simulated: int
    """Answers by simulated raters, of those that were given."""
    days: list[Day]
    languages: list[dict[str, Any]]
    agreement: Figure
    headline: Headline | None
    models: list[ModelVersion]
    datasets: list[Dataset]
    jobs: list[Job]
    job_counts: dict[str, int]
    needs: list[Need]

    @property
    def share(self) -> float | None:
        return self.answered / self.wanted if self.wanted else None

    @property
    def today(self) -> Day:
        return self.days[-1]

    @property
    def runs(self) -> int:
        return sum(self.job_counts.values())

    @property
    def running(self) -> int:
        return self.job_counts.get(Job.Status.RUNNING, 0)

    @property
    def policies(self) -> int:
        return sum(model.role == ModelVersion.Role.POLICY for model in self.models)

    @property
    def rewards(self) -> int:
        return sum(model.role == ModelVersion.Role.REWARD for model in self.models)


def overview(project: Project, *, user: User | None = None) -> Overview:
    """Everything on the page, in about ten queries whatever the size of the project. `user` is who looks at it."""
    languages = [row | {"name": language_name(row["lang"])} for row in quality.progress_by_language(project)]
    answered, wanted, simulated = (sum(row[name] for row in languages) for name in ("answered", "wanted", "simulated"))
    jobs = list(Job.objects.filter(project=project).select_related("dataset").order_by("-pk")[:RECENT_JOBS])
    models = list(ModelVersion.objects.filter(project=project).select_related("dataset").order_by("-pk"))
    datasets = list(Dataset.objects.filter(project=project).order_by("-pk"))
    for one in [*jobs, *models, *datasets]:
        one.project = project  # type: ignore[attr-defined]  # their addresses need it, and it is at hand
    counts = Job.objects.filter(project=project).order_by().values_list("status").annotate(n=Count("pk"))
    flagged = moderation.number_waiting(project)
    prompts = bool(wanted) or Prompt.objects.filter(project=project).exists()
    step = next_step(Loop(project, answered, wanted, datasets, models, jobs, prompts=prompts))
    needs = [*failures(jobs), *([moderate(flagged, project, user)] if flagged else []), *under_way(jobs)]
    if step:
        needs.append(Need("queued", "next", "", step.text, step.act, step.url))
    return Overview(
        answered=answered, wanted=wanted, simulated=simulated, days=quality.answers_a_day(project),
        languages=languages, agreement=quality.agreement(project), headline=headline(project), models=models,
        datasets=datasets, jobs=jobs, job_counts=dict(counts), needs=needs,
    )  # fmt: skip


def language_name(tag: str) -> str:
    """Spanish for es; a tag without a known name stays as it is."""
    if not tag:
        return "no language"
    try:
        return str(get_language_info(tag)["name"])
    except KeyError:
        return "Chinese" if tag.split("-")[0] == "zh" else tag


def failures(jobs: Sequence[Job]) -> list[Need]:
    """Failed runs that nobody has cloned since; newest first."""
    taken_up = {job.cloned_from_id for job in jobs}
    failed = [job for job in jobs if job.status == Job.Status.FAILED and job.pk not in taken_up]
    return [
        Need("failed", "failed", job.name, first_sentence(job.error), "Look", job.get_absolute_url())
        for job in failed[:FAILED_SHOWN]
    ]


def first_sentence(error: str) -> str:
    line = error.strip().split("\n")[0]
    return line.split(". ")[0].rstrip(".")[:140] or "stopped without a word"


def moderate(flagged: int, project: Project, user: User | None) -> Need:
    """Reviewers and above release or retire what was flagged: they are led there."""
    tasks = "task is" if flagged == 1 else "tasks are"
    text = f"{flagged:,} {tasks} given to nobody until a reviewer has looked"
    may = user is not None and can_review(user, project)
    return Need("warn", "flagged", "", text, "Look", page("flagged", project.slug) if may else "")


def under_way(jobs: Sequence[Job]) -> list[Need]:
    return [
        Need("running", "running", job.name, job.progress_text or "has started", "Watch", job.get_absolute_url())
        for job in jobs
        if job.status == Job.Status.RUNNING
    ]
