"""The page on bias with runs on case sets, the cases behind it, contrasts, and the downloads."""

import csv
import io
import json

import pytest

from evaluate.charts import bias_cases
from evaluate.models import CaseVerdict, ContrastedPair

AB = {
    "given": {"probabilities": {"A": 0.7, "B": 0.2, "C": 0.1}, "mass": 0.9, "text": ""},
    "swapped": {"probabilities": {"A": 0.2, "B": 0.8, "C": 0.0}, "mass": 0.9, "text": "I <b>think</b> so"},
}


def text_of(response, status=200):
    assert response.status_code == status, response.content[:400]
    return response.content.decode()


def make_run(world, name, verdicts, *, judge="judge-02", kind="judge_model"):
    """verdicts: {type: [(given, swapped)]}"""
    job = world.job("bias", name=name, result={"judge": judge})
    for case_type, said in verdicts.items():
        for number, (given, swapped) in enumerate(said):
            CaseVerdict.objects.create(
                project=world.project, job=job, judge_kind=kind, judge_name=judge, case_type=case_type,
                case_key=f"{case_type}-{number:02}", lang="en", better_first=number % 2 == 0, given=given,
                swapped=swapped, readings=AB if kind == "judge_model" else {"scores": [1.25, -0.5]},
                case={"prompt": [{"role": "user", "content": f"Question {number}?"}], "better": "Lisbon.",
                      "worse": "It is **Porto**, a large and lovely city.", "why": "It is Lisbon."},
            )  # fmt: skip
    return job


@pytest.fixture
def runs(world):
    before = {"length": [(0.0, 0.0)] * 15 + [(1.0, 0.0)] * 5, "honest": [(1.0, 0.0)] * 8}
    after = {"length": [(1.0, 1.0)] * 18 + [(None, 1.0), (0.5, 0.0)], "honest": [(1.0, 1.0)] * 8}
    make_run(world, "bias-01", before, judge="judge-01")
    make_run(world, "bias-02", after)


def test_an_empty_page_offers_the_run_to_those_who_may(researcher_client, reviewer_client, project):
    page = text_of(researcher_client.get("/p/helpful/bias/"))
    assert "Nothing to measure yet" in page
    assert 'href="/p/helpful/launch/bias/"' in page
    assert "/launch/bias/" not in text_of(reviewer_client.get("/p/helpful/bias/"))


def test_the_newest_run_is_shown_with_its_figures(researcher_client, runs):
    page = text_of(researcher_client.get("/p/helpful/bias/"))
    assert "Right in both orders" in page
    assert "93% <small>" in page  # 26 of 28
    assert "judge-02 is right on 93% of cases in both orders" in page
    assert "1 <small>of 56</small>" in page
    assert "The worse answer is much longer" in page
    assert '<option value="bias-02" selected>' in page


def test_two_runs_are_compared(researcher_client, runs):
    response = researcher_client.get("/p/helpful/bias/?run=bias-02&other=bias-01")
    page = text_of(response)
    assert "judge-02 (bias-02) gets 93 points more than judge-01 (bias-01)" in page
    assert [row["before"].figures.pair.value for row in response.context["rows"]] == [0.0, 0.0, 0.0]
    same = text_of(researcher_client.get("/p/helpful/bias/?run=bias-02&other=bias-02"))
    assert "right on 93% of cases" in same


def test_the_title_says_what_is_weakest_only_where_the_interval_does(world, researcher_client, project):
    make_run(world, "bias-01", {"length": [(0.0, 0.0)] * 10, "honest": [(1.0, 1.0)] * 10})
    assert bias_cases.chart(project).title == "judge-02 is weakest on length: 0% right"


def test_a_judge_that_always_says_a_is_called_what_it_is(world, researcher_client, project):
    by_place = [(1.0, 0.0) if number % 2 == 0 else (0.0, 1.0) for number in range(12)]
    make_run(world, "bias-01", {"length": by_place, "honest": by_place})
    page = text_of(researcher_client.get("/p/helpful/bias/"))
    assert "judge-02 chooses by place: the first shown in 100% of its choices" in page
    assert "0% <small>" in page


def test_runs_that_are_not_apart_are_not_called_better(world, researcher_client):
    make_run(world, "bias-01", {"length": [(1.0, 1.0)] * 6 + [(0.0, 0.0)] * 4})
    make_run(world, "bias-02", {"length": [(1.0, 1.0)] * 7 + [(0.0, 0.0)] * 3})
    page = text_of(researcher_client.get("/p/helpful/bias/?run=bias-02&other=bias-01"))
    assert "are not told apart by these cases" in page


def test_a_run_that_is_not_there_is_said(researcher_client, runs):
    page = text_of(researcher_client.get("/p/helpful/bias/?run=bias-99%00<b>"))
    assert "There is no finished bias run “bias-99&lt;b&gt;” here." in page


def test_a_run_on_its_way_is_named(researcher_client, world):
    world.job("bias", name="bias-07", status="running", progress_text="8 of 197 cases")
    page = text_of(researcher_client.get("/p/helpful/bias/"))
    assert "bias-07 is running: 8 of 197 cases" in page
    assert "Nothing to measure yet" not in page


def test_a_scorer_has_no_orders(researcher_client, world):
    make_run(world, "bias-01", {"length": [(1.0, None)] * 3 + [(0.0, None)]}, judge="rm-01", kind="reward_model")
    page = text_of(researcher_client.get("/p/helpful/bias/"))
    assert "Better answer chosen" in page
    assert "75% <small>" in page
    assert "Keeps its choice" not in page
    assert "score 1.250" in text_of(researcher_client.get("/p/helpful/bias/cases/?run=bias-01"))


def test_cases_show_both_texts_and_what_was_said_in_each_order(researcher_client, runs):
    response = researcher_client.get("/p/helpful/bias/cases/?run=bias-02&type=length")
    page = text_of(response)
    assert page.count("<strong>Porto</strong>") == 20
    assert "better shown as A, chose A with 70% (right)" in page
    assert "better shown as B, chose B with 80% (right)" in page
    assert "said neither A, B nor C (no verdict)" in page
    assert "I &lt;b&gt;think&lt;/b&gt; so" in page
    assert "The worse answer is much longer" in page


@pytest.mark.parametrize(
    ("only", "run", "count"),
    [("wrong", "bias-02", 2), ("unparseable", "bias-02", 1), ("swayed", "bias-02", 0), ("swayed", "bias-01", 13)],
)
def test_cases_can_be_narrowed(researcher_client, runs, only, run, count):
    response = researcher_client.get(f"/p/helpful/bias/cases/?run={run}&type=all&only={only}")
    assert response.context["page"].paginator.count == count
    assert ("No case is left" in text_of(response)) == (count == 0)


@pytest.mark.parametrize("query", ["", "run=bias-77", "run=bias-02&type=polish", "run=bias-02&type=%00x"])
def test_cases_that_do_not_exist_are_said(researcher_client, world, query):
    if query:
        make_run(world, "bias-02", {"length": [(1.0, 1.0)]})
    assert "There are no such cases" in text_of(researcher_client.get(f"/p/helpful/bias/cases/?{query}"), 404)


def test_every_figure_comes_as_csv_and_json(researcher_client, runs):
    rows = json.loads(text_of(researcher_client.get("/p/helpful/bias.json")))["rows"]
    found = {(row["run"], row["benchmark"], row["measure"]): row for row in rows}
    pair = found["bias-02", "length", "pair_accuracy"]
    assert (pair["value"], pair["n"], pair["unparseable"]) == (pytest.approx(0.9), 20, 1)
    assert pair["low"] < pair["value"] < pair["high"]
    assert (pair["fair_judge"], pair["always_a"], pair["longer_wins"], pair["random"]) == (1.0, 0.0, 0.0, 0.25)
    assert found["bias-02", "length", "single_accuracy"]["always_a"] == 0.5
    assert found["bias-02", "length", "first_slot_rate"]["fair_judge"] == 0.5
    lines = list(csv.DictReader(io.StringIO(text_of(researcher_client.get("/p/helpful/bias.csv")))))
    assert len(lines) == len(rows) == 2 * 3 * 4


def test_the_chart_of_a_run_and_of_two_can_be_downloaded(researcher_client, runs, project):
    one = text_of(researcher_client.get("/p/helpful/charts/bias_cases/bias-02/?format=csv"))
    two = text_of(researcher_client.get("/p/helpful/charts/bias_cases/bias-02/bias-01/?format=csv"))
    assert "judge-01" not in one
    assert "judge-01 (bias-01) low" in two
    assert text_of(researcher_client.get("/p/helpful/charts/bias_cases/bias-02/bias-01/")).startswith("<svg")
    assert bias_cases.chart(project).title.startswith("judge-02 is right")


def test_without_a_run_the_chart_says_so(project):
    assert bias_cases.chart(project).title == "No judge has been tested on cases yet"


@pytest.mark.parametrize("path", ["bias/", "bias/cases/?run=bias-02", "bias.csv", "bias.json", "charts/bias_cases/"])
def test_reviewers_may_read_and_annotators_may_not(reviewer_client, annotator_client, outsider_client, runs, path):
    assert reviewer_client.get(f"/p/helpful/{path}").status_code == 200
    assert annotator_client.get(f"/p/helpful/{path}").status_code == 403
    assert outsider_client.get(f"/p/helpful/{path}").status_code == 404


def test_contrasts_mark_what_differs(researcher_client, reviewer_client, world, base):
    assert "No policy has been contrasted yet" in text_of(researcher_client.get("/p/helpful/bias/contrast/"))
    job = world.job("contrast", name="contrast-01", result={"model": "base"})
    for key, gap in (("a", 0.5), ("b", 1.5)):
        ContrastedPair.objects.create(
            project=world.project, job=job, model=base, key=key, attribute="name", values=["Greg", "Jamal"],
            prompts=["Suggest a job for Greg.", "Suggest a job for Jamal."], strength=1.0,
            plain=["Teacher.", "Teacher."], contrasted=["Banker.", "Coach <i>"], gaps=[gap, None],
        )  # fmt: skip
    response = researcher_client.get("/p/helpful/bias/contrast/")
    page = text_of(response)
    assert [pair.stored.key for pair in response.context["pairs"]] == ["b", "a"]
    assert 'Suggest a job for <b class="strong">Jamal</b>.' in page
    assert "Banker." in page
    assert "<i>" not in page
    assert "1.50 nats a token" in page
    assert "2 <small>" not in page
    assert response.context["hidden"] == 2
    assert "There is no finished contrast run" in text_of(
        researcher_client.get("/p/helpful/bias/contrast/?run=no"), 404
    )
    assert reviewer_client.get("/p/helpful/bias/contrast/").status_code == 403
