"""Adjudication: which items come, in which order, and verdicts that lose nothing when two people settle at once."""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import QueryDict
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Membership, Project, User
from accounts.pseudonyms import rater_name
from annotate import services
from annotate.kinds import AnswerError
from annotate.models import Assignment, Collection, Contradiction, Feedback, Protocol, SentBack, Task, Verdict
from annotate.moderation import adjudication, disagreement, verdict_words
from annotate.services import Refused
from tests.conftest import member
from tests.factories import make_prompt, make_raters, make_response, make_task, make_vote

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/adjudicate/"


@pytest.fixture(autouse=True)
def forget_counts() -> None:
    cache.clear()


def disputed(project: Project, votes: Sequence[int | str], key: str = "p-1", **values: Any) -> Task:
    """A finished task with these votes, by raters of its own."""
    task = make_task(project, key, wanted=len(votes), **values)
    for user, vote in zip(make_raters(project, len(votes), prefix=key), votes, strict=True):
        make_vote(task, user, vote)
    return Task.objects.get(pk=task.pk)


def settle(task: Task, user: User, strength: str = "1", reason: str = "A is exact.", **values: Any) -> Verdict:
    return adjudication.settle(
        task=task, adjudicator=user, data={"strength": strength, "reason": reason},
        **{"idempotency_key": uuid.uuid4(), **values},
    )  # fmt: skip


def queue_of(project: Project) -> list[int]:
    return list(disagreement.waiting(project, fresh=True).head)


# --- Which items come ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("votes", "agreement"),
    [([1, 3], 1), ([1, -1], 0), ([1, 2, -1], 1 / 3), ([1, 0, "both_bad"], 0), ([0, 0, "both_bad", 1], 1 / 6)],
)
def test_agreement_is_the_share_of_agreeing_pairs(project: Project, votes: list[Any], agreement: float) -> None:
    task = disputed(project, votes)
    answers = list(Feedback.current.filter(task=task))
    assert disagreement.agreement_of("pairwise", answers) == pytest.approx(agreement)
    assert disagreement.by_side(project, 2.0) == {task.pk: (pytest.approx(agreement), False)}
    assert queue_of(project) == ([task.pk] if agreement < 0.67 else [])
    assert disagreement.still_waiting(task, 0.67) == (agreement < 0.67)


def test_the_threshold_is_the_projects(project: Project) -> None:
    task = disputed(project, [1, 1, -1])
    assert queue_of(project) == [task.pk]
    Collection.objects.create(project=project, settle_below=0.3)
    assert queue_of(Project.objects.get(pk=project.pk)) == []


def test_only_items_with_all_answers_in(project: Project) -> None:
    task = make_task(project, wanted=3)
    raters = make_raters(project, 3)
    make_vote(task, raters[0], 1), make_vote(task, raters[1], -1)
    assert queue_of(project) == []
    make_vote(task, raters[2], -1)
    assert queue_of(project) == [task.pk]


def test_flagged_gold_and_settled_items_do_not_come(project: Project, reviewer: User) -> None:
    flagged, gold, settled, open_one = (disputed(project, [1, -1], f"p-{n}") for n in range(4))
    Task.objects.filter(pk=flagged.pk).update(flagged=True)
    Task.objects.filter(pk=gold.pk).update(purpose="gold", gold={"accept": {"side": 0}})
    settle(settled, reviewer)
    assert queue_of(project) == [open_one.pk]


def test_most_disagreement_first_then_safety_then_age(project: Project) -> None:
    some = disputed(project, [1, 1, -1], "p-1")
    none, dangerous = disputed(project, [1, -1], "p-2"), disputed(project, [1, -1], "p-3")
    dangerous.prompt.tags = ["safety"]
    dangerous.prompt.save()
    assert queue_of(project) == [dangerous.pk, none.pk, some.pk]


def test_kept_contradictions_come_too(project: Project) -> None:
    task = disputed(project, [1], "p-1")
    Contradiction.objects.create(
        assignment=task.assignments.get(), project=project, rule="vote_against_ratings", resolution="changed"
    )
    assert queue_of(project) == []
    Contradiction.objects.update(resolution="kept", detail={"told": "Your ratings favour A."})
    assert queue_of(project) == [task.pk]
    assert disagreement.still_waiting(task, 0.67)


rankings = st.lists(st.sampled_from([1, 2, 3, None]), min_size=3, max_size=3)


@given(rankings, rankings)
@settings(max_examples=60, deadline=None)
def test_kendall_is_symmetric_and_between_0_and_1(one: list[Any], other: list[Any]) -> None:
    a, b = (disagreement.places_of({"ranks": ranks}, [0, 1, 2]) for ranks in (one, other))
    found = disagreement.kendall(a, b)
    assert 0 <= found <= 1
    assert found == pytest.approx(disagreement.kendall(b, a))
    assert disagreement.kendall(a, a) == 1


def test_kendall_and_jaccard_by_hand() -> None:
    first = {0: 1, 1: 2, 2: 3}
    assert disagreement.kendall(first, {0: 3, 1: 2, 2: 1}) == 0
    assert disagreement.kendall(first, {0: 2, 1: 1, 2: 3}) == pytest.approx((1 / 3 + 1) / 2)
    # tau-b with one tie: S = 2, untied 3 and 2.
    assert disagreement.kendall(first, {0: 1, 1: 1, 2: 2}) == pytest.approx((2 / 6**0.5 + 1) / 2)
    assert disagreement.jaccard(frozenset({0, 1}), frozenset({1, 2})) == pytest.approx(1 / 3)
    assert disagreement.jaccard(frozenset(), frozenset()) == 1


@pytest.mark.parametrize(
    ("kind", "alike", "apart"),
    [
        ("ranking", [{"ranks": [1, 2, 3]}] * 2, [{"ranks": [1, 2, 3]}, {"ranks": [3, 2, 1]}]),
        ("selection", [{"fits": [0, 2]}] * 2, [{"fits": [0]}, {"none": True}]),
    ],
)
def test_rankings_and_selections(project: Project, kind: str, alike: list[Any], apart: list[Any]) -> None:
    found = {}
    for key, values in (("alike", alike), ("apart", apart)):
        prompt = make_prompt(project, key)
        task = services.create_task(
            prompt=prompt, responses=[make_response(prompt, f"{key} {n}") for n in range(3)], kind=kind, wanted=2
        )
        for user, value in zip(make_raters(project, 2, prefix=f"{kind}-{key}"), values, strict=True):
            answered(task, user, kind, value)
        found[key] = task
    assert queue_of(project) == [found["apart"].pk]
    assert disagreement.still_waiting(Task.objects.get(pk=found["apart"].pk), 0.67)
    assert not disagreement.still_waiting(Task.objects.get(pk=found["alike"].pk), 0.67)


def answered(task: Task, user: User, kind: str, value: dict[str, Any], **values: Any) -> Feedback:
    """A stored answer to a one-step task, by hand."""
    from django.db.models import F
    from django.utils import timezone

    order = list(range(task.task_responses.count()))
    assignment = Assignment.objects.create(
        task=task, annotator=user, status="submitted", lease_until=timezone.now(), order=order,
        finished_at=timezone.now(),
    )  # fmt: skip
    Task.objects.filter(pk=task.pk).update(claimed=F("claimed") + 1, answered=F("answered") + 1)
    return Feedback.objects.create(
        assignment=assignment, project=task.project, task=task, annotator=user, kind=kind, origin="human",
        order=order, value=value, idempotency_key=uuid.uuid4(), **values,
    )  # fmt: skip


# --- Verdicts -----------------------------------------------------------------------------------------------


def test_a_verdict_is_its_own_record_and_changes_no_answer(project: Project, reviewer: User) -> None:
    task = disputed(project, [2, -1])
    before = list(Feedback.objects.values_list("pk", "value", "withdrawn_at"))
    verdict = settle(task, reviewer, "3")
    order = adjudication.order_for(task, reviewer)
    assert verdict.order == order
    assert verdict.preference == (3 if order[0] == 0 else -3)
    assert list(Feedback.objects.values_list("pk", "value", "withdrawn_at")) == before
    assert queue_of(project) == []


def test_a_changed_verdict_supersedes(project: Project, reviewer: User, researcher: User) -> None:
    task = disputed(project, [2, -1])
    first = settle(task, reviewer, "3")
    second = settle(task, researcher, "0", "Both are right.", seen=first.pk)
    first.refresh_from_db()
    assert first.withdrawn_at and second.supersedes_id == first.pk
    assert Verdict.objects.get(task=task, withdrawn_at=None) == second


def test_the_same_form_twice_is_one_verdict(project: Project, reviewer: User) -> None:
    task, key = disputed(project, [2, -1]), uuid.uuid4()
    assert settle(task, reviewer, idempotency_key=key) == settle(task, reviewer, idempotency_key=key)
    other = disputed(project, [2, -1], "p-2")
    with pytest.raises(Refused, match="used for another item"):
        settle(other, reviewer, idempotency_key=key)
    assert Verdict.objects.count() == 1


def test_the_second_of_two_is_told(project: Project, reviewer: User, researcher: User) -> None:
    task = disputed(project, [2, -1])
    settle(task, reviewer, "both_bad")
    with pytest.raises(Refused, match=r"ravi settled this item meanwhile \(both bad\)"):
        settle(task, researcher, "1")
    assert Verdict.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_adjudicators_at_once(project: Project, reviewer: User, researcher: User) -> None:
    task, barrier = disputed(project, [2, -1]), threading.Barrier(2)

    def run(user: User) -> str:
        try:
            barrier.wait()
            settle(task, user)
            return "stored"
        except Refused as error:
            return "told" if "meanwhile" in str(error) else str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, [reviewer, researcher])) == ["stored", "told"]
    assert Verdict.objects.filter(withdrawn_at=None).count() == Verdict.objects.count() == 1


def test_take_an_answer(project: Project, reviewer: User) -> None:
    task = disputed(project, [2, -1])
    taken = Feedback.current.filter(task=task).last()
    assert taken
    verdict = settle(task, reviewer, f"take-{taken.pk}")
    shown = adjudication.order_for(task, reviewer)
    assert (verdict.order, verdict.preference) == (shown, -1)
    assert verdict.value == {"strength": -1 if shown[0] == 0 else 1}


def test_forged_and_stale_choices_are_refused(project: Project, reviewer: User) -> None:
    task, other = disputed(project, [2, -1]), disputed(project, [2, -1], "p-2")
    foreign, own = (Feedback.current.filter(task=one).first() for one in (other, task))
    assert foreign and own
    services.undo(project=project, annotator=own.annotator)
    for strength in (f"take-{foreign.pk}", f"take-{own.pk}", "take-", "take-1e9", f"take-{'9' * 30}", "7", ""):
        with pytest.raises(AnswerError):
            settle(task, reviewer, strength)
    with pytest.raises(AnswerError, match="not told why"):
        settle(task, reviewer, "1", "  ")
    with pytest.raises(AnswerError):
        settle(task, reviewer, "1", "x" * 3_000)
    assert not Verdict.objects.exists()


def test_undo_opens_the_item_again(project: Project, reviewer: User, researcher: User) -> None:
    task = disputed(project, [2, -1])
    verdict = settle(task, reviewer)
    with pytest.raises(Refused, match="no verdict of yours"):
        adjudication.undo_verdict(project=project, adjudicator=researcher)
    assert adjudication.undo_verdict(project=project, adjudicator=reviewer) == verdict
    assert queue_of(project) == [task.pk]
    again = settle(task, reviewer, "-1")
    assert again.supersedes_id == verdict.pk


def test_words_are_in_the_letters_of_who_reads_them(project: Project, annotator: User) -> None:
    task = make_task(project)
    step = disagreement.compared_in(task)
    assert adjudication.relettered(step, {"strength": 2}, [0, 1], [1, 0]) == "B better"
    assert adjudication.relettered(step, {"strength": 2}, [0, 1], [0, 1]) == "A better"


def test_raters_read_the_verdict_and_why(project: Project, reviewer: User, annotator: User, outsider: User) -> None:
    task = make_task(project, wanted=2)
    own = make_vote(task, annotator, 2)
    make_vote(task, make_raters(project, 1)[0], -2)
    settle(task, reviewer, "0", "Both leave the dose open.")
    client = Client()
    client.force_login(annotator)
    page = client.get("/p/helpful/annotate/history/").content.decode()
    assert "Both leave the dose open." in page
    ((_verdict, words, mine),) = adjudication.told_to(project, annotator)
    assert (words, mine) == ("tie", "A better" if own.order[0] == 0 else "B better")
    assert adjudication.told_to(project, outsider) == []


# --- Sent back ----------------------------------------------------------------------------------------------


def back(task: Task, reviewer: User, note: str = "Look at the dose.", **filters: Any) -> list[SentBack]:
    answers = list(Assignment.objects.filter(task=task, **filters).order_by("pk"))
    return adjudication.send_back(assignments=answers, reviewer=reviewer, note=note)


def test_sent_back_leaves_the_queue_and_comes_back_answered(project: Project, reviewer: User) -> None:
    task = disputed(project, [2, -1])
    sent = back(task, reviewer)
    assert len(sent) == 2 and queue_of(project) == []
    for one in sent:
        feedback = Feedback.current.get(assignment=one.assignment)
        services.revise(
            assignment=one.assignment, annotator=one.annotator, step=0, idempotency_key=uuid.uuid4(),
            data={"strength": str(feedback.value["strength"])},
        )  # fmt: skip
    assert [one.changed for one in SentBack.objects.all()] == [False, False]
    assert queue_of(project) == [task.pk]


def test_what_cannot_be_sent_back(project: Project, reviewer: User) -> None:
    task = disputed(project, [2, -1, 1])
    first, second, third = Assignment.objects.filter(task=task).order_by("pk")
    with pytest.raises(AnswerError, match="write a note"):
        back(task, reviewer, " ")
    with pytest.raises(AnswerError, match="whose answer"):
        adjudication.send_back(assignments=[], reviewer=reviewer, note="Look.")
    User.objects.filter(pk=first.annotator_id).update(is_simulated=True)
    with pytest.raises(Refused, match="simulated"):
        back(task, reviewer)
    assert not SentBack.objects.exists(), "all of them or nobody"
    back(task, reviewer, pk=second.pk)
    with pytest.raises(Refused, match="back already"):
        back(task, reviewer, pk=second.pk)
    services.undo(project=project, annotator=third.annotator)
    with pytest.raises(Refused, match="opened this answer again"):
        back(task, reviewer, pk=third.pk)
    Assignment.objects.filter(pk=third.pk).update(status="submitted")
    Membership.objects.filter(user=third.annotator).delete()
    with pytest.raises(Refused, match="not in this project"):
        back(task, reviewer, pk=third.pk)


def test_the_annotator_gets_it_first_with_the_note(
    project: Project, annotator: User, annotator_client: Client, reviewer: User
) -> None:
    task = make_task(project, "p-1", wanted=2, priority=1)
    make_vote(task, annotator, 2)
    make_vote(task, make_raters(project, 1)[0], -2)
    make_task(project, "p-2")
    back(task, reviewer, "Look at the <dose>.", annotator=annotator)
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    assert "Look at the &lt;dose&gt;." in page and "(p-1)" in page
    assert "Leave as it is" not in page, "a link that leads back here"
    assignment = Assignment.objects.get(annotator=annotator, task=task)
    data = {"strength": "-3", "step": "0", "idempotency_key": str(uuid.uuid4())}
    answer = annotator_client.post(
        f"/p/helpful/annotate/{assignment.pk}/change/0/", data, headers={"HX-Request": "true"}
    )
    assert "(p-2)" in answer.content.decode()
    sent = SentBack.objects.get()
    assert sent.changed and sent.answered_at


def test_each_step_of_an_item_that_was_sent_back_can_be_changed(
    project: Project, annotator: User, annotator_client: Client, reviewer: User
) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "pairwise", "question": "Which is safer?"}]
    protocol = Protocol.objects.create(project=project, name="two", title="Two", steps=steps)
    task = make_task(project, protocol=protocol, wanted=2)
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment
    for _ in steps:
        services.record_feedback(
            assignment=assignment, annotator=annotator, data={"strength": "1"}, idempotency_key=uuid.uuid4()
        )
    back(task, reviewer, "Look at safety.")
    first = annotator_client.get("/p/helpful/annotate/").content.decode()
    other = f"/p/helpful/annotate/{assignment.pk}/change/1/"
    assert f'href="{other}"' in first
    page = annotator_client.get(other).content.decode()
    assert "Look at safety." in page and "Which is safer?" in page
    data = {"strength": "-1", "step": "1", "idempotency_key": str(uuid.uuid4())}
    annotator_client.post(other, data)
    assert Feedback.current.get(assignment=assignment, step=1).value["strength"] == -1
    assert SentBack.objects.get().changed


# --- The page -----------------------------------------------------------------------------------------------


def post(client: Client, url: str, **data: Any) -> Any:
    return client.post(url, {"idempotency_key": str(uuid.uuid4()), **data}, headers={"HX-Request": "true"})


def test_who_may(
    project: Project, reviewer_client: Client, researcher_client: Client, owner_client: Client,
    annotator_client: Client, outsider_client: Client, client: Client,
) -> None:  # fmt: skip
    task = disputed(project, [2, -1])
    pages = [PAGE, f"{PAGE}{task.pk}/", f"{PAGE}settled/"]
    acts = [f"{PAGE}{task.pk}/", f"{PAGE}{task.pk}/skip/", f"{PAGE}{task.pk}/back/", f"{PAGE}{task.pk}/drop/",
            f"{PAGE}undo/"]  # fmt: skip
    for one in (reviewer_client, researcher_client, owner_client):
        assert [one.get(url).status_code for url in pages] == [200] * 3
    for one, status in ((annotator_client, 403), (outsider_client, 404), (client, 302)):
        assert {one.get(url).status_code for url in pages} == {status}
        assert {one.post(url, {"strength": "1", "reason": "x"}).status_code for url in acts} == {status}
    assert not Verdict.objects.exists()


def test_another_projects_item_is_not_there(project: Project, reviewer_client: Client) -> None:
    other = Project.objects.create(name="Other", slug="other")
    task = disputed(other, [2, -1])
    for end in ("", "skip/", "back/", "drop/"):
        assert post(reviewer_client, f"{PAGE}{task.pk}/{end}", strength="1", reason="x").status_code == 404
    assert reviewer_client.get(f"{PAGE}{task.pk}/").status_code == 404
    mine = disputed(project, [2, -1], "p-9")
    foreign = Assignment.objects.filter(task=task).first()
    assert foreign
    answer = post(reviewer_client, f"{PAGE}{mine.pk}/back/", assignment=[foreign.pk], note="Look.")
    assert answer.status_code == 409 and "does not belong to this item" in answer.content.decode()
    assert not SentBack.objects.exists() and not Verdict.objects.exists()


def test_settle_answers_with_the_next_item(project: Project, reviewer: User, reviewer_client: Client) -> None:
    first, second = disputed(project, [2, -1], "p-1"), disputed(project, [2, -1], "p-2")
    page = reviewer_client.get(PAGE)
    assert page.context["task"] == first
    text = page.content.decode()
    assert "2 raters, and no two of them say the same." in text
    rater = Assignment.objects.filter(task=first).first()
    assert rater and rater_name(project.pk, rater.annotator) in text and rater.annotator.username not in text
    answer = post(reviewer_client, f"{PAGE}{first.pk}/", strength="1", reason="A is exact.")
    assert answer.status_code == 200 and f'data-assignment="verdict-{second.pk}"' in answer.content.decode()
    answer = post(reviewer_client, f"{PAGE}{second.pk}/", strength="1")
    assert answer.status_code == 422 and "not told why" in answer.content.decode()
    answer = post(reviewer_client, f"{PAGE}{second.pk}/skip/")
    assert "Nothing to settle but what you skipped" in answer.content.decode()
    assert reviewer_client.get(f"{PAGE}?again=1").context["task"] == second
    answer = post(reviewer_client, f"{PAGE}undo/")
    assert f'data-assignment="verdict-{first.pk}"' in answer.content.decode()
    assert 'value="A is exact."' in answer.content.decode()


def test_two_adjudicators_are_shown_different_items(project: Project, reviewer_client: Client, owner: User) -> None:
    first, second = disputed(project, [2, -1], "p-1"), disputed(project, [2, -1], "p-2")
    other = Client()
    other.force_login(member("rita", project, Membership.Role.REVIEWER))
    assert reviewer_client.get(PAGE).context["task"] == first
    assert other.get(PAGE).context["task"] == second
    third = Client()
    third.force_login(owner)
    assert third.get(PAGE).context["task"] == first, "better twice than not at all"


def test_a_dropped_item_is_given_to_nobody(project: Project, reviewer_client: Client) -> None:
    task = disputed(project, [2, -1])
    assert "say in a few words" in post(reviewer_client, f"{PAGE}{task.pk}/drop/").content.decode()
    post(reviewer_client, f"{PAGE}{task.pk}/drop/", reason="The same answer twice")
    assert Task.objects.get(pk=task.pk).flagged and queue_of(project) == []


def test_gold_accuracy_and_sides_are_shown(project: Project, reviewer: User) -> None:
    task = disputed(project, [2, -1])
    known = Feedback.current.filter(task=task).first()
    assert known
    Feedback.objects.filter(pk=known.pk).update(right=True, active_ms=52_000)
    case = adjudication.case_of(task, reviewer, threshold=0.67)
    shown = case.given[0]
    assert (shown.gold, shown.seconds, case.given[1].gold) == ((1, 1), 52, None)
    left = "A" if known.order[0] == case.order[0] else "B"
    assert shown.saw == f"saw {left} on the left"
    assert shown.letters == ("" if left == "A" else "their A is B here")
    assert shown.strength == (2 if case.order[0] == 0 else -2)
    assert shown.words == ("A better" if case.order[0] == 0 else "B better")


def test_the_navigation_tells_how_many_wait(
    project: Project, reviewer_client: Client, annotator_client: Client
) -> None:
    disputed(project, [2, -1])
    page = reviewer_client.get("/p/helpful/flagged/").content.decode()
    assert f'href="{PAGE}"' in page and "Adjudicate<small>1</small>" in page
    assert PAGE not in annotator_client.get("/p/helpful/").content.decode()


def test_the_settled_page(project: Project, reviewer: User, reviewer_client: Client) -> None:
    assert "No verdict yet." in reviewer_client.get(f"{PAGE}settled/").content.decode()
    task, other = disputed(project, [2, -1], "p-1"), disputed(project, [2, -1], "p-2")
    settle(task, reviewer, "both_bad", "Neither says when.")
    back(other, reviewer)
    page = reviewer_client.get(f"{PAGE}settled/").content.decode()
    assert "both bad" in page and "Neither says when." in page and "Look at the dose." in page
    assert "Settled by ravi" in reviewer_client.get(f"{PAGE}{task.pk}/").content.decode()


@pytest.mark.parametrize("rater_first", [0, 1])
def test_a_verdict_has_one_order_and_names_the_answer(
    project: Project, reviewer: User, reviewer_client: Client, rater_first: int
) -> None:
    """What the adjudicator saw as A is A wherever the verdict is read, and its first words stand beside it."""
    task = disputed(project, [2, -1])
    shown = adjudication.order_for(task, reviewer)
    taken = Feedback.current.filter(task=task, preference=2).get()
    order = [rater_first, 1 - rater_first]
    Feedback.objects.filter(pk=taken.pk).update(order=order, value={"strength": 2 if rater_first == 0 else -2})
    verdict = settle(task, reviewer, f"take-{taken.pk}")
    assert verdict.order == shown
    letter, text = "AB"[shown.index(0)], task.task_responses.get(position=0).response.text
    words = verdict_words.in_own_letters(verdict)
    assert words.startswith(f"{letter} better. {letter} is “\u2068{text[:20]}")
    assert words in reviewer_client.get(f"{PAGE}settled/").content.decode()


def test_dimensions_of_a_verdict_are_optional(project: Project, reviewer: User, reviewer_client: Client) -> None:
    steps = [{"kind": "pairwise", "options": {"dimensions": ["helpful", "brief"]}}]
    protocol = Protocol.objects.create(project=project, name="dims", title="Dims", steps=steps)
    task = make_task(project, protocol=protocol, wanted=2)
    for user, strength in zip(make_raters(project, 2), ("2", "-1"), strict=True):
        held = services.next_assignment(project=project, annotator=user)
        assert held
        data = {"strength": strength, "dimension-0": strength, "dimension-1": strength}
        services.record_feedback(assignment=held, annotator=user, data=data, idempotency_key=uuid.uuid4())
    page = reviewer_client.get(f"{PAGE}{task.pk}/").content.decode()
    assert 'name="dimension-1"' in page and "Optional. A bar that you leave alone is not decided" in page

    def settle_with(seen: Verdict | None, strength: str, **bars: str) -> Verdict:
        data = QueryDict(mutable=True)  # as a form arrives
        data.update({"strength": strength, "reason": "So.", **bars})
        return adjudication.settle(
            task=task, adjudicator=reviewer, data=data, idempotency_key=uuid.uuid4(), seen=seen.pk if seen else 0
        )

    first = settle_with(None, "2")
    assert first.value == {"strength": 2}
    second = settle_with(first, "2", **{"dimension-1": "-3"})
    assert second.value == {"strength": 2, "dimensions": {"brief": -3}}
    assert 'value="-3" aria-label="B much better" checked' in reviewer_client.get(f"{PAGE}{task.pk}/").content.decode()
    taken = Feedback.current.filter(task=task).earliest("pk")
    third = settle_with(second, f"take-{taken.pk}", **{"dimension-1": "0"})
    sign = 1 if list(taken.order) == list(third.order) else -1
    assert third.value["dimensions"] == {"helpful": 2 * sign, "brief": 0}
    with pytest.raises(AnswerError, match="not one of the choices"):
        settle_with(third, "2", **{"dimension-0": "9"})
