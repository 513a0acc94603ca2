"""Every URL of datasets, imports and exports: who has no business there gets no page, and no other project's things."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

import curate.urls
import exchange.urls
from accounts.models import Membership, Project, User
from accounts.tokens import make
from annotate.models import Feedback
from curate.models import ConsentWithdrawal
from exchange.models import Import, SavedMapping, Upload
from registry.models import Dataset, Job
from tests.conftest import logged_in
from tests.curate.frozen import freeze, pair
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
PATTERNS: list[URLPattern] = [*curate.urls.urlpatterns, *exchange.urls.urlpatterns]
NAMES = [one.name or "" for one in PATTERNS]
OWN = {"consent"}
"""Pages that every member has, of their own answers."""
API = {name for name in NAMES if name.startswith("api-")}
THINGS = {
    "dataset", "dataset-row", "dataset-file", "dataset-diff", "dataset-rebuild", "export-file", "api-export",
    "api-export-file", "import-check", "import-report", "import-result", "import-discard", "import-mapping",
    "import-mapping-yaml", "import-mapping-discard", "import-take-back", "person-consent",
}  # fmt: skip
"""Those that name something of a project."""


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def theirs(db: None) -> dict[str, Any]:
    """A project with one of everything that a URL can name, and what names it."""
    secret = Project.objects.create(name="Secret", slug="secret")
    boss = User.objects.create_user("boss", "boss@example.org", "password of tests")
    Membership.objects.create(user=boss, project=secret, role=Membership.Role.ADMIN)
    rater = make_raters(secret, 1, prefix="hidden")[0]
    vote = make_vote(make_task(secret), rater, 2)
    dataset = freeze(secret, boss, {"train": [pair("a", "b", "c")]}, name="secret", votes=[vote])
    job = Job.objects.create(project=secret, kind="export", name="export-9", params={}, queue="default")
    upload = Upload.objects.create(project=secret, user=boss, filename="f", path="f", sha256="0" * 64, size=1)
    kept = SavedMapping.objects.create(project=secret, name="kept", format="jsonl", mapping={})
    came = Import.objects.create(project=secret, filename="f", at=timezone.now(), spans={})
    return {
        "slug": "secret", "name": dataset.name, "version": 1, "split": "train", "place": 0, "file": "train.parquet",
        "export": job.name, "upload": upload.pk, "mapping": kept.pk, "import": came.pk, "person": rater.pk,
    }  # fmt: skip


def arguments(pattern: URLPattern, names: dict[str, Any], slug: str) -> dict[str, Any]:
    name = pattern.name or ""
    own = {
        "pk": names["person"] if name == "person-consent" else names["import"] if name == "import-take-back"
        else names["mapping"] if name.startswith("import-mapping-") else names["upload"],
        "name": names["export"] if "export" in name else names["name"],
    }  # fmt: skip
    return {one: {**names, **own, "slug": slug}[one] for one in pattern.pattern.converters}


def asked(client: Client, url: str) -> Iterator[Any]:
    for ask in (client.get, client.post):
        yield ask(url)
    yield client.post(url, {"freeze": "1", "now": "1", "source": "events", "format": "plain", "withdrawn": "include"})
    yield client.get(url, {"from": "secret-v1", "source": "dataset:secret-v1", "with": "secret-v1", "yaml": "1"})


def bearer(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {make(user, 'test', days=None)[1]}"})


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
def test_people_without_a_role_see_nothing(theirs: dict[str, Any], researcher: User, pattern: URLPattern) -> None:
    url = reverse(pattern.name, kwargs=arguments(pattern, theirs, "secret"))
    annotator = User.objects.create_user("anna", "anna@example.org", "password of tests")
    Membership.objects.create(
        user=annotator, project=Project.objects.get(slug="secret"), role=Membership.Role.ANNOTATOR
    )
    outsider = User.objects.create_user("otto", "otto@example.org", "password of tests")
    before = state()
    for user in (None, outsider, researcher, annotator):
        if user == annotator and pattern.name in OWN:
            continue
        clients = [Client() if user is None else logged_in(user)]
        clients += [bearer(user)] if user is not None and pattern.name in API else []
        for response in itertools.chain.from_iterable(asked(client, url) for client in clients):
            assert response.status_code in {302, 401, 403, 404, 405}, (user, response.status_code)
            if response.status_code == 302:
                assert "sign-in" in response.headers["Location"], user
    assert state() == before


@pytest.mark.parametrize("pattern", [one for one in PATTERNS if one.name in THINGS],
                         ids=[name for name in NAMES if name in THINGS])  # fmt: skip
def test_things_of_another_project_are_not_in_mine(
    theirs: dict[str, Any], project: Project, owner: User, pattern: URLPattern
) -> None:
    """Also for an admin of mine: the id is right, the project is not."""
    url = reverse(pattern.name, kwargs=arguments(pattern, theirs, project.slug))
    before = state()
    clients = [bearer(owner)] if pattern.name in API else [logged_in(owner)]
    for client in clients:
        for response in asked(client, url):
            assert response.status_code in {302, 403, 404, 405}
            assert response.headers.get("Location", "/p/helpful/").startswith("/p/helpful/")
            assert "Secret" not in response.content.decode()
    assert state() == before


@pytest.mark.parametrize("pattern", PATTERNS, ids=NAMES)
@pytest.mark.parametrize("odd", ["\x00", "secret-v1", "9" * 30, "../../etc/passwd", "<script>"])
def test_forged_names_never_break_a_page(
    theirs: dict[str, Any], project: Project, owner: User, pattern: URLPattern, odd: str
) -> None:
    forged = {name: 2**63 + 1 if isinstance(value, int) else value for name, value in theirs.items()}
    url = reverse(
        pattern.name, kwargs=arguments(pattern, {**forged, "file": odd.replace("\x00", "%00") or "x"}, "helpful")
    )
    client = bearer(owner) if pattern.name in API else logged_in(owner)
    named = {"from": odd, "with": odd, "source": f"dataset:{odd}", "format": odd, "file": odd, "split": odd, "q": odd,
             "what": "dataset", "dataset": odd, "page": odd, "vote": odd}  # fmt: skip
    for response in (client.get(url, named), client.get(url)):
        assert response.status_code < 500
        if response.headers["Content-Type"].startswith("text/html"):
            assert "<script>" not in response.content.decode()


@pytest.mark.parametrize("pattern", [one for one in PATTERNS if one.name not in API],
                         ids=[name for name in NAMES if name not in API])  # fmt: skip
def test_a_form_of_another_site_does_nothing(theirs: dict[str, Any], pattern: URLPattern) -> None:
    """Without the token against forged requests."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="boss"))
    before = state()
    response = client.post(reverse(pattern.name, kwargs=arguments(pattern, theirs, "secret")), {"freeze": "1"})
    assert response.status_code in {403, 405}
    assert state() == before


def state() -> list[int]:
    """How much there is of all that these pages can make or take away."""
    return [kind.objects.count() for kind in (Job, Dataset, Upload, SavedMapping, Import, Feedback, ConsentWithdrawal)]
