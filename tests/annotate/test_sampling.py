"""The order that each sampler makes against a plain reference, and what placing does while people work."""

import itertools
import math
import random
import threading
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from evalica import Winner
from evalica import bradley_terry as evalica_bradley_terry

from accounts.models import Project, User
from annotate import sampling
from annotate.models import (
    Assignment,
    Collection,
    Feedback,
    Prompt,
    Response,
    ResponseEmbedding,
    ResponseScore,
    Task,
    TaskResponse,
)  # fmt: skip
from annotate.sampling import SAMPLERS, overlap, placing
from annotate.sampling.ratings import bradley_terry, ratings
from registry.models import ModelVersion
from registry.specs import SPECS
from tests.factories import make_model, make_prompt

pytestmark = pytest.mark.django_db


def task_of(project: Project, models: Sequence[ModelVersion | None] = (None, None), **values: Any) -> Task:
    prompt = Prompt.objects.filter(project=project).first() or make_prompt(project)
    task = Task.objects.create(project=project, prompt=prompt, **values)
    for position, model in enumerate(models):
        response = Response.objects.create(prompt=prompt, text=f"answer {position}", setting="plain", model=model)
        TaskResponse.objects.create(task=task, response=response, position=position)
    return task


def responses_of(task: Task) -> list[Response]:
    return [row.response for row in task.task_responses.select_related("response")]


def embed(task: Task, vectors: Sequence[Sequence[float] | None], encoder: str = "small") -> None:
    for response, vector in zip(responses_of(task), vectors, strict=True):
        if vector is not None:
            ResponseEmbedding.objects.create(response=response, encoder=encoder, vector=list(vector))


def score(task: Task, model: ModelVersion, scores: Sequence[float | None]) -> None:
    for response, value in zip(responses_of(task), scores, strict=True):
        if value is not None:
            ResponseScore.objects.create(response=response, model=model, score=value)


def answer(task: Task, user: User, preference: int | None = None, **values: Any) -> Feedback:
    assignment, _ = Assignment.objects.get_or_create(
        task=task, annotator=user, defaults={"order": [0, 1], "lease_until": timezone.now() + timedelta(hours=1)}
    )
    given = {"kind": task.kind, "order": assignment.order, "value": {"strength": preference}, **values}
    return Feedback.objects.create(
        assignment=assignment, project=task.project, task=task, annotator=user, origin="human",
        preference=preference, idempotency_key=uuid.uuid4(), **given,
    )  # fmt: skip


def queue(project: Project) -> list[Task]:
    return list(Task.objects.filter(project=project).order_by("place", "pk"))


def source_of(slug: str, project: Project) -> str:
    ready = SAMPLERS[slug].readiness(project)
    assert ready is not None
    return ready.source


def raters(count: int) -> list[User]:
    return [User.objects.create_user(f"r-{number}") for number in range(count)]


@pytest.mark.parametrize("slug", [slug for slug, one in SAMPLERS.items() if one.keeps_priority])
def test_a_higher_priority_comes_first_whatever_is_known(project: Project, slug: str) -> None:
    reward, one, other = (
        make_model(project, "rm", role="reward"),
        make_model(project, "m-1"),
        make_model(project, "m-2"),
    )
    (user,) = raters(1)
    for number in range(30):
        task = task_of(project, (one, other), priority=random.Random(number).choice([-32768, -1, 0, 1, 2, 32767]))
        if number % 2:
            embed(task, [(1.0, 0.0), (math.cos(number), math.sin(number))])
            score(task, reward, [0.0, float(number)])
    answer(task_of(project, (one, other), wanted=2, answered=1), user, 1)
    SAMPLERS[slug].place(project)
    priorities = [task.priority for task in queue(project)]
    assert priorities == sorted(priorities, reverse=True)
    for task in queue(project):
        assert 0 <= task.place + task.priority < 1


def test_chance_ignores_priorities_where_it_shall(project: Project) -> None:
    for number in range(60):
        task_of(project, priority=number % 2)
    assert SAMPLERS["random"].place(project) == 60
    assert all(0 <= task.place < 1 for task in queue(project))
    assert 5 < sum(task.priority for task in queue(project)[:30]) < 25


def test_every_placing_is_a_new_draw(project: Project) -> None:
    for _ in range(30):
        task_of(project)
    orders = []
    for _ in range(2):
        assert SAMPLERS["priority"].place(project) == 30
        orders.append([task.pk for task in queue(project)])
    assert orders[0] != orders[1]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def test_least_similar_responses_come_first_and_unknown_ones_last(project: Project) -> None:
    draw = random.Random(1)
    expected: dict[int, float] = {}
    for number in range(24):
        count = 2 + number % 3
        vectors = [[draw.gauss(0, 1) for _ in range(4)] for _ in range(count)]
        task = task_of(project, (None,) * count)
        embed(task, vectors)
        expected[task.pk] = float(np.mean([cosine(*pair) for pair in itertools.combinations(vectors, 2)]))
    partly, none, mixed = task_of(project), task_of(project), task_of(project)
    embed(partly, [(1.0, 0.0, 0.0, 0.0), None])
    embed(mixed, [(1.0, 0.0, 0.0, 0.0), None])
    embed(mixed, [None, (1.0, 0.0)], encoder="another, of other length")
    assert SAMPLERS["dissimilar"].place(project) == 24
    order = [task.pk for task in queue(project)]
    assert order[:24] == sorted(expected, key=lambda pk: expected[pk])
    assert set(order[24:]) == {partly.pk, none.pk, mixed.pk}
    assert SAMPLERS["dissimilar"].readiness(project) == placing.Readiness(
        24, 27, source="By the cosine of the responses' embeddings."
    )


def test_a_vector_without_direction_is_unknown(project: Project) -> None:
    task = task_of(project)
    embed(task, [(0.0, 0.0), (1.0, 0.0)])
    assert SAMPLERS["dissimilar"].place(project) == 0
    assert 0.5 <= queue(project)[0].place < 1


def test_where_the_newest_reward_model_is_unsure_comes_first(project: Project) -> None:
    draw = random.Random(2)
    older, newer = make_model(project, "rm-1", role="reward"), make_model(project, "rm-2", role="reward")
    make_model(project, "rm-3", role="reward")  # newer still, and has scored nothing
    expected: dict[int, float] = {}
    for number in range(24):
        count = 2 + number % 3
        task = task_of(project, (None,) * count)
        scores = [draw.gauss(0, 3) for _ in range(count)]
        score(task, newer, scores)
        score(task, older, [-number * one for one in scores])
        best, second = sorted(scores, reverse=True)[:2]
        expected[task.pk] = best - second
    unknown = task_of(project)
    score(unknown, newer, [1.0, None])
    score(unknown, older, [1.0, 1.0])
    assert SAMPLERS["uncertain"].place(project) == 24
    assert [task.pk for task in queue(project)] == [*sorted(expected, key=lambda pk: expected[pk]), unknown.pk]
    assert source_of("uncertain", project) == "By the scores of the reward model rm-2."


def test_without_any_scores_all_are_unknown(project: Project) -> None:
    task_of(project)
    assert SAMPLERS["uncertain"].place(project) == 0
    assert SAMPLERS["uncertain"].readiness(project) == placing.Readiness(0, 1)
    assert source_of("uncertain", project) == ""
    assert 0.5 <= queue(project)[0].place < 1


def test_closest_models_come_first(project: Project) -> None:
    """a beats b narrowly and c clearly; d and e met only each other; f has no votes."""
    a, b, c, d, e, f = (make_model(project, f"m-{letter}") for letter in "abcdef")
    users = raters(10)
    votes = {(a, b): 6, (b, c): 8, (a, c): 9, (d, e): 10}
    for pair, won in votes.items():
        done = task_of(project, pair, wanted=10, answered=10, claimed=10)
        for number, user in enumerate(users):
            answer(done, user, 2 if number < won else -1)
    taken_back = answer(task_of(project, (c, a), wanted=2, answered=1), users[0], 3)
    Feedback.objects.filter(pk=taken_back.pk).update(withdrawn_at=timezone.now())
    Task.objects.filter(pk=taken_back.task_id).update(flagged=True, answered=2)
    open_pairs = [(a, c), (c, b), (b, a), (d, e), (a, d), (a, f), (a, a), (a, None)]
    named = {task_of(project, pair).pk: pair for pair in open_pairs}
    found = ratings(project)
    assert found.votes == 40
    value = dict(zip(found.models, found.values, strict=True))
    assert SAMPLERS["closest"].place(project) == 4
    order = [named[task.pk] for task in queue(project) if task.pk in named]
    gaps = [abs(value[one.pk] - value[other.pk]) for one, other in order[:4] if one and other]
    assert order[0] == (b, a) and order[3] == (d, e)
    assert gaps == sorted(gaps)
    assert set(order[4:]) == {(a, d), (a, f), (a, a), (a, None)}
    assert Task.objects.filter(answered__gte=10, place=0).count() == 4, "what is done stays where it is"
    assert source_of("closest", project) == "By 40 votes on 5 models, as they stand now."


def test_one_answer_of_several_steps_is_one_vote(project: Project) -> None:
    one, other = make_model(project, "m-1"), make_model(project, "m-2")
    (user,) = raters(1)
    task = task_of(project, (one, other))
    answer(task, user, None, kind="critique")
    answer(task, user, 0, step=1)
    answer(task, user, 2, step=2, kind="rubric")
    found = ratings(project)
    assert (found.votes, found.values) == (1, [0.0, 0.0])


def test_ratings_agree_with_evalica() -> None:
    wins = np.random.default_rng(0).integers(1, 30, size=(6, 6)).astype(float)
    np.fill_diagonal(wins, 0)
    battles = [(i, j) for i in range(6) for j in range(6) for _ in range(int(wins[i, j]))]
    theirs = evalica_bradley_terry(
        [f"m-{i}" for i, _ in battles], [f"m-{j}" for _, j in battles], [Winner.X] * len(battles),
        tolerance=1e-12, limit=5000,
    ).scores  # fmt: skip
    values, parts = bradley_terry(wins, prior=0)
    expected = np.log([theirs[f"m-{i}"] for i in range(6)])
    assert values == pytest.approx(expected - expected.mean(), abs=1e-6)
    assert set(parts) == {0}


def test_ratings_of_two_and_of_none() -> None:
    values, parts = bradley_terry(np.array([[0.0, 3.0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1.0], [0, 0, 1.0, 0]]))
    assert values[0] - values[1] == pytest.approx(math.log(3.5 / 0.5)), "with half a win a side on top"
    assert values[2:] == pytest.approx([0, 0])
    assert parts.tolist() == [0, 0, 2, 2]
    assert bradley_terry(np.zeros((0, 0)))[0].size == 0


def test_many_steps_place_all_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Project.objects.create(name="Other", slug="other")
    monkeypatch.setattr(placing, "NARROWEST", 3)
    mine = []
    for number in range(40):
        mine.append(task_of(project).pk)
        theirs = task_of(other, place=7.0, answered=number % 2)
    heard: list[tuple[int, int]] = []
    assert SAMPLERS["priority"].place(project, tell=lambda done, total: heard.append((done, total))) == 40
    assert {task.pk for task in queue(project) if task.place != 0} == set(mine)
    assert set(Task.objects.filter(project=other).values_list("place", flat=True)) == {7.0}
    assert heard[-1] == (40, 40) and len(heard) > 10
    Task.objects.filter(pk=theirs.pk).update(project=project, answered=0)  # far from the others, behind a gap
    Task.objects.filter(project=project).exclude(pk__in=[mine[0], theirs.pk]).update(answered=1)
    assert SAMPLERS["priority"].place(project) == 2


def test_gold_and_test_tasks_keep_their_order(project: Project) -> None:
    for purpose in ("gold", "test", "turn"):
        task_of(project, purpose=purpose, wanted=32_000, place=0.25)
    task_of(project)
    for sampler in SAMPLERS.values():
        sampler.place(project)
        assert not (ready := sampler.readiness(project)) or ready.tasks == 1
    assert set(Task.objects.exclude(purpose="work").values_list("place", flat=True)) == {0.25}


def test_what_is_missing_has_a_job(project: Project) -> None:
    supplies = {slug: one.supply(project) for slug, one in SAMPLERS.items() if one.supply}
    assert supplies["dissimilar"] == ("embed", "Launch an embedding run")
    assert supplies["uncertain"] == ("train_reward", "Train a reward model first")
    make_model(project, "rm", role="reward")
    assert SAMPLERS["uncertain"].supply(project) == ("score", "Launch a scoring run")  # type: ignore[misc]
    assert {kind for kind, _ in supplies.values()} <= SPECS.keys()


def test_nothing_to_place(project: Project) -> None:
    for sampler in SAMPLERS.values():
        assert sampler.place(project) == 0
        assert not (ready := sampler.readiness(project)) or (ready.known, ready.tasks) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_task_in_use_is_not_waited_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "PAUSE", 0.01)
    held, free = task_of(project, place=9.0), task_of(project, place=9.0)
    with transaction.atomic():
        Task.objects.select_for_update().get(pk=held.pk)
        placing_elsewhere(project)
    places = dict(Task.objects.values_list("pk", "place"))
    assert places[held.pk] == 9.0 and places[free.pk] < 1


@pytest.mark.django_db(transaction=True)
def test_a_task_that_was_in_use_is_placed_at_the_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    held, gone = task_of(project, place=9.0), task_of(project, place=9.0)
    reached = threading.Event()
    released = threading.Event()

    def pause(seconds: float) -> None:
        reached.set()
        assert released.wait(10)

    monkeypatch.setattr("annotate.sampling.placing.time.sleep", pause)
    other = threading.Thread(target=placing_here, args=(project,))
    with transaction.atomic():
        list(Task.objects.select_for_update().filter(pk__in=[held.pk, gone.pk]))
        other.start()
        assert reached.wait(10)
        Task.objects.filter(pk=gone.pk).update(answered=1)
    released.set()
    other.join(10)
    places = dict(Task.objects.values_list("pk", "place"))
    assert places[held.pk] < 1 and places[gone.pk] == 9.0


def placing_elsewhere(project: Project) -> None:
    other = threading.Thread(target=placing_here, args=(project,))
    other.start()
    other.join(10)
    assert not other.is_alive()


def placing_here(project: Project) -> None:
    try:
        SAMPLERS["priority"].place(project)
    finally:
        connection.close()


def test_the_project_says_which_sampler(project: Project) -> None:
    task_of(project)
    assert sampling.chosen(project).slug == "priority"
    assert sampling.place_if_chosen(project, "dissimilar") is None
    assert sampling.place_if_chosen(project, "priority") == 1
    Collection.objects.create(project=project, sampler="dissimilar")
    assert sampling.place_queue(project) == 0
    assert sampling.place_if_chosen(project, "dissimilar") == 0
    Collection.objects.update(sampler="of another version")
    assert sampling.chosen(project).slug == "priority"


def test_a_new_choice_ends_the_old_placing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "NARROWEST", 1)
    for _ in range(40):
        task_of(project)

    def choose(done: int, total: int) -> None:
        Collection.objects.update_or_create(project=project, defaults={"sampler": "random"})

    with pytest.raises(sampling.Superseded, match="given up"):
        sampling.place_queue(project, tell=choose)
    assert Task.objects.filter(place=0).exists(), "it went no further"
    Collection.objects.update(sampler="priority")
    assert sampling.place_if_chosen(project, "priority", tell=choose) is None


def test_readiness_of_many_tasks_is_estimated(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(80):
        task = task_of(project)
        if number % 4:
            embed(task, [(1.0, 0.0), (0.0, 1.0)])
    monkeypatch.setattr(placing, "DRAWN", 60)
    ready = SAMPLERS["dissimilar"].readiness(project)
    assert ready and not ready.exact and ready.tasks == 80
    assert 20 <= ready.known <= 80


# Adaptive overlap


def overlapped(project: Project, kind: str = "pairwise", **values: Any) -> Task:
    return task_of(project, **{"kind": kind, "wanted": 2, "answered": 2, "claimed": 2, "ceiling": 4, **values})


@pytest.mark.parametrize("kind", ["pairwise", "chat", "rubric"])
@pytest.mark.parametrize(
    ("preferences", "wanted"),
    [
        ((1, 3), False), ((1, -1), True), ((0, 0), False), ((0, 1), True), ((None, None), False), ((2, None), False),
        (("bad", "bad"), False), (("bad", 0), True), ((-3, "bad"), True),
    ],
)  # fmt: skip
def test_raters_who_prefer_different_sides(kind: str, preferences: Sequence[Any], wanted: bool) -> None:
    task = Task(kind=kind, wanted=2, answered=2, ceiling=3)
    answers = [
        Feedback(kind=kind, preference=None if one == "bad" else one, value={"both_bad": True} if one == "bad" else {})
        for one in preferences
    ]
    assert overlap.another_wanted(task, answers) is wanted


@pytest.mark.parametrize(
    "values", [{"ceiling": None}, {"wanted": 4, "answered": 4}, {"answered": 1}, {"ceiling": 2}, {"ceiling": 1}]
)
def test_no_more_than_is_asked_for(values: dict[str, Any]) -> None:
    task = Task(**{"wanted": 2, "answered": 2, "ceiling": 4, **values})
    assert not overlap.another_wanted(task, [Feedback(kind="pairwise", preference=one, value={}) for one in (1, -1)])


def test_critiques_are_not_compared_and_a_later_step_is() -> None:
    task = Task(kind="critique", wanted=2, answered=2, ceiling=4)
    critiques = [Feedback(kind="critique", step=0, value={"text": text}) for text in "ab"]
    assert not overlap.another_wanted(task, critiques)
    later = [Feedback(kind="pairwise", step=1, preference=one, value={}) for one in (1, -1)]
    assert overlap.another_wanted(task, critiques + later)
    first = [Feedback(kind="pairwise", step=0, preference=1, value={}) for _ in range(2)]
    assert not overlap.another_wanted(task, first + later), "the first step that can be compared decides"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 2, 3), (1, 2, 3), 1), ((1, 2, 3), (3, 2, 1), -1), ((1, 2, 3), (2, 1, 3), 1 / 3),
        ((1, 1, 1), (1, 1, 1), 1), ((1, 1, 3), (1, 2, 3), 2 / 3), ((1,), (1,), 1), ((), (), 1),
    ],
)  # fmt: skip
def test_tau(one: Sequence[int], other: Sequence[int], expected: float) -> None:
    assert overlap.tau(dict(enumerate(one)), dict(enumerate(other))) == pytest.approx(expected)


def test_jaccard() -> None:
    assert overlap.jaccard(frozenset({0, 1}), frozenset({1, 2})) == pytest.approx(1 / 3)
    assert overlap.jaccard(frozenset(), frozenset()) == 1
    assert overlap.jaccard(frozenset(), frozenset({1})) == 0


def test_widening_asks_one_more_up_to_the_ceiling(project: Project) -> None:
    task = overlapped(project)
    users = raters(4)
    for user, preference in zip(users, (1, -1, 2, 1), strict=True):
        answer(task, user, preference)
    assert overlap.widen(task)
    task.refresh_from_db()
    assert (task.wanted, task.answered) == (3, 2)
    assert not overlap.widen(task), "the third answer is not there yet"
    task.answered = 3
    assert overlap.widen(task)
    task.answered = 4
    assert not overlap.widen(task), "the ceiling is reached"


def test_answers_taken_back_do_not_count(project: Project) -> None:
    task = overlapped(project)
    one, other = raters(2)
    answer(task, one, 1, withdrawn_at=timezone.now())
    answer(task, one, -1)
    answer(task, other, -1)
    assert not overlap.widen(task)
    task.refresh_from_db()
    assert task.wanted == 2


def test_a_task_without_a_ceiling_costs_no_query(project: Project, django_assert_num_queries: Any) -> None:
    task = overlapped(project, ceiling=None)
    with django_assert_num_queries(0):
        assert not overlap.widen(task)
