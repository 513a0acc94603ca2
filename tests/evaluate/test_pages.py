"""The pages, through the client: who may open them, what they say, empty and full, and what they cost."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Project
from accounts.pseudonyms import pseudonym

CLOSED = ["leaderboard/", "leaderboard.csv", "leaderboard.json", "battles/?first=dpo-01&second=base",
          "charts/matrix/", "charts/ratings/", "charts/winners/"]  # fmt: skip
FOR_REVIEWERS = ["bias/", "charts/bias/", "charts/answers/"]


@pytest.fixture
def fought(world, base, tuned):
    """Votes of people and simulated raters, and verdicts of two judges, between the tuned model and its base."""
    job = world.job("judge", name="judge-01", params={"first": "s1", "second": "s2"})
    robot = world.rater("robot", simulated=True)
    for i in range(14):
        prompt = world.prompt(f"p{i:02}", lang="ja" if i % 3 == 0 else "en", text=f"Question {i}?")
        one, two = (
            world.response(prompt, tuned, "Short."),
            world.response(prompt, base, "Longer **with** marks."),
        )
        task = world.task(one, two, wanted=2)
        world.vote(task, 2 if i < 9 else -1)
        world.vote(task, 1 if i < 10 else 0, rater=robot, order=[1, 0])
        world.judgement(job, one, two, 1.0 if i < 11 else 0.0)
        world.judgement(job, one, two, 1.0, judge="concise", kind="hidden_preference")
    world.dataset()
    return job


def text_of(response):
    assert response.status_code == 200, response.content[:400]
    return response.content.decode()


@pytest.mark.parametrize("path", ["", *CLOSED, *FOR_REVIEWERS])
def test_an_outsider_is_told_there_is_no_such_project(outsider_client, fought, path):
    assert outsider_client.get(f"/p/helpful/{path}").status_code == 404


@pytest.mark.parametrize("path", CLOSED)
def test_annotators_and_reviewers_do_not_see_who_wins(annotator_client, reviewer_client, fought, path):
    for client in (annotator_client, reviewer_client):
        response = client.get(f"/p/helpful/{path}")
        assert response.status_code == 403
        assert "dpo-01" not in response.content.decode().replace("first=dpo-01", "")


@pytest.mark.parametrize("path", FOR_REVIEWERS)
def test_reviewers_see_bias_and_annotators_do_not(annotator_client, reviewer_client, fought, path):
    assert annotator_client.get(f"/p/helpful/{path}").status_code == 403
    assert reviewer_client.get(f"/p/helpful/{path}").status_code == 200


@pytest.mark.parametrize("path", ["", "leaderboard/", "bias/"])
def test_strangers_are_sent_to_sign_in(client, fought, path):
    response = client.get(f"/p/helpful/{path}")
    assert response.status_code == 302
    assert response.url.startswith("/sign-in/")


def test_health_answers_anybody(client, db):
    response = client.get("/health/")
    assert (response.status_code, response.content) == (200, b"ok")


def test_home_leads_into_the_only_project(annotator_client):
    assert annotator_client.get("/").url == "/p/helpful/"


def test_home_lists_several_projects_and_no_others(annotator_client, annotator):
    second = Project.objects.create(name="Second one", slug="second")
    Project.objects.create(name="Secret one", slug="secret")
    Membership.objects.create(user=annotator, project=second, role="researcher")
    page = text_of(annotator_client.get("/"))
    assert "Second one" in page
    assert "Helpful answers" in page
    assert "Secret one" not in page


def test_home_of_a_person_without_a_project_says_what_to_do(outsider_client):
    assert "You are in no project yet" in text_of(outsider_client.get("/"))


def test_annotators_see_their_own_progress_and_no_model(annotator_client, annotator, world, fought):
    page = text_of(annotator_client.get("/p/helpful/"))
    assert "Your answers" in page
    assert "Go on annotating" in page
    for secret in ("dpo-01", "rm-01", "judge-01", "prefs"):
        assert secret not in page


def test_an_empty_project_says_what_comes_first(researcher_client):
    page = text_of(researcher_client.get("/p/helpful/"))
    assert "There are no prompts yet" in page
    assert "No answers in the last four weeks" in page
    assert "Who wins is not known yet" in page


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("leaderboard/", "No battles yet"),
        ("bias/", "Nothing to measure yet"),
        ("charts/matrix/?format=csv", "row beats column"),
        ("charts/winners/", "No comparison yet"),
        ("charts/ratings/", "No rating yet"),
        ("leaderboard.csv", "win_rate_low"),
    ],
)
def test_empty_pages_say_what_would_be_there(researcher_client, path, words):
    assert words in text_of(researcher_client.get(f"/p/helpful/{path}"))


def test_the_project_home_has_the_figures_and_the_way_to_them(researcher_client, fought):
    page = text_of(researcher_client.get("/p/helpful/"))
    assert "dpo-01 beats base in 79% of battles" in page
    assert 'href="/p/helpful/battles/?first=dpo-01&amp;second=base&amp;judge=reward_model%3Arm-01"' in page
    assert "28 <small>of 28</small>" in page
    assert "Japanese" in page
    assert "prefs-v1" in page
    assert "judge-01" in page


def test_the_leaderboard_shows_one_voice_and_names_the_others(researcher_client, fought):
    page = text_of(researcher_client.get("/p/helpful/leaderboard/"))
    assert "14 battles by people" in page
    assert "simulated raters" in page
    assert "concise (hidden preference)" in page
    assert "/p/helpful/battles/?first=dpo-01&amp;second=base&amp;judge=human" in page
    other = text_of(researcher_client.get("/p/helpful/leaderboard/?judge=reward_model:rm-01"))
    assert "14 battles by rm-01" in other
    assert "dpo-01 beats base in 79% of battles" in other


def test_simulated_votes_are_labelled(researcher_client, fought):
    page = text_of(researcher_client.get("/p/helpful/leaderboard/?judge=simulated"))
    assert "Simulated raters are not people" in page
    assert '<span class="tag">simulated</span>' in text_of(researcher_client.get("/p/helpful/bias/"))


def test_the_project_home_says_which_answers_are_simulated(researcher_client, annotator_client, fought):
    page = text_of(researcher_client.get("/p/helpful/"))
    assert "14 of them simulated; 100% done, 14 by people today" in page
    assert "; 14 by people, 14 by simulated raters" in page
    assert '<th scope="col" class="n">Simulated</th>' in page
    assert "14 battles by rm-01 (reward model)" in page
    assert "14 of them simulated" in text_of(annotator_client.get("/p/helpful/"))


def test_a_home_of_people_alone_says_nothing_of_simulation(researcher_client, world, base):
    prompt = world.prompt()
    world.vote(world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"), wanted=2), 1)
    page = text_of(researcher_client.get("/p/helpful/"))
    assert "50% done, 1 today" in page
    assert "of them simulated" not in page
    assert "by simulated raters" not in page


def test_languages_have_names(researcher_client, world, base):
    for lang in ("en", "ar", "zh-Hans", "tlh", "pt-BR", ""):
        prompt = world.prompt(lang=lang)
        world.task(world.response(prompt, base, "a"), world.response(prompt, base, "b"))
    page = text_of(researcher_client.get("/p/helpful/"))
    for name in ("English", "Arabic", "Chinese", "tlh", "Portuguese", "no language"):
        assert f'<th scope="row" class="plain">{name}' in page


def test_the_battles_leave_out_what_the_reward_model_was_trained_on(researcher_client, project, world, fought):
    reward = world.model("rm-01", role="reward")
    world.trained_on(reward, project.feedback.filter(origin="human").first())
    url = "/p/helpful/battles/?first=dpo-01&second=base&judge="
    response = researcher_client.get(url + "reward_model:rm-01")
    assert response.context["rate"].n == 13
    assert [count for _, count in response.context["voices"].items()] == [14, 14, 13, 14]
    assert "that a model, or the judge, was trained on are left out" in text_of(response)
    assert researcher_client.get(url + "hidden_preference:concise").context["rate"].n == 14
    page = text_of(researcher_client.get("/p/helpful/leaderboard/?judge=reward_model:rm-01"))
    assert "1 battles are left out" in page


def test_battles_of_a_judge_lead_to_its_run_and_those_of_people_to_the_vote(researcher_client, fought, project):
    page = text_of(researcher_client.get("/p/helpful/battles/?first=dpo-01&second=base&judge=reward_model:rm-01"))
    assert page.count('href="/p/helpful/runs/judge-01/"') == 14
    assert "<strong>with</strong>" in page
    page = text_of(researcher_client.get("/p/helpful/battles/?first=base&second=dpo-01&judge=human"))
    vote = project.feedback.filter(origin="human").order_by("task__prompt__key").first()
    assert f'href="/p/helpful/votes/{vote.pk}/"' in page
    assert "36%" in page  # 5 of 14, seen from the base
    assert f"B better, said {pseudonym(project.pk, vote.annotator_id)}" in page


def test_the_number_on_the_battle_page_is_the_leaderboards(researcher_client, fought):
    rows = json.loads(text_of(researcher_client.get("/p/helpful/leaderboard.json")))["rows"]
    for row in rows:
        if not row["opponent"]:
            continue
        query = {"first": row["model"], "second": row["opponent"], "judge": row["judge"]}
        response = researcher_client.get("/p/helpful/battles/", query)
        rate = response.context["rate"]
        assert (rate.value, rate.n) == (pytest.approx(row["win_rate"]), row["battles"])
        assert response.context["page"].paginator.count == row["battles"]


def test_battles_come_fifty_a_page(researcher_client, world, base, tuned):
    world.compared([1.0] * 60, first=tuned, second=base)
    url = "/p/helpful/battles/?first=dpo-01&second=base"
    first, second = researcher_client.get(url), researcher_client.get(f"{url}&page=2")
    assert [len(one.context["page"].object_list) for one in (first, second)] == [50, 10]
    assert "1 to 50 of 60" in text_of(first)
    assert "51 to 60 of 60" in text_of(second)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "names no two models"),
        ("first=dpo-01", "names no two models"),
        ("first=nobody&second=base", "no model “nobody”"),
        ("first=base&second=base", "the same model"),
        ("first=dpo-01&second=base&judge=zed", "no judge “zed”"),
        ("first=dpo-01&second=base&judge=human:x", "no judge “human:x”"),
        ("first=dpo-01&second=base&judge=reward_model:rm-99", "rm-99 has decided no battle"),
        ("first=%00&second=base", "names no two models"),
        ("first=dpo-01&second=base&judge=reward_model:%00", "no judge"),
    ],
)
def test_forged_addresses_get_a_sentence(researcher_client, fought, query, words):
    response = researcher_client.get(f"/p/helpful/battles/?{query}")
    assert response.status_code == 404
    assert words in response.content.decode()


@pytest.mark.parametrize("page", ["0", "-3", "999", "x", "", "1;drop", "%00"])
def test_a_page_that_is_none_is_the_nearest_one(researcher_client, fought, page):
    response = researcher_client.get(f"/p/helpful/battles/?first=dpo-01&second=base&page={page}")
    assert "1 to" not in text_of(response) or "of 14" in text_of(response)


def test_a_judge_that_is_none_falls_back_with_a_word(researcher_client, fought):
    page = text_of(researcher_client.get("/p/helpful/leaderboard/?judge=<script>"))
    assert "There is no judge “&lt;script&gt;” here." in page


def test_models_that_have_not_met_are_told_so(researcher_client, world, fought):
    world.model("lonely")
    page = text_of(researcher_client.get("/p/helpful/battles/?first=lonely&second=base"))
    assert "They have not met yet" in page


def test_answers_of_models_cannot_run_in_the_page(researcher_client, world, base, tuned):
    prompt = world.prompt(text="<script>alert(1)</script>")
    bad = world.response(prompt, tuned, "<img src=x onerror=alert(2)>" + "x" * 2000)
    world.judgement(world.job("judge"), bad, world.response(prompt, base), 1.0)
    page = text_of(researcher_client.get("/p/helpful/battles/?first=dpo-01&second=base"))
    assert "<script>alert" not in page
    assert "onerror" not in page.replace("&lt;img src=x onerror", "")
    assert "All of it" in page


def test_every_number_can_be_downloaded(researcher_client, fought):
    rows = list(csv.DictReader(io.StringIO(text_of(researcher_client.get("/p/helpful/leaderboard.csv")))))
    assert {row["judge"] for row in rows} == {"human", "simulated", "reward_model:rm-01", "hidden_preference:concise"}
    (row,) = [row for row in rows if row["judge"] == "human" and row["model"] == "dpo-01" and not row["opponent"]]
    assert float(row["win_rate"]) == pytest.approx(9 / 14)
    assert float(row["rating_low"]) < float(row["rating"]) < float(row["rating_high"])
    assert (row["battles"], row["prompts"]) == ("14", "14")


def test_the_answers_have_a_column_of_people_and_one_of_simulated_raters(researcher_client, fought):
    table = text_of(researcher_client.get("/p/helpful/charts/answers/?format=csv")).splitlines()
    assert table[0] == "day,people,simulated"
    assert table[-1].endswith(",14,14")


@pytest.mark.parametrize("name", ["answers", "bias", "matrix", "ratings", "winners"])
def test_every_chart_comes_as_svg_and_csv(researcher_client, fought, name):
    drawn = researcher_client.get(f"/p/helpful/charts/{name}/?format=svg")
    assert drawn["Content-Type"] == "image/svg+xml"
    assert text_of(drawn).startswith("<svg xmlns")
    table = researcher_client.get(f"/p/helpful/charts/{name}/?format=csv")
    assert table["Content-Type"].startswith("text/csv")
    assert len(text_of(table).splitlines()) > 1
    assert "attachment" in table["Content-Disposition"]


def test_a_chart_of_one_judge_is_that_judges(researcher_client, fought):
    table = text_of(researcher_client.get("/p/helpful/charts/matrix/hidden_preference:concise/?format=csv"))
    assert "dpo-01,,100" in table


def test_a_chart_that_is_none_is_not_found(researcher_client):
    assert researcher_client.get("/p/helpful/charts/pie/").status_code == 404


@pytest.mark.parametrize(("path", "most"), [("", 22), ("leaderboard/", 40), ("bias/", 18)])
def test_a_page_asks_the_database_a_fixed_number_of_times(researcher_client, world, fought, base, tuned, path, most):
    with CaptureQueriesContext(
        connection,
    ) as few:
        text_of(researcher_client.get(f"/p/helpful/{path}"))
    for i in range(12):
        world.job("sample", status="running" if i < 3 else "succeeded")
        world.model(f"m{i}", parent=base)
        world.dataset(version=10 + i)
    world.compared([1.0, 0.0] * 10, first=tuned, second=base)
    with CaptureQueriesContext(connection) as many:
        text_of(researcher_client.get(f"/p/helpful/{path}"))
    assert len(many) <= len(few) + 1, [query["sql"][:120] for query in many]
    assert len(many) <= most, [query["sql"][:120] for query in many]


def test_the_list_of_battles_asks_a_fixed_number_of_times(researcher_client, fought):
    for judge in ("human", "reward_model:rm-01"):
        url = f"/p/helpful/battles/?first=dpo-01&second=base&judge={judge}"
        researcher_client.get(url)  # what is kept for a minute is read now
        with CaptureQueriesContext(connection) as queries:
            text_of(researcher_client.get(url))
        assert len(queries) <= 20, [query["sql"][:120] for query in queries]
