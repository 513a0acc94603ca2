"""One named cast for all tests: owner, researcher, reviewer and annotator of a project, and an outsider."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.models import Membership, Project, User

Role = Membership.Role


def pytest_configure() -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Without a manifest: tests need no collectstatic.
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(name="Helpful answers", slug="helpful", description="Which answer helps more?")


def member(username: str, project: Project, role: str) -> User:
    user = User.objects.create_user(username, f"{username}@example.org", "password of tests")
    Membership.objects.create(user=user, project=project, role=role)
    return user


@pytest.fixture
def owner(project: Project) -> User:
    return member("olive", project, Role.ADMIN)


@pytest.fixture
def researcher(project: Project) -> User:
    return member("rachel", project, Role.RESEARCHER)


@pytest.fixture
def reviewer(project: Project) -> User:
    return member("ravi", project, Role.REVIEWER)


@pytest.fixture
def annotator(project: Project) -> User:
    return member("ann", project, Role.ANNOTATOR)


@pytest.fixture
def outsider(db: None) -> User:
    return User.objects.create_user("oscar", "oscar@example.org", "password of tests")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner_client(owner: User) -> Client:
    return logged_in(owner)


@pytest.fixture
def researcher_client(researcher: User) -> Client:
    return logged_in(researcher)


@pytest.fixture
def reviewer_client(reviewer: User) -> Client:
    return logged_in(reviewer)


@pytest.fixture
def annotator_client(annotator: User) -> Client:
    return logged_in(annotator)


@pytest.fixture
def outsider_client(outsider: User) -> Client:
    return logged_in(outsider)


@pytest.fixture
def process_env(transactional_db: None) -> dict[str, str]:
    """The environment for a real process (a Celery worker, a job's child) that shall see this test's database."""
    address = connection.settings_dict
    user = quote(address["USER"]) + (f":{quote(address['PASSWORD'])}" if address["PASSWORD"] else "")
    host = quote(address["HOST"], safe="") + (f":{address['PORT']}" if address["PORT"] else "")
    return {**os.environ, "DATABASE_URL": f"postgresql://{user}@{host}/{address['NAME']}"}
