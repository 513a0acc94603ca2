"""Statements that are prepared, and the session and the person that each request reads by them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, Project, User
from accounts.permissions import membership_of, project_of
from accounts.sessions import SessionStore
from accounts.statements import Rows, fetch, one, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def fresh_connection() -> Iterator[None]:
    """The tests of a process share their connection, and it knows statements already."""
    connection.connection._prepared.clear()
    yield
    connection.connection.prepare_threshold = settings.DATABASES["default"]["OPTIONS"]["prepare_threshold"]


def known(sql: str) -> int:
    ((count,),) = fetch("SELECT count(*) FROM pg_prepared_statements WHERE statement = %s", [sql])
    return int(count)


@pytest.mark.usefixtures("fresh_connection")
def test_a_statement_that_runs_often_is_prepared_once() -> None:
    for number in range(1, 6):
        assert fetch("SELECT 40 + %s::bigint", [number]) == [(40 + number,)]
    assert known("SELECT 40 + $1::bigint") == 1


@pytest.mark.usefixtures("fresh_connection")
def test_a_site_behind_a_pooler_prepares_nothing() -> None:
    connection.connection.prepare_threshold = None  # what the setting PREPARED_STATEMENTS does
    for number in range(1, 6):
        assert fetch("SELECT 50 + %s::bigint", [number]) == [(50 + number,)]
    assert known("SELECT 50 + $1::bigint") == 0


def test_rows_are_what_the_orm_reads(annotator: User) -> None:
    rows = Rows(User)
    read = one(rows, f"SELECT {rows.columns} FROM accounts_user WHERE id = %s", [annotator.pk])
    assert read is not None
    assert {name: getattr(read, name) for name in rows.names} == {name: getattr(annotator, name) for name in rows.names}


def test_errors_are_djangos_and_queries_are_seen(annotator: User) -> None:
    with CaptureQueriesContext(connection) as seen:
        fetch("SELECT 1 WHERE %s > 0", [1])
    assert len(seen) == 1
    with pytest.raises(IntegrityError):
        run("UPDATE accounts_user SET username = NULL WHERE id = %s", [annotator.pk])


def test_a_session_ends_when_it_is_over(client: Client, annotator: User) -> None:
    client.force_login(annotator)
    key = client.session.session_key
    assert SessionStore(key).get(SESSION_KEY) == str(annotator.pk)
    run(
        "UPDATE django_session SET expire_date = %s WHERE session_key = %s",
        [timezone.now() - timedelta(seconds=1), key],
    )
    late = SessionStore(key)
    assert late.get(SESSION_KEY) is None
    assert late.session_key is None, "an old key is not used again"


def test_who_was_deactivated_is_signed_out(client: Client, annotator: User, project: Project) -> None:
    client.force_login(annotator)
    assert client.get(f"/p/{project.slug}/annotate/").status_code == 200
    User.objects.filter(pk=annotator.pk).update(is_active=False)
    assert client.get(f"/p/{project.slug}/annotate/").status_code == 302


def test_a_project_comes_with_the_membership(annotator: User, project: Project) -> None:
    user = User.objects.get(pk=annotator.pk)
    with CaptureQueriesContext(connection) as seen:
        found = project_of(user, project.slug)
        membership = membership_of(user, found)
    assert len(seen) == 1
    assert (found, membership) == (project, Membership.objects.get(user=annotator, project=project))


def test_a_slug_with_a_nul_is_no_project(client: Client, annotator: User) -> None:
    client.force_login(annotator)
    assert client.get("/p/help%00ful/annotate/").status_code == 404
