"""Raw answers: the full history, what stands now, prompts with responses; and who may be named."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from accounts.models import Project, User
from annotate import services
from annotate.models import Feedback, SentBack
from curate.models import ConsentWithdrawal
from exchange.exports.people import People
from exchange.exports.stream import look, prepare
from registry.specs import ExportSpec
from tests.exchange.exports.conftest import TEXTS
from tests.exchange.exports.making import made, rows
from tests.factories import make_raters, make_task, make_vote


def test_the_history_holds_what_was_taken_back_and_what_replaced_it(project: Project, raters: list[User]) -> None:
    task = make_task(project)
    vote = make_vote(task, raters[0], 2)
    services.revise(
        assignment=vote.assignment,
        annotator=raters[0],
        step=0,
        data={"strength": "0", "comment": "Both."},
        idempotency_key=uuid.uuid4(),
    )
    skipped = services.next_assignment(project=project, annotator=raters[1])
    found = rows(project, what="events")
    answers = [row for row in found if row["event"] == "answer"]
    assert [row["state"] for row in answers] == ["superseded", "current"]
    assert answers[1]["supersedes"] == answers[0]["id"] == vote.pk
    assert answers[1]["comment"] == "Both."
    assert answers[0]["order"] == vote.order
    assert answers[0]["responses"] == [one.response_id for one in task.task_responses.all()]
    assert datetime.fromisoformat(answers[0]["at"]) == vote.created_at
    assert skipped is None or [row["state"] for row in found if row["event"] == "assignment"] == ["leased"]


@pytest.mark.parametrize("file", ["jsonl", "json", "csv", "parquet"])
@pytest.mark.parametrize("what", ["events", "answers", "items"])
def test_every_file_holds_the_same_rows(project: Project, votes: list[Feedback], what: str, file: str) -> None:
    expected = rows(project, what=what)
    found = rows(project, what=what, file=file)
    assert len(found) == len(expected) > 0
    key = "prompt_key" if what == "items" else "id"
    assert [str(row[key]) for row in found] == [str(row[key]) for row in expected]


def test_answers_hold_texts_and_not_letters(project: Project, votes: list[Feedback]) -> None:
    found = rows(project, what="answers")
    assert [(row["chosen"], row["rejected"]) for row in found[:3]] == [TEXTS, TEXTS[::-1], (None, None)]
    assert [row["strength"] for row in found] == [2, 3, 0, None]
    assert [row["tie"] for row in found] == [False, False, True, False]
    assert found[3]["both_bad"]
    assert found[0]["chosen_shown_first"] == (votes[0].order[0] == 0)
    assert found[1]["chosen_shown_first"] == (votes[1].order[0] == 1)
    assert found[0]["prompt"][0]["role"] == "user"


def test_parquet_of_answers_keeps_types(project: Project, votes: list[Feedback]) -> None:
    found = rows(project, what="answers", file="parquet", compress="zstd")
    assert found[0]["responses"] == list(TEXTS)
    assert found[0]["answered_at"] == votes[0].created_at
    assert found[3]["strength"] is None


def test_pseudonyms_are_stable_and_differ_between_projects(project: Project, votes: list[Feedback]) -> None:
    other = Project.objects.create(name="Other", slug="other")
    rater = votes[0].annotator
    first, again = rows(project, what="answers"), rows(project, what="events")
    assert first[0]["person"] == first[3]["person"] == again[0]["person"] == People(project, "pseudonyms").pseudonym(
        rater.pk
    )  # fmt: skip
    assert first[0]["person"] != first[1]["person"]
    assert People(other, "pseudonyms").pseudonym(rater.pk) != first[0]["person"]
    assert rater.username.encode() not in made(project, what="events")


def test_names_and_nobody(project: Project, votes: list[Feedback]) -> None:
    assert rows(project, what="events", people="names")[0]["person"] == "rater-0"
    assert {row["person"] for row in rows(project, what="events", people="left_out")} == {None}


def test_who_withdrew_consent_is_in_no_raw_export(project: Project, votes: list[Feedback]) -> None:
    gone = votes[0].annotator
    ConsentWithdrawal.objects.create(project=project, user=gone)
    assert len(rows(project, what="answers")) == 2
    assert {row["id"] for row in rows(project, what="events") if row["event"] == "answer"} == {
        vote.pk for vote in votes if vote.annotator != gone
    }
    assert all(len(task["responses"]["preference"]) == 2 for task in rows(project, what="answers", format="argilla"))


def test_what_a_reviewer_who_withdrew_wrote_is_in_no_raw_export(
    project: Project, votes: list[Feedback], researcher: User
) -> None:
    vote = votes[0]
    SentBack.objects.create(
        assignment=vote.assignment, project=project, annotator=vote.annotator, reviewer=researcher, note="Look again."
    )
    assert "sent_back" in {row["event"] for row in rows(project, what="events")}
    ConsentWithdrawal.objects.create(project=project, user=researcher)
    assert "sent_back" not in {row["event"] for row in rows(project, what="events")}


def test_other_projects_are_not_in_it(project: Project, votes: list[Feedback]) -> None:
    other = Project.objects.create(name="Other", slug="other")
    make_vote(make_task(other), make_raters(other, 1, prefix="foreign")[0])
    assert len(rows(project, what="answers")) == 4
    assert len(rows(other, what="answers")) == 1


def test_comments_and_timing_can_stay_at_home(project: Project, raters: list[User]) -> None:
    task = make_task(project)
    vote = make_vote(task, raters[0])
    services.revise(
        assignment=vote.assignment,
        annotator=raters[0],
        step=0,
        data={"strength": "0", "comment": "Call me"},
        idempotency_key=uuid.uuid4(),
    )
    bare: dict[str, Any] = {"comments": False, "timing": False}
    assert b"Call me" in made(project, what="events")
    assert b"Call me" not in made(project, what="events", **bare)
    assert "active_ms" not in rows(project, what="answers", **bare)[0]


@pytest.mark.parametrize("file", ["jsonl", "json", "csv", "parquet"])
def test_a_project_without_answers_gives_an_empty_file(project: Project, file: str) -> None:
    assert rows(project, what="events", file=file) == []


def test_label_studio_says_who_won_and_a_tie(project: Project, votes: list[Feedback]) -> None:
    first, second = rows(project, what="answers", format="label_studio", file="json")
    assert first["data"]["response_a"] == TEXTS[0]
    assert all(each["result"][-1]["from_name"] == "rater" for each in first["annotations"])
    regions = [{one["type"]: one["value"] for one in each["result"][:-1]} for each in first["annotations"]]
    assert regions[0]["pairwise"] == {"selected": "left"}
    assert regions[1] == {"pairwise": {"selected": "right"}, "rating": {"rating": 3}}
    assert regions[2] == {"choices": {"choices": ["tie"]}}
    assert second["annotations"][0]["result"][0]["value"] == {"choices": ["both bad"]}


def test_argilla_has_every_rater_by_question(project: Project, votes: list[Feedback]) -> None:
    first = rows(project, what="answers", format="argilla")[0]
    assert [one["value"] for one in first["responses"]["preference"]] == ["response_a", "response_b", "tie"]
    assert len({uuid.UUID(one["user_id"]) for one in first["responses"]["preference"]}) == 3
    assert first["fields"]["response_a"] == TEXTS[0]


def test_the_same_request_gives_the_same_bytes(project: Project, votes: list[Feedback]) -> None:
    for compress in ("none", "gzip", "zstd"):
        assert made(project, what="events", compress=compress) == made(project, what="events", compress=compress)
    assert rows(project, what="events", compress="gzip") == rows(project, what="events", compress="zstd")


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="names it: set dataset"):
        ExportSpec(what="dataset")
    with pytest.raises(ValueError, match="leave one of the two out"):
        ExportSpec(what="events", dataset="prefs-v1")


@pytest.mark.parametrize("what", ["events", "answers", "items"])
def test_a_look_at_the_first_rows_leaves_the_connection_usable(
    project: Project, votes: list[Feedback], what: str
) -> None:
    """The rest of the rows is never asked for, so the copy under way is ended in the middle."""
    seen = look(prepare(project, ExportSpec(what=what)), rows=1, search=1)
    assert (len(seen.rows), seen.looked_at) == (1, 1)
    assert Feedback.objects.count() == 4
    assert len(rows(project, what="answers")) == 4
