"""Quality, People and Your work: who may see what, what is said, and that people and simulated raters stay apart."""

import csv
import io
import uuid

import krippendorff
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Membership, Project, User
from accounts.pseudonyms import pseudonym
from annotate.design.rubrics import READY
from annotate.models import Assignment, Collection, Contradiction, Feedback, Protocol, Qualification, Task
from annotate.quality import measures
from annotate.quality.columns import read_answers
from annotate.quality.progress import agreement
from annotate.quality.tables import BETTER, Measure, ratings_of
from tests.annotate import crowd

PAGES = ("quality/", "quality/agreement.csv", "quality/people/agreement/", "people/", "people/gold/people/")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def answered(project: Project) -> list[User]:
    users = crowd.make_people(project, 4)
    tasks = crowd.make_tasks(project, 60, langs=("en", "ar"))
    crowd.answer(project, tasks, [(user, crowd.fair()) for user in users], overlap=3)
    return users


def give(task: Task, user: User, kind: str, value: dict, order: list[int], **values: object) -> Feedback:
    assignment = Assignment.objects.create(
        task=task, annotator=user, status="submitted", lease_until=timezone.now(), order=order,
        finished_at=timezone.now(),
    )  # fmt: skip
    return Feedback.objects.create(
        assignment=assignment, project=task.project, task=task, annotator=user, kind=kind, value=value, order=order,
        origin="human", idempotency_key=uuid.uuid4(), **values,
    )  # fmt: skip


# --- Who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_moderators_only(page: str, reviewer_client: Client, annotator_client: Client, outsider_client: Client,
                         answered: list[User]) -> None:  # fmt: skip
    assert reviewer_client.get(f"/p/helpful/{page}").status_code == 200
    assert annotator_client.get(f"/p/helpful/{page}").status_code == 403
    assert outsider_client.get(f"/p/helpful/{page}").status_code == 404


def test_annotators_see_their_own_work_and_nobody_elses(
    annotator: User, annotator_client: Client, answered: list[User]
) -> None:
    assert annotator_client.get("/p/helpful/me/").status_code == 200
    for user in (annotator, answered[0]):
        assert annotator_client.get(f"/p/helpful/people/{user.pk}/").status_code == 403
    for act in ("pause", "edit", "let-in"):
        assert annotator_client.post(f"/p/helpful/people/{annotator.pk}/{act}/").status_code == 403


def test_people_of_other_projects_are_not_found(owner_client: Client, outsider: User) -> None:
    for path in ("", "pause/", "edit/", "let-in/"):
        send = owner_client.post if path else owner_client.get
        assert send(f"/p/helpful/people/{outsider.pk}/{path}").status_code == 404
    assert owner_client.get("/p/helpful/people/999999/").status_code == 404


def test_who_left_is_still_found_by_their_answers(reviewer_client: Client, answered: list[User]) -> None:
    Membership.objects.filter(user=answered[0]).delete()
    page = reviewer_client.get(f"/p/helpful/people/{answered[0].pk}/").content.decode()
    assert "Has left the project" in page


# --- Names ----------------------------------------------------------------------------------------------------------


def test_names_are_hidden_until_asked_for_and_the_log_tells(
    project: Project, reviewer_client: Client, reviewer: User, answered: list[User]
) -> None:
    pages = ("people/", "quality/", f"people/{answered[0].pk}/")
    for path in pages:
        assert "crowd-0" not in reviewer_client.get(f"/p/helpful/{path}").content.decode()
    assert pseudonym(project.pk, answered[0].pk) in reviewer_client.get("/p/helpful/people/").content.decode()
    assert "Nobody is found" in reviewer_client.get("/p/helpful/people/?q=crowd-00").content.decode()
    reviewer_client.post("/p/helpful/people/names/", {"show": "1"})
    event = AuditEvent.objects.get(action="names.shown")
    assert (event.actor, event.project.slug) == (reviewer, "helpful")
    assert "crowd-00" in reviewer_client.get("/p/helpful/people/?q=crowd-00").content.decode()
    reviewer_client.post("/p/helpful/people/names/", {"hide": "1"})
    assert "crowd-0" not in reviewer_client.get("/p/helpful/people/").content.decode()


def test_the_way_back_leads_nowhere_else(reviewer_client: Client) -> None:
    found = reviewer_client.post("/p/helpful/people/names/", {"show": "1", "back": "https://evil.example/"})
    assert found.headers["Location"] == "/p/helpful/people/"


# --- Acts -----------------------------------------------------------------------------------------------------------


def test_admins_pause_and_resume(owner_client: Client, reviewer_client: Client, annotator: User) -> None:
    path = f"/p/helpful/people/{annotator.pk}/pause/"
    assert reviewer_client.post(path).status_code == 403
    owner_client.post(path)
    owner_client.post(path)
    assert Membership.objects.get(user=annotator).paused
    owner_client.post(path, {"resume": "1"})
    assert not Membership.objects.get(user=annotator).paused
    assert [event.action for event in AuditEvent.objects.order_by("pk")] == ["member.paused", "member.resumed"]


def test_admins_set_languages_and_skills(owner_client: Client, reviewer_client: Client, annotator: User) -> None:
    path = f"/p/helpful/people/{annotator.pk}/edit/"
    assert reviewer_client.post(path, {"languages": "en"}).status_code == 403
    owner_client.post(path, {"languages": "en, zh-Hans,en", "skills": "law medicine"})
    annotator.refresh_from_db()
    assert annotator.languages == ["en", "zh-Hans"]
    assert Membership.objects.get(user=annotator).skills == ["law", "medicine"]
    assert AuditEvent.objects.get(action="member.changed").data["changed"]["skills"] == [[], ["law", "medicine"]]
    refused = owner_client.post(path, {"languages": "english!", "skills": "law"})
    assert refused.status_code == 422
    assert "“english!” is not a language tag" in refused.content.decode()
    annotator.refresh_from_db()
    assert annotator.languages == ["en", "zh-Hans"]


def test_a_reviewer_lets_somebody_in(
    project: Project, reviewer: User, reviewer_client: Client, annotator: User
) -> None:
    Collection.objects.create(project=project, test_tasks=5, test_right=4)
    Qualification.objects.create(project=project, user=annotator, right=2, tasks=5, passed=False)
    page = reviewer_client.get(f"/p/helpful/people/{annotator.pk}/").content.decode()
    assert "Let in" in page and "2 of 5 right" in page
    assert "test not passed" in reviewer_client.get("/p/helpful/people/").content.decode()
    for _ in range(2):
        reviewer_client.post(f"/p/helpful/people/{annotator.pk}/let-in/")
    row = Qualification.objects.get(user=annotator, passed=True)
    assert (row.overruled_by, row.right, row.tasks) == (reviewer, 2, 5)
    assert AuditEvent.objects.filter(action="qualification.overruled").count() == 1
    assert "let-in/" not in reviewer_client.get(f"/p/helpful/people/{annotator.pk}/").content.decode()


# --- What is said ---------------------------------------------------------------------------------------------------


def test_the_finding_is_the_first_thing_and_the_same_figure_as_at_home(
    project: Project, reviewer_client: Client, answered: list[User]
) -> None:
    page = reviewer_client.get("/p/helpful/quality/").content.decode()
    at_home = agreement(project)
    assert f"alpha {at_home.value:.2f}, " in page
    assert "on 60 shared items" in page


def test_empty_pages_say_what_would_be_here(reviewer_client: Client, annotator_client: Client) -> None:
    assert "Nothing to compare yet" in reviewer_client.get("/p/helpful/quality/").content.decode()
    assert "No people have answered yet" in reviewer_client.get("/p/helpful/people/").content.decode()
    assert "No answer yet" in annotator_client.get("/p/helpful/me/").content.decode()


def test_undefined_agreement_is_said_in_words(project: Project, reviewer_client: Client) -> None:
    users = crowd.make_people(project, 3)
    tasks = crowd.make_tasks(project, 5)
    crowd.answer(project, tasks, [(users[0], crowd.always_tie)], overlap=1)
    Task.objects.update(wanted=2)
    assert "One person has answered 5 items. 5 of them ask for two raters or more" in (
        reviewer_client.get("/p/helpful/quality/").content.decode()
    )
    more = crowd.make_tasks(project, 5, prefix="more")
    crowd.answer(project, more, [(user, crowd.always_tie) for user in users], overlap=2)
    assert "only one value was ever used" in reviewer_client.get("/p/helpful/quality/").content.decode()


def test_the_true_reason_why_nothing_is_shared(project: Project, reviewer_client: Client) -> None:
    users = crowd.make_people(project, 2)
    crowd.answer(project, crowd.make_tasks(project, 4, wanted=1), [(users[0], crowd.coin)], overlap=1)
    page = reviewer_client.get("/p/helpful/quality/").content.decode()
    assert "Each asks for a single rater" in page
    assert "No item has two raters yet on which is better and how much better." in page
    assert "Everything that people can agree on" in page and '<th scope="col">Fleiss' not in page
    crowd.answer(project, crowd.make_tasks(project, 3, prefix="d"), [(users[1], crowd.coin)], overlap=1)
    Task.objects.filter(prompt__key__startswith="d-").update(wanted=3)
    page = reviewer_client.get("/p/helpful/quality/").content.decode()
    assert "7 items answered, and none by two raters yet. 3 of them ask for two raters or more" in page


def test_dimensions_of_a_rubric_have_their_names(project: Project, reviewer_client: Client) -> None:
    users = crowd.make_people(project, 2)
    steps = [{"kind": "rubric", "options": {"rubric": READY["menlo"].model_dump()}}]
    asked = Protocol.objects.create(project=project, name="r", title="R", steps=steps)
    for protocol in (asked, None):
        [task] = crowd.make_tasks(project, 1, prefix=str(protocol), protocol=protocol)
        for user in users:
            levels = {one.key: 4 for one in READY["menlo"].dimensions}
            give(task, user, "rubric", {"ratings": [levels, levels]}, [0, 1], preference=0)
    page = reviewer_client.get("/p/helpful/quality/").content.decode()
    for one in READY["menlo"].dimensions:
        assert f">{one.name}<" in page and f">{one.key}<" not in page


def test_people_and_simulated_raters_are_never_one_number(
    project: Project, reviewer_client: Client, answered: list[User]
) -> None:
    robots = crowd.make_people(project, 2, simulated=True, prefix="robot")
    crowd.answer(
        project, crowd.make_tasks(project, 30, prefix="r"), [(one, crowd.fair(1)) for one in robots], overlap=2
    )
    people, simulated = measures.voices(project).value
    assert people.main is not None and simulated.main is not None
    assert (people.main.units, simulated.main.units) == (60, 30)
    assert (people.main.raters, simulated.main.raters) == (4, 2)
    page = reviewer_client.get("/p/helpful/quality/?who=simulated").content.decode()
    assert "Simulated raters agree well" in page
    assert ", people:" not in page
    assert "robot-00" in reviewer_client.get("/p/helpful/people/?who=simulated").content.decode()
    assert "robot-00" not in reviewer_client.get("/p/helpful/people/").content.decode()


def test_gold_and_test_tasks_are_left_out_of_agreement(project: Project, answered: list[User]) -> None:
    gold = crowd.make_tasks(project, 10, prefix="g", purpose="gold", gold={"accept": {"side": 0}})
    crowd.answer(project, gold, [(user, crowd.coin) for user in answered], overlap=3)
    found = measures.voices(project).value[0]
    assert found.main is not None and found.main.units == 60
    assert found.gold.n == 30


def test_every_figure_is_in_the_csv(reviewer_client: Client, answered: list[User]) -> None:
    text = reviewer_client.get("/p/helpful/quality/agreement.csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["language"] for row in rows} == {"all", "en", "ar"}
    strength = [row for row in rows if row["measure"] == "how much better" and row["language"] == "all"]
    assert {row["level"] for row in strength if row["figure"].startswith("Krippendorff")} == {
        "nominal", "ordinal", "interval"
    }  # fmt: skip
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)


def test_charts_download(reviewer_client: Client, answered: list[User]) -> None:
    for path in ("quality/people/agreement/", "quality/people/kappa/", "people/gold/people/"):
        assert reviewer_client.get(f"/p/helpful/{path}?format=svg&theme=dark").content.startswith(b"<svg")
        assert b"," in reviewer_client.get(f"/p/helpful/{path}?format=csv").content
    for path in ("quality/people/nothing/", "quality/robots/kappa/", "quality/simulated/kappa/", "people/gold/x/"):
        assert reviewer_client.get(f"/p/helpful/{path}").status_code == 404


def test_contradictions_are_counted_by_rule(project: Project, reviewer_client: Client, answered: list[User]) -> None:
    for n, one in enumerate(Assignment.objects.order_by("pk")[:6]):
        Contradiction.objects.create(
            assignment=one, project=project, rule="vote_against_ratings",
            resolution=("kept", "changed", "changed", "changed", "open", "kept")[n],
        )  # fmt: skip
    rules, touched = measures.contradictions(project)
    assert [(one.kept, one.changed, one.open) for one in rules] == [(2, 3, 1)]
    assert (touched.value, touched.n) == (6 / 180, 180)
    assert "3 of 6 were changed" in reviewer_client.get("/p/helpful/quality/").content.decode()


def test_new_answers_change_the_page_at_once_in_a_small_project(project: Project, answered: list[User]) -> None:
    before = measures.voices(project)
    assert measures.voices(project).at == before.at
    row = Feedback.current.first()
    Feedback.objects.filter(pk=row.pk).update(withdrawn_at=timezone.now())
    assert measures.voices(project).at > before.at


# --- Your work ------------------------------------------------------------------------------------------------------


def test_gold_stays_hidden_on_ones_own_page(project: Project, annotator: User, annotator_client: Client) -> None:
    gold = crowd.make_tasks(project, 25, purpose="gold", gold={"accept": {"side": 0}})
    crowd.answer(project, gold, [(annotator, crowd.fair())], overlap=1)
    page = annotator_client.get("/p/helpful/me/").content.decode()
    assert "gold" not in page.casefold()
    assert "25" in page
    Collection.objects.create(project=project, gold_feedback=True)
    assert "Gold tasks" in annotator_client.get("/p/helpful/me/").content.decode()


def test_ones_own_page_names_nobody_else(annotator: User, annotator_client: Client, project: Project,
                                         answered: list[User]) -> None:  # fmt: skip
    tasks = crowd.make_tasks(project, 30, prefix="own")
    crowd.answer(project, tasks, [(annotator, crowd.fair()), (answered[0], crowd.fair())], overlap=2)
    page = annotator_client.get("/p/helpful/me/").content.decode()
    assert "on 30 items that others answered too" in page
    assert "crowd-" not in page and "rater " not in page


# --- Values of each kind, in canonical order ------------------------------------------------------------------------


def tables(project: Project) -> dict[Measure, list[tuple]]:
    found = ratings_of(project, read_answers(project))
    return {
        measure: sorted(zip(one.unit.tolist(), one.rater.tolist(), one.value.tolist(), strict=True))
        for measure, one in found.items()
    }


def test_sides_are_turned_into_canonical_order(project: Project) -> None:
    one, two, three = crowd.make_people(project, 3)
    [task] = crowd.make_tasks(project, 1)
    dimensions = {"tone": 2}
    give(task, one, "pairwise", {"strength": 2, "dimensions": dimensions}, [0, 1], preference=2)
    give(task, two, "pairwise", {"strength": 2, "dimensions": dimensions}, [1, 0], preference=-2)
    give(task, three, "pairwise", {"both_bad": True}, [1, 0])
    found = tables(project)
    assert [value for _, _, value in found[BETTER]] == ["first", "second", "both bad"]
    assert [value for _, _, value in found[Measure("pairwise", "tone", "ordinal")]] == [2, -2]


def test_rubrics_rankings_and_selections_are_read_by_position(project: Project) -> None:
    one, two = crowd.make_people(project, 2)
    [task] = crowd.make_tasks(project, 1)
    for user, order in ((one, [0, 1]), (two, [1, 0])):
        turned = order[0] == 1
        levels = [{"clarity": 5}, {"clarity": 2}]
        give(task, user, "rubric", {"ratings": levels[::-1] if turned else levels}, order, preference=3)
    found = tables(project)[Measure("rubric", "clarity", "ordinal")]
    by_unit: dict[int, set[int]] = {}
    for unit, _, level in found:
        by_unit.setdefault(unit, set()).add(level)
    assert sorted(map(sorted, by_unit.values())) == [[2], [5]]

    [ranked] = crowd.make_tasks(project, 1, prefix="rank")
    give(ranked, one, "ranking", {"ranks": [1, None, 2]}, [2, 0, 1])
    give(ranked, two, "ranking", {"ranks": [2, 1, None]}, [1, 2, 0])
    found = tables(project)
    pairs = found[Measure("ranking", "which of two is above", "nominal")]
    assert len({(unit, value) for unit, _, value in pairs}) == 3
    ranks = found[Measure("ranking", "rank", "ordinal")]
    assert len({(unit, value) for unit, _, value in ranks}) == 3

    [chosen] = crowd.make_tasks(project, 1, prefix="select")
    give(chosen, one, "selection", {"fits": [0]}, [0, 1])
    give(chosen, two, "selection", {"fits": [1]}, [1, 0])
    fits = tables(project)[Measure("selection", "which fit", "nominal")]
    assert len(fits) == 4
    assert len({(unit, value) for unit, _, value in fits}) == 2


def test_a_critique_counts_by_the_labels_that_were_offered(project: Project) -> None:
    one, two = crowd.make_people(project, 2)
    steps = [{"kind": "critique", "of": "first", "options": {"labels": ["wrong", "rude"]}}]
    protocol = Protocol.objects.create(project=project, name="c", title="C", steps=steps)
    [task] = crowd.make_tasks(project, 1, protocol=protocol)
    give(task, one, "critique", {"marks": [{"label": "wrong"}]}, [0])
    give(task, two, "critique", {"marks": []}, [0])
    found = tables(project)
    assert [value for _, _, value in found[Measure("critique", "“wrong” marked", "nominal")]] == ["marked", "not"]
    assert [value for _, _, value in found[Measure("critique", "“rude” marked", "nominal")]] == ["not", "not"]


def test_alpha_of_levels_is_that_of_the_krippendorff_package(project: Project) -> None:
    users = crowd.make_people(project, 3)
    tasks = crowd.make_tasks(project, 40)
    crowd.answer(project, tasks, [(user, crowd.fair(0.7)) for user in users], overlap=3)
    rows = {one.measure.name: one for one in measures.voices(project).value[0].rows if not one.lang}
    given = Feedback.objects.order_by("pk").values_list("annotator_id", "task_id", "preference")
    data = [[next((p for a, t, p in given if (a, t) == (u.pk, k.pk)), None) for k in tasks] for u in users]
    for level in ("nominal", "ordinal", "interval"):
        expected = krippendorff.alpha(
            reliability_data=[[float("nan") if v is None else v for v in row] for row in data],
            level_of_measurement=level,
        )
        assert rows["how much better"].alphas[level].value == pytest.approx(expected)
