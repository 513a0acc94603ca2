"""The API and its tokens: who may what, and downloads that are continued."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg.pq import TransactionStatus

from accounts import tokens
from accounts.models import ApiToken, AuditEvent, Project, User
from annotate.models import Feedback, Response
from exchange import api
from registry.models import Job
from tests.exchange.exports.making import made
from tests.exchange.exports.test_kept import run_claimed

pytestmark = pytest.mark.django_db(transaction=True)
START = "/api/p/helpful/exports/"


def bearing(user: User, **more: Any) -> tuple[Client, ApiToken]:
    token, text = tokens.make(user, more.pop("name", "nightly"), days=more.pop("days", 30))
    return Client(headers={"Authorization": f"Bearer {text}"}), token


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.fixture
def ready(project: Project, researcher: User, votes: list[Feedback]) -> tuple[Client, str]:
    client, _ = bearing(researcher)
    answer = client.post(START, json.dumps({"what": "events"}), content_type="application/json")
    assert answer.status_code == 202 and answer.json()["download"] is None
    run_claimed()
    return client, answer.json()["url"]


def test_ask_wait_and_fetch(ready: tuple[Client, str], project: Project) -> None:
    client, url = ready
    state = client.get(url).json()
    assert (state["state"], state["rows"]) == ("succeeded", 4)
    whole = client.get(state["download"])
    data = body(whole)
    assert data == made(project, what="events")
    assert whole["ETag"] == f'"{state["sha256"]}"' == f'"{hashlib.sha256(data).hexdigest()}"'
    assert int(whole["Content-Length"]) == len(data)
    assert whole["Accept-Ranges"] == "bytes"


def test_a_torn_download_goes_on_where_it_was(ready: tuple[Client, str], project: Project) -> None:
    client, url = ready
    address = client.get(url).json()["download"]
    data = made(project, what="events")
    etag = client.head(address)["ETag"]
    rest = client.get(address, headers={"Range": "bytes=100-", "If-Range": etag, "Accept-Encoding": "gzip"})
    assert rest.status_code == 206
    assert rest["Content-Range"] == f"bytes 100-{len(data) - 1}/{len(data)}"
    assert data[:100] + body(rest) == data
    other = client.get(address, headers={"Range": "bytes=100-", "If-Range": '"another file"'})
    assert other.status_code == 200 and body(other) == data


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)), ("bytes=-5", 206, slice(-5, None)), ("bytes=5-99999999", 206, slice(5, None)),
        ("bytes=99999999-", 416, None), ("bytes=9-3", 416, None), ("bytes=-0", 416, None),
        ("bytes=0-1,4-5", 200, slice(None)), ("lines=1-2", 200, slice(None)), ("bytes=-", 200, slice(None)),
    ],
)  # fmt: skip
def test_ranges(ready: tuple[Client, str], project: Project, asked: str, status: int, part: slice | None) -> None:
    client, url = ready
    answer = client.get(client.get(url).json()["download"], headers={"Range": asked})
    data = made(project, what="events")
    assert answer.status_code == status
    if part is None:
        assert answer["Content-Range"] == f"bytes */{len(data)}"
    else:
        assert body(answer) == data[part]


def test_what_one_has_already_is_not_sent_again(ready: tuple[Client, str]) -> None:
    client, url = ready
    address = client.get(url).json()["download"]
    assert client.get(address, headers={"If-None-Match": client.head(address)["ETag"]}).status_code == 304


def test_all_in_one_call(project: Project, researcher: User, votes: list[Feedback]) -> None:
    client, _ = bearing(researcher)
    answer = client.get("/api/p/helpful/export/?what=answers&format=argilla&people=left_out")
    assert body(answer) == made(project, what="answers", format="argilla", people="left_out")
    event = AuditEvent.objects.get(action="export.made")
    assert (event.actor, event.data["way"], event.data["people"]) == (researcher, "API, nightly", "left_out")


def test_one_call_that_broke_off_goes_on(project: Project, researcher: User, votes: list[Feedback]) -> None:
    client, _ = bearing(researcher)
    address = "/api/p/helpful/export/?what=events"
    first = client.get(address)
    data = made(project, what="events")
    wanted = {"Range": "bytes=100-", "If-Range": first["ETag"]}
    assert body(first) == data
    rest = client.get(address, headers=wanted)
    assert (rest.status_code, data[:100] + body(rest)) == (206, data)
    votes[0].annotator.feedback.all().delete()
    anew = client.get(address, headers=wanted)  # other rows: what one has is of no use
    assert anew.status_code == 200 and len(body(anew)) < len(data)
    assert AuditEvent.objects.filter(action="export.made").count() == 3


def test_one_call_has_an_end(researcher: User, votes: list[Feedback], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "ONE_CALL", 3)
    answer = bearing(researcher)[0].get("/api/p/helpful/export/?what=events")
    assert answer.status_code == 422
    assert "more than 3 rows" in answer.json()["error"] and START in answer.json()["error"]


def test_a_reader_that_stalls_keeps_no_snapshot_open(project: Project, researcher: User, votes: list[Feedback]) -> None:
    """It has the first bytes and takes no more: the answer waits on it, and the database on nobody."""
    Response.objects.update(text="x" * 500_000)  # more than one piece
    answer = bearing(researcher)[0].get("/api/p/helpful/export/?what=answers")
    pieces = iter(answer.streaming_content)
    got = next(pieces)
    assert connection.connection.info.transaction_status == TransactionStatus.IDLE
    Response.objects.update(text="y")  # what it goes on with is what it began with
    data = got + b"".join(pieces)
    assert len(data) > len(got) and hashlib.sha256(data).hexdigest() == answer["ETag"].strip('"')
    assert b"xxx" in data and b'"y"' not in data


@pytest.mark.parametrize(
    ("wish", "status", "sentence"),
    [
        ({"what": "dataset", "dataset": "prefs-v9"}, 422, "There is no dataset prefs-v9 in Helpful answers."),
        ({"what": "votes"}, 422, "what is 'votes'"),
        ({"what": "events", "people": "names"}, 403, "Only admins of Helpful answers can export names"),
        ({"what": "events", "format": "trl"}, 422, "cannot hold the full history"),
        ({"colour": "red", "what": "events"}, 422, "There is no setting colour"),
        ([], 422, "not an object of settings"),
    ],
)
def test_wrong_wishes(researcher: User, wish: Any, status: int, sentence: str) -> None:
    client, _ = bearing(researcher)
    answer = client.post(START, json.dumps(wish), content_type="application/json")
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
    assert not Job.objects.exists()


def test_what_is_no_json(researcher: User) -> None:
    answer = bearing(researcher)[0].post(START, "{", content_type="application/json")
    assert answer.status_code == 422


@pytest.mark.parametrize(("who", "status"), [("annotator", 403), ("reviewer", 403), ("outsider", 404)])
def test_roles(request: pytest.FixtureRequest, project: Project, who: str, status: int) -> None:
    client, _ = bearing(request.getfixturevalue(who))
    assert client.get("/api/p/helpful/export/?what=events").status_code == status
    assert client.post(START, "{}", content_type="application/json").status_code == status


def test_exports_of_other_projects_are_not_there(ready: tuple[Client, str], owner: User) -> None:
    other = Project.objects.create(name="Other", slug="other")
    stranger = User.objects.create_user("stranger")
    other.memberships.create(user=stranger, role="admin")
    client, _ = bearing(stranger)
    assert client.get("/api/p/other/exports/export-1/").status_code == 404
    assert client.get("/api/p/other/exports/export-1/file/").status_code == 404
    assert client.get(ready[1]).status_code == 404
    assert client.get("/api/p/helpful/exports/export-99/").status_code == 404


def test_a_file_with_names_is_not_for_researchers(
    project: Project, owner: User, researcher: User, votes: list[Feedback]
) -> None:
    client, _ = bearing(owner)
    url = client.post(
        START, json.dumps({"what": "events", "people": "names"}), content_type="application/json"
    ).json()["url"]  # fmt: skip
    run_claimed()
    address = client.get(url).json()["download"]
    assert b"rater-0" in body(client.get(address))
    assert bearing(researcher)[0].get(address).status_code == 403


def test_tokens_that_do_not_count(researcher: User, owner: User, researcher_client: Client) -> None:
    client, token = bearing(researcher)
    state = f"{START}export-1/"
    assert client.get(state).status_code == 404
    assert researcher_client.get(state).status_code == 401, "a cookie is no token"
    assert Client(headers={"Authorization": "Bearer palate_wrong"}).get(state).status_code == 401
    assert Client(headers={"Authorization": f"Bearer {token.digest}"}).get(state).status_code == 401
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "expired" in client.get(state).json()["error"]
    ApiToken.objects.update(expires_at=None)
    assert client.get(state).status_code == 404
    researcher.is_active = False
    researcher.save()
    assert client.get(state).status_code == 401
    researcher.is_active = True
    researcher.save()
    tokens.revoke(token, actor=researcher)
    assert "was revoked" in client.get(state).json()["error"]
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["token.revoked", "token.made"]


def test_the_token_is_not_kept(researcher: User) -> None:
    made, text = tokens.make(researcher, "nightly", days=None)
    kept = " ".join(str(value) for value in ApiToken.objects.values().get(pk=made.pk).values())
    assert text not in kept
    assert text[len(made.start) :] not in kept
    assert text not in str(list(AuditEvent.objects.values()))


def test_the_page_makes_shows_once_and_revokes(
    researcher: User, researcher_client: Client, owner_client: Client
) -> None:
    answer = researcher_client.post("/account/tokens/", {"name": "nightly", "days": "30"})
    token = ApiToken.objects.get()
    text = answer.context["made"]
    assert text in answer.content.decode()
    assert tokens.digest_of(text) == token.digest
    assert text not in researcher_client.get("/account/tokens/").content.decode()
    assert researcher_client.post("/account/tokens/", {"name": "nightly", "days": "30"}).status_code == 422
    assert researcher_client.post("/account/tokens/", {"name": "", "days": "30"}).status_code == 422
    assert owner_client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert researcher_client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    token.refresh_from_db()
    assert token.revoked_at is not None
