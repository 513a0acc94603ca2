"""Who wins: ratings and win rates of the models of a project, by people and by each judge."""

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef
from django.urls import reverse

from accounts.models import Project
from evaluate.battles import Voice, held_out, judged
from evaluate.boards import keeping
from evaluate.boards.board import Board, turned
from evaluate.boards.slices import ALL, Slice
from evaluate.models import Judgement
from evaluate.stats import Estimate, clustered_win_rate
from registry.models import Job


def boards(project: Project, chosen: Slice = ALL) -> list[Board]:
    """A board a voice that has battles between different models, on prompts that none of them was trained on."""
    return keeping.boards(project, chosen)


def battles_url(project: Project, first: str, second: str, voice: Voice | None = None, *, chosen: Slice = ALL) -> str:
    query = {"first": first, "second": second} | ({"judge": voice.key} if voice else {}) | chosen.query
    return f"{reverse('battles', args=[project.slug])}?{urlencode(query)}"


@dataclass(frozen=True)
class Verdict:
    """One judge's win rate of the headline's first model."""

    voice: Voice
    rate: Estimate
    url: str


@dataclass(frozen=True)
class Headline:
    """What the newest judge job found. `rate.clusters` is the number of prompts."""

    job: Job
    first: str
    second: str
    verdicts: list[Verdict] = field(default_factory=list)
    trained: int = 0

    @property
    def main(self) -> Verdict:
        """The reward model's verdict where there is one: a project with people in it has no hidden preference."""
        known = [one for one in self.verdicts if one.rate.defined] or self.verdicts
        return next((one for one in known if one.voice.kind == "reward_model"), known[0])

    @property
    def sentence(self) -> str:
        return finding(self.first, self.second, self.main.rate)


def headline(project: Project, *, job: Job | None = None) -> Headline | None:
    """A finished judge job's win rate of its first model against its second, by each judge; of the newest by default.

    Only battles on prompts that neither model was trained on, nor the judge, count. None before there is such a job;
    one that compared a model with itself is none.
    """
    job = job or newest_judge_job(project)
    found = judged(project, job=job) if job else []
    if job is None or not found:
        return None
    first, second = Counter(zip(found[0].first.tolist(), found[0].second.tolist(), strict=True)).most_common(1)[0][0]
    fair = held_out(project, found)
    verdicts = []
    for one in fair:
        rate = clustered_win_rate(*one.between(first, second))
        verdicts.append(Verdict(one.voice, rate, battles_url(project, first, second, one.voice)))
    return Headline(job, first, second, verdicts, max(one.trained for one in fair))


def newest_judge_job(project: Project) -> Job | None:
    """Of those that compared two different models."""
    verdicts = Judgement.objects.filter(
        job=OuterRef("pk"), first__model__isnull=False, second__model__isnull=False
    ).exclude(first__model=F("second__model"))
    return (
        Job.objects.filter(Exists(verdicts), project=project, kind="judge", status=Job.Status.SUCCEEDED)
        .select_related("project")
        .order_by("-pk")
        .first()
    )


def finding(first: str, second: str, rate: Estimate) -> str:
    """The win rate as a sentence that claims no more than its interval."""
    if rate.value is None or rate.low is None or rate.high is None:
        return f"{first} and {second} have no held-out battle yet"
    if not rate.excludes(0.5):
        return f"{first} and {second} cannot be told apart yet: {rate.value:.0%}, {between(rate)}"
    better, worse, shown = (first, second, rate) if rate.value > 0.5 else (second, first, turned(rate))
    return f"{better} beats {worse} in {shown.value:.0%} of battles, {between(shown)}"


def between(rate: Estimate) -> str:
    """The interval of a share in words: between 63 and 78."""
    if rate.low is None or rate.high is None:
        return "no interval"
    return f"between {rate.low * 100:.0f} and {rate.high * 100:.0f}"


def findings(board: Board) -> str:
    """One sentence for a board: how many models are surely above the one that all are read against."""
    rows, anchor = board.ratings.rows, board.ratings.anchor
    if board.ratings.problem:
        return board.ratings.problem
    if len(rows) == 2:
        one, other = rows[0].model, rows[1].model
        return finding(one, other, board.pairs[one, other]) + "."
    others = [row for row in rows if row.model != anchor]
    above = [row.model for row in others if anchor and row.low > 1000]
    if not above:
        return f"No model is above {anchor} with certainty." if anchor else f"{rows[0].model} leads."
    if len(above) == 1:
        return f"{above[0]} is above {anchor} with certainty."
    listed = [*above[:2], f"{len(above) - 2} others"] if above[3:] else above
    return f"{', '.join(listed[:-1])} and {listed[-1]} are above {anchor} with certainty."
