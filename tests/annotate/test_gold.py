"""Gold tasks: how often they come, that nothing tells them apart, what they measure, and where they do not count."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project, User
from annotate import services
from annotate.desk import queue
from annotate.models import Assignment, Collection, Feedback, Protocol, Task, Verdict
from annotate.moderation import disagreement, gold_tasks
from annotate.quality import progress as quality
from annotate.services import Refused
from tests.curate.building import build
from tests.factories import make_prompt, make_raters, make_response, make_task, make_vote

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/known-answers/"
DESK = "/p/helpful/annotate/"


def make_gold(project: Project, key: str = "g-1", side: Any = 0, purpose: str = "gold", **values: Any) -> Task:
    return make_task(
        project, key, purpose=purpose, gold={"accept": {"side": side}, "explanation": "A names the dose."}, **values
    )


def collect(project: Project, **values: Any) -> None:
    """Set how the project collects. Each Project instance remembers what it read, so forget that."""
    Collection.objects.update_or_create(project=project, defaults=values)
    project.__dict__.pop("_rules", None)


def canonical(assignment: Assignment, preference: int) -> str:
    return str(preference if assignment.order[0] == 0 else -preference)


def send(assignment: Assignment, preference: int = 1) -> Feedback:
    return services.record_feedback(
        assignment=assignment, annotator=assignment.annotator, idempotency_key=uuid.uuid4(),
        data={"strength": canonical(assignment, preference)},
    )  # fmt: skip


def answered(project: Project, votes: list[int], key: str = "w-1") -> Task:
    task = make_task(project, key, wanted=len(votes))
    for user, vote in zip(make_raters(project, len(votes), prefix=key), votes, strict=True):
        make_vote(task, user, vote)
    return Task.objects.get(pk=task.pk)


# --- How often, and unseen ----------------------------------------------------------------------------------


def test_gold_is_drawn_at_the_rate_of_the_project(project: Project) -> None:
    """Over 4,000 draws of different people; 99.99% of such samples are within 4 standard errors."""
    collect(project, gold_rate=0.2)
    rules = queue.rules_of(project)
    people = [User(pk=number) for number in range(1, 4_001)]
    share = sum(queue.gold_is_due(project, one, rules) for one in people) / len(people)
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / len(people)) ** 0.5


def test_gold_comes_at_the_rate_among_the_others(project: Project) -> None:
    """10 people of 20 tasks each: between 20 and 60 of 200 for a rate of 0.2 (more than 3.5 standard errors off)."""
    collect(project, gold_rate=0.2)
    for number in range(20):
        make_task(project, f"w-{number}", wanted=10)
        make_gold(project, f"g-{number}")
    given = 0
    for user in make_raters(project, 10):
        for _ in range(20):
            assignment = services.next_assignment(project=project, annotator=user)
            assert assignment
            given += assignment.task.purpose == "gold"
            send(assignment)
    assert 20 <= given <= 60


def test_none_at_rate_0_and_work_goes_on_when_gold_is_used_up(project: Project, annotator: User) -> None:
    make_gold(project), make_task(project, "w-1")
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment and assignment.task.purpose == "work"
    send(assignment)
    assert services.next_assignment(project=project, annotator=annotator) is None, "gold alone is no work"


def test_nobody_gets_a_gold_task_twice(project: Project) -> None:
    collect(project, gold_rate=0.5)
    for number in range(12):
        make_task(project, f"w-{number}", wanted=3)
        make_gold(project, f"g-{number}") if number < 3 else None
    for user in make_raters(project, 3):
        seen = []
        while assignment := services.next_assignment(project=project, annotator=user):
            seen.append(assignment.task_id)
            send(assignment)
        assert len(seen) == len(set(seen))


def test_the_page_does_not_tell_gold_from_work(project: Project, annotator_client: Client, annotator: User) -> None:
    """The same page but for ids, keys and addresses."""
    work, gold = make_task(project, "w-1"), make_gold(project, "w-1")
    Task.objects.filter(pk=gold.pk).update(place=work.place)

    def page_of(rate: float) -> str:
        Assignment.objects.all().delete()
        Task.objects.update(claimed=0)
        collect(project, gold_rate=rate)
        return annotator_client.get(DESK).content.decode()

    pages, purposes = [], []
    for rate in (0.0, 1.0):
        pages.append(page_of(rate))
        purposes.append(Assignment.objects.get().task.purpose)
    assert purposes == ["work", "gold"]
    plain = [
        re.sub(
            r'(value|content)="[A-Za-z0-9-]{36,64}"', "", re.sub(r"/annotate/\d+/|data-assignment=\"\d+\"", "", page)
        )
        for page in pages
    ]
    # Sides are shuffled for each task: the two texts may have changed places.
    same = [sorted(re.sub(r"Soak[^<]*", "TEXT", page).split("\n")) for page in plain]
    assert same[0] == same[1]
    assert "gold" not in pages[1].lower() and "A names the dose" not in pages[1]


@pytest.mark.parametrize("told", [False, True])
def test_feedback_only_where_the_project_says_so(
    project: Project, annotator: User, annotator_client: Client, told: bool
) -> None:
    collect(project, gold_rate=1.0, gold_feedback=told)
    make_gold(project, "g-1"), make_task(project, "w-1")
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment and assignment.task.purpose == "gold"
    data = {"strength": canonical(assignment, -1), "idempotency_key": str(uuid.uuid4()), "step": "0"}
    page = annotator_client.post(f"{DESK}{assignment.pk}/", data, headers={"HX-Request": "true"}).content.decode()
    assert ("Another answer was expected. A names the dose." in page) is told
    assert Feedback.objects.get().right is False


# --- Where it does not count --------------------------------------------------------------------------------


def test_known_answers_are_in_no_dataset_and_in_no_agreement(project: Project) -> None:
    collect(project, gold_rate=1.0)
    make_gold(project, "g-1", wanted=1)
    work = make_task(project, "w-1", wanted=2)
    one, other = make_raters(project, 2)
    for user, preference in ((one, 1), (other, -1)):
        gold = services.next_assignment(project=project, annotator=user)
        assert gold and gold.task.purpose == "gold"
        send(gold, preference)
        make_vote(work, user, 2)
    rows, funnel = build(project, minimum_agreement=0.5)
    assert {row.prompt_key for row in rows} == {work.prompt.key}
    assert funnel.count("items") == 1
    assert quality.agreement(project).n == 1, "the one item of work"
    assert list(disagreement.waiting(project, fresh=True).head) == []


# --- Made from answers --------------------------------------------------------------------------------------


def test_made_from_a_verdict(project: Project, researcher: User) -> None:
    task = answered(project, [2, -1])
    with pytest.raises(Refused, match="no verdict, and no clear majority"):
        gold_tasks.make_known(task=task, purpose="gold", actor=researcher)
    Verdict.objects.create(
        project=project, task=task, adjudicator=researcher, value={"strength": 2}, order=[1, 0], preference=-2,
        reason="B is exact.", idempotency_key=uuid.uuid4(),
    )  # fmt: skip
    copy = gold_tasks.make_known(task=task, purpose="gold", actor=researcher, explanation="B is exact.")
    assert copy.gold == {"accept": {"side": 1}, "explanation": "B is exact.", "copy_of": task.pk,
                         "source": "the verdict"}  # fmt: skip
    assert (copy.purpose, copy.prompt_id, copy.kind) == ("gold", task.prompt_id, task.kind)
    texts = [[row.response_id for row in one.task_responses.all()] for one in (task, copy)]
    assert texts[0] == texts[1]
    task.refresh_from_db()
    assert (task.purpose, task.gold) == ("work", None)
    assert AuditEvent.objects.get(action="gold.made").data["copy_of"] == task.pk
    with pytest.raises(Refused, match="among the known answers already"):
        gold_tasks.make_known(task=task, purpose="test", actor=researcher)


@pytest.mark.parametrize(
    ("votes", "side"),
    [([1, 2, 3], 0), ([-1, -2, -3, 1], 1), ([0, 0, 0], "tie"), ([1, 1], None), ([1, 1, -1], None)],
)
def test_made_from_a_clear_majority(project: Project, researcher: User, votes: list[int], side: Any) -> None:
    task = answered(project, votes)
    if side is None:
        with pytest.raises(Refused, match="clear majority"):
            gold_tasks.make_known(task=task, purpose="test", actor=researcher)
    else:
        copy = gold_tasks.make_known(task=task, purpose="test", actor=researcher)
        assert copy.gold and copy.gold["accept"] == {"side": side}


@pytest.mark.parametrize(
    ("kind", "value", "accept"),
    [
        ("ranking", {"ranks": [2, 1, 3]}, {"best": [1]}),
        ("ranking", {"ranks": [1, 1, 3]}, {"best": [0, 1]}),
        ("selection", {"fits": [0, 2]}, {"fits": [0, 2]}),
        ("selection", {"none": True}, {"fits": []}),
    ],
)
def test_other_kinds(project: Project, researcher: User, kind: str, value: dict[str, Any], accept: Any) -> None:
    prompt = make_prompt(project)
    task = services.create_task(
        prompt=prompt, responses=[make_response(prompt, f"answer {n}") for n in range(3)], kind=kind
    )
    Verdict.objects.create(
        project=project, task=task, adjudicator=researcher, value=value, order=[0, 1, 2], idempotency_key=uuid.uuid4()
    )
    copy = gold_tasks.make_known(task=task, purpose="gold", actor=researcher)
    assert copy.gold and copy.gold["accept"] == accept
    step = disagreement.compared_in(copy)
    assert step.kind.right
    answer = gold_tasks.Answer(value=value, preference=None)
    assert step.kind.right(answer, [0, 1, 2], copy.gold["accept"]), "what it was made of is right"


def test_items_that_cannot_be_right_or_wrong(project: Project, researcher: User) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "pairwise", "question": "Which is safer?"}]
    protocol = Protocol.objects.create(project=project, name="two", title="Two", steps=steps)
    task = make_task(project, protocol=protocol)
    with pytest.raises(Refused, match="one step, and only one"):
        gold_tasks.make_known(task=task, purpose="gold", actor=researcher)
    with pytest.raises(Refused, match="no item of the ordinary queue"):
        gold_tasks.make_known(task=make_gold(project, "g-9"), purpose="gold", actor=researcher)


# --- The page -----------------------------------------------------------------------------------------------


def test_who_may(
    project: Project, researcher_client: Client, owner_client: Client, reviewer_client: Client,
    annotator_client: Client, outsider_client: Client,
) -> None:  # fmt: skip
    task = make_gold(project)
    for one in (researcher_client, owner_client):
        assert one.get(PAGE).status_code == 200
    for one, status in ((reviewer_client, 403), (annotator_client, 403), (outsider_client, 404)):
        assert one.get(PAGE).status_code == status
        assert one.post(f"{PAGE}make/", {"task": task.pk, "purpose": "gold"}).status_code == status
        assert one.post(f"{PAGE}{task.pk}/retire/").status_code == status
    assert not Task.objects.get(pk=task.pk).flagged


def test_items_that_most_people_miss_are_suspect(project: Project, researcher_client: Client) -> None:
    collect(project, gold_rate=1.0)
    wrong, fine = make_gold(project, "g-1", side=1), make_gold(project, "g-2", side=0)
    for number in range(12):
        make_task(project, f"w-{number}", wanted=9)
    for user in make_raters(project, 5):
        for _ in range(4):
            assignment = services.next_assignment(project=project, annotator=user)
            assert assignment
            send(assignment, 1)
    page = researcher_client.get(PAGE)
    rows = {one.task.pk: one for one in page.context["rows"]}
    assert (rows[wrong.pk].right.n, rows[wrong.pk].missed, rows[wrong.pk].suspect) == (5, 5, True)
    assert (rows[fine.pk].right.n, rows[fine.pk].missed, rows[fine.pk].suspect) == (5, 0, False)
    assert "1 known answer is suspect." in page.content.decode()


def test_make_and_retire_on_the_page(project: Project, researcher_client: Client, annotator: User) -> None:
    task = answered(project, [1, 1, 1])
    page = researcher_client.post(f"{PAGE}make/", {"task": task.pk, "purpose": "gold"}, follow=True).content.decode()
    assert f"Made a gold task of task {task.pk}: A better is right." in page
    copy = Task.objects.get(purpose="gold")
    page = researcher_client.post(f"{PAGE}{copy.pk}/retire/", follow=True).content.decode()
    assert "given to nobody any more" in page
    collect(project, gold_rate=1.0)
    assert services.next_assignment(project=project, annotator=annotator) is None
    for forged in ("", "abc", "999999", "9" * 30, "²"):
        told = researcher_client.post(f"{PAGE}make/", {"task": forged, "purpose": "gold"}, follow=True)
        assert "is no task of this project" in told.content.decode()
    other = answered(Project.objects.create(name="Other", slug="other"), [1, 1, 1], "o-1")
    assert researcher_client.post(f"{PAGE}{other.pk}/retire/").status_code == 404
    researcher_client.post(f"{PAGE}make/", {"task": other.pk, "purpose": "gold"})
    assert Task.objects.filter(purpose="gold").count() == 1


def test_whoever_changes_an_answer_after_being_told_does_not_count_as_right(project: Project, annotator: User) -> None:
    collect(project, gold_rate=1.0, gold_feedback=True)
    make_gold(project), make_task(project, "w-1")
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment
    send(assignment, -1)
    again = services.undo(project=project, annotator=annotator)
    send(again, 1)
    assert disagreement.gold_accuracy(project, [annotator.pk]) == {annotator.pk: (0, 1)}
    (known,) = [gold_tasks.known_of(one) for one in gold_tasks.known_tasks(project)]
    assert (known.right.n, known.missed) == (1, 1)


def test_items_with_a_clear_majority_are_offered_with_their_number(project: Project, researcher_client: Client) -> None:
    clear = answered(project, [1, 2, 3], "clear")
    answered(project, [1, -2, 0], "torn")
    answered(project, [1, 1], "two")
    page = researcher_client.get(PAGE)
    assert [one["task"] for one in page.context["offers"]] == [clear]
    assert (page.context["offers"][0]["words"], page.context["offers"][0]["source"]) == ("A better", "3 of 3 raters")
    assert f'name="task" value="{clear.pk}"' in page.content.decode()
    researcher_client.post(f"{PAGE}make/", {"task": clear.pk, "purpose": "test"})
    assert not researcher_client.get(PAGE).context["offers"], "it is a known answer now"


def test_a_vote_names_its_task_and_makes_it_known(
    project: Project, researcher_client: Client, reviewer_client: Client
) -> None:
    vote = answered(project, [1, 1, 1]).feedback.first()
    assert vote
    path = f"/p/helpful/votes/{vote.pk}/"
    page = researcher_client.get(path).content.decode()
    assert "Make gold" in page and f'name="task" value="{vote.task_id}"' in page
    assert "Make gold" not in reviewer_client.get(path).content.decode()


def test_no_page_of_a_reviewer_links_to_one_that_is_refused(project: Project, reviewer_client: Client) -> None:
    answered(project, [1, -1, 0])
    pages = ["", "adjudicate/", "adjudicate/settled/", "flagged/", "people/", "quality/", "bias/", "annotate/"]
    for page in pages:
        found = reviewer_client.get(f"/p/helpful/{page}").content.decode()
        for link in sorted({one.split("#")[0] for one in re.findall(r'href="(/p/helpful/[^"]*)"', found)}):
            assert reviewer_client.get(link.replace("&amp;", "&")).status_code == 200, f"{page} links to {link}"


def test_a_page_that_says_no_has_the_way_back(
    project: Project, reviewer_client: Client, outsider_client: Client
) -> None:
    refused = reviewer_client.get(PAGE)
    assert refused.status_code == 403 and 'href="/p/helpful/"' in refused.content.decode()
    missing = reviewer_client.get("/p/helpful/votes/999999/")
    assert missing.status_code == 404 and 'href="/p/helpful/"' in missing.content.decode()
    assert '/p/helpful/"' not in outsider_client.get(PAGE).content.decode(), "outsiders learn nothing"


def test_the_second_person_gets_what_the_first_one_answered(project: Project) -> None:
    """As the page Collection says: a task stays open, and in its place, until it has all its raters."""
    for number in range(5):
        make_task(project, f"w-{number}", wanted=2)
    seen = []
    for user in make_raters(project, 2):
        for _ in range(3):
            assignment = services.next_assignment(project=project, annotator=user)
            assert assignment
            seen.append(assignment.task_id)
            send(assignment)
    assert seen[:3] == seen[3:]
