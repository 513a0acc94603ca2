"""How long the leaderboard takes to come, at a size that nobody would count anew for each page."""

import statistics
import time

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from accounts.models import Membership, Project
from annotate.models import Prompt, Response
from evaluate.boards import counting, keeping
from evaluate.models import Judgement, Tally
from registry.models import Job, ModelVersion
from tests.benchmarks.figure import Figure

JUDGEMENTS = 1_000_000
MODELS = 20
PROMPTS = 10_000
REQUESTS = 15


def leaderboard_page_ms(judgements: int = JUDGEMENTS) -> list[Figure]:
    """The page with nothing new, the page after one verdict came, and what counting that verdict takes.

    The first count and the first boards are made before; how long they took is a figure of its own.
    """
    project, client = seeded(judgements)
    begin = time.perf_counter()
    counting.count(project)
    first_count = time.perf_counter() - begin
    begin = time.perf_counter()
    keeping.boards(project)
    first_boards = time.perf_counter() - begin
    if (counted := sum(Tally.objects.values_list("n", flat=True))) != judgements:
        raise RuntimeError(f"{judgements:,} judgements were written and {counted:,} are counted.")
    still = [opened(client, project) for _ in range(REQUESTS)]
    after, one_count = [], []
    for number in range(REQUESTS):
        judge_once_more(project, number)
        after.append(opened(client, project))
        begin = time.perf_counter()
        counting.count(project)
        one_count.append((time.perf_counter() - begin) * 1000)
    begin = time.perf_counter()
    keeping.brought_up(project)
    renewed = time.perf_counter() - begin
    return [
        Figure("leaderboard_page_ms", round(statistics.median(still), 1), "ms"),
        Figure("leaderboard_page_after_a_verdict_ms", round(statistics.median(after), 1), "ms"),
        Figure("leaderboard_count_a_verdict_ms", round(statistics.median(one_count), 1), "ms"),
        Figure("leaderboard_renewed_s", round(renewed, 2), "s"),
        Figure("leaderboard_first_count_s", round(first_count, 2), "s"),
        Figure("leaderboard_first_boards_s", round(first_boards, 2), "s"),
    ]


def opened(client: Client, project: Project) -> float:
    begin = time.perf_counter()
    page = client.get(f"/p/{project.slug}/leaderboard/")
    if page.status_code != 200 or b"model-00" not in page.content:
        raise RuntimeError(f"The leaderboard answered {page.status_code}, or without its models.")
    return (time.perf_counter() - begin) * 1000


def seeded(judgements: int) -> tuple[Project, Client]:
    """`judgements` between MODELS models on PROMPTS prompts, by one judge; no two of the same two responses."""
    project = Project.objects.create(name="Many battles", slug=f"many-{time.time_ns()}")
    models = ModelVersion.objects.bulk_create(
        ModelVersion(project=project, name=f"model-{i:02}", role="policy", format="full", path="")
        for i in range(MODELS)
    )
    job = Job.objects.create(project=project, kind="judge", name="judge-1", status="succeeded", queue="cpu", params={})
    Prompt.objects.bulk_create(
        (Prompt(project=project, key=f"p{i}", messages=[{"role": "user", "content": "Why?"}]) for i in range(PROMPTS)),
        batch_size=5_000,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Response._meta.db_table} (prompt_id, model_id, text, setting, decoding, seed, sample,"
            " tokens, finish_reason, created_at) SELECT p.id, m.id, 'Because.', 'plain', '{}', 0, 0, 2, 'stop', now()"
            " FROM annotate_prompt p, registry_modelversion m WHERE p.project_id = %s AND m.project_id = %s",
            [project.pk, project.pk],
        )
        copied(cursor, project, job, [model.pk for model in models], judgements)
        cursor.execute("ANALYZE")
    user = get_user_model().objects.create(username=f"researcher-{time.time_ns()}")
    Membership.objects.create(user=user, project=project, role="researcher")
    client = Client()
    client.force_login(user)
    return project, client


def copied(cursor, project: Project, job: Job, models: list[int], judgements: int) -> None:  # type: ignore[no-untyped-def]
    """Pair after pair of models on prompt after prompt; the lower place wins more often the further they are apart."""
    responses: dict[int, list[int]] = {}
    for pk, prompt, _ in Response.objects.filter(prompt__project=project).order_by("prompt_id", "model_id").values_list(
        "pk", "prompt_id", "model_id"
    ).iterator(chunk_size=20_000):  # fmt: skip
        responses.setdefault(prompt, []).append(pk)
    prompts = list(responses.values())
    pairs = [(a, b) for a in range(MODELS) for b in range(a + 1, MODELS)]
    if judgements > len(prompts) * len(pairs):
        raise ValueError(f"{len(prompts):,} prompts and {len(pairs)} pairs have no {judgements:,} different battles.")
    columns = "project_id, job_id, judge_kind, judge_name, first_id, second_id, score_first, score_second, outcome," \
              " readings, created_at"  # fmt: skip
    with cursor.cursor.copy(f"COPY {Judgement._meta.db_table} ({columns}) FROM STDIN") as copy:
        for number in range(judgements):
            place, which = divmod(number, len(pairs)) if judgements > len(prompts) else (number, number % len(pairs))
            a, b = pairs[which]
            draw = (number * 2_654_435_761 % 2**32) / 2**32
            outcome = 1.0 if draw < 0.45 + 0.02 * (b - a) else 0.5 if draw < 0.5 + 0.02 * (b - a) else 0.0
            sides = prompts[place % len(prompts)]
            copy.write_row(
                [
                    project.pk,
                    job.pk,
                    "reward_model",
                    "rm-01",
                    sides[a],
                    sides[b],
                    outcome,
                    1 - outcome,
                    outcome,
                    "{}",
                    "now",
                ]
            )


def judge_once_more(project: Project, number: int) -> None:
    """A verdict by another judge, on a prompt that it has not seen."""
    prompt = Prompt.objects.filter(project=project).order_by("pk")[number]
    one, two = prompt.responses.order_by("pk")[:2]
    job = Job.objects.get(project=project)
    Judgement.objects.create(
        project=project, job=job, judge_kind="hidden_preference", judge_name="concise", first=one, second=two,
        score_first=1, score_second=0, outcome=1,
    )  # fmt: skip


BENCHMARKS = {"leaderboard_page_ms": leaderboard_page_ms}
YIELDS = {
    "leaderboard_page_ms": (
        "leaderboard_page_after_a_verdict_ms", "leaderboard_count_a_verdict_ms", "leaderboard_renewed_s",
        "leaderboard_first_count_s", "leaderboard_first_boards_s",
    )
}  # fmt: skip
