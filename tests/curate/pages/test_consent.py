"""Consent withdrawn: what is marked, down to models trained on models, who may do it, and that it can be taken back."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Membership, Project, User
from annotate import services
from curate import consent
from curate.models import ConsentWithdrawal
from registry.models import Dataset, Job, ModelVersion
from tests.conftest import logged_in
from tests.curate.frozen import freeze, pair
from tests.factories import make_model, make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
OWN = "/p/helpful/consent/"


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def held(project: Project, researcher: User, annotator: User) -> Dataset:
    """ann's vote and another's in prefs-v1, another's alone in other-v1; dpo-1 on prefs-v1, dpo-2 from dpo-1."""
    task = make_task(project, wanted=2)
    votes = [make_vote(task, annotator, 2)]
    votes.append(make_vote(task, make_raters(project, 1)[0], 1))
    dataset = freeze(project, researcher, {"train": [pair("a", "b", "c")]}, votes=votes)
    other = freeze(project, researcher, {"train": [pair("a", "b", "c")]}, name="other", votes=votes[1:])
    one = make_model(project, "dpo-1", dataset=dataset, parent=make_model(project, "base"))
    make_model(project, "dpo-2", dataset=other, parent=one)
    make_model(project, "rm-1", dataset=other, role=ModelVersion.Role.REWARD)
    return dataset


def marked(project: Project) -> tuple[set[str], set[str]]:
    found = consent.marks(project)
    return (
        {str(one) for one in Dataset.objects.filter(pk__in=found.datasets)},
        {one.name for one in ModelVersion.objects.filter(pk__in=found.models)},
    )


def test_marks_go_down_to_models_trained_on_models(project: Project, annotator: User, held: Dataset) -> None:
    assert marked(project) == (set(), set())
    consent.withdraw(project=project, user=annotator, by=annotator)
    assert marked(project) == ({"prefs-v1"}, {"dpo-1", "dpo-2"})
    mark = consent.marks(project).datasets[held.pk]
    assert (mark.people, mark.answers) == (1, 1)
    consent.give_again(project=project, user=annotator, by=annotator)
    assert marked(project) == (set(), set())


def test_withdrawing_says_what_it_will_do_and_does_it(
    project: Project, annotator: User, held: Dataset, annotator_client: Client
) -> None:
    page = annotator_client.get(OWN).content.decode()
    assert "1 dataset and 2 models" in page and "prefs-v1" in page and "dpo-2" in page
    assert not ConsentWithdrawal.objects.exists()
    annotator_client.post(OWN, {"withdraw": "1", "reason": "I changed my mind."})
    annotator_client.post(OWN, {"withdraw": "1"})
    one = ConsentWithdrawal.objects.get()
    assert (one.user, one.recorded_by, one.reason) == (annotator, annotator, "I changed my mind.")
    assert Membership.objects.get(user=annotator).paused
    make_task(project, "p-9")
    again = User.objects.get(pk=annotator.pk)  # as the next request reads the person
    assert services.next_assignment(project=project, annotator=again) is None
    assert AuditEvent.objects.filter(action="consent.withdrawn", actor=annotator).count() == 1


def test_giving_it_again_gives_tasks_again(project: Project, annotator: User, annotator_client: Client) -> None:
    annotator_client.post(OWN, {"withdraw": "1"})
    page = annotator_client.post(OWN, {"again": "1"}, follow=True).content.decode()
    assert "Consent is given again" in page
    assert not Membership.objects.get(user=annotator).paused
    assert not ConsentWithdrawal.current.exists() and ConsentWithdrawal.objects.count() == 1
    assert AuditEvent.objects.filter(action="consent.given", actor=annotator).exists()
    annotator_client.post(OWN, {"withdraw": "1"})
    assert ConsentWithdrawal.objects.count() == 2


def test_who_was_paused_before_stays_paused(project: Project, annotator: User, annotator_client: Client) -> None:
    Membership.objects.filter(user=annotator).update(paused=True)
    annotator_client.post(OWN, {"withdraw": "1"})
    annotator_client.post(OWN, {"again": "1"})
    assert Membership.objects.get(user=annotator).paused


def test_an_admin_records_it_for_a_person(project: Project, annotator: User, owner: User, owner_client: Client) -> None:
    url = f"/p/helpful/people/{annotator.pk}/consent/"
    owner_client.post(url, {"withdraw": "1", "reason": "By mail"})
    assert ConsentWithdrawal.current.get().recorded_by == owner
    owner_client.post(url, {"again": "1"})
    assert not ConsentWithdrawal.current.exists()


def test_an_admin_cannot_consent_for_a_person(
    project: Project, annotator: User, annotator_client: Client, owner_client: Client
) -> None:
    annotator_client.post(OWN, {"withdraw": "1"})
    response = owner_client.post(f"/p/helpful/people/{annotator.pk}/consent/", {"again": "1"})
    assert response.status_code == 422 and "only they can give it again" in response.content.decode()
    assert ConsentWithdrawal.current.exists()


def test_who_may(
    project: Project, annotator: User, outsider: User, researcher_client: Client, reviewer_client: Client,
    annotator_client: Client, outsider_client: Client, owner_client: Client,
) -> None:  # fmt: skip
    url = f"/p/helpful/people/{annotator.pk}/consent/"
    for client, code in (
        (researcher_client, 403),
        (reviewer_client, 403),
        (annotator_client, 403),
        (outsider_client, 404),
    ):
        assert client.get(url).status_code == code
        assert client.post(url, {"withdraw": "1"}).status_code == code
    assert outsider_client.get(OWN).status_code == 404
    assert owner_client.get(f"/p/helpful/people/{outsider.pk}/consent/").status_code == 404
    assert not ConsentWithdrawal.objects.exists()


def test_a_reason_that_is_too_long_is_refused(project: Project, annotator_client: Client) -> None:
    response = annotator_client.post(OWN, {"withdraw": "1", "reason": "x" * 501})
    assert response.status_code == 422 and "Shorten it" in response.content.decode()
    assert annotator_client.post(OWN, {"withdraw": "1", "reason": "a\x00b"}).status_code == 302


def test_every_page_shows_the_mark(
    project: Project, annotator: User, held: Dataset, researcher_client: Client, reviewer_client: Client
) -> None:
    consent.withdraw(project=project, user=annotator, by=annotator)
    for path in ("datasets/", "datasets/prefs/v1/", "models/", "models/dpo-1/", "models/dpo-2/"):
        assert "consent" in researcher_client.get(f"/p/helpful/{path}").content.decode().lower(), path
    for path in ("datasets/other/v1/", "models/rm-1/", "models/base/"):
        assert 'id="consent"' not in researcher_client.get(f"/p/helpful/{path}").content.decode(), path
    assert "from a model that was trained on" in researcher_client.get("/p/helpful/models/dpo-2/").content.decode()
    warned = researcher_client.get("/p/helpful/launch/train_dpo/?dataset=prefs-v1&base=dpo-1").content.decode()
    assert "prefs-v1: holds answers of 1 person who withdrew consent" in warned
    assert "dpo-1: holds answers" in warned
    vote = held.lineage.get(feedback__annotator=annotator).feedback_id
    page = reviewer_client.get(f"/p/helpful/votes/{vote}/").content.decode()
    assert "withdrew consent" in page and "dpo-2" in page


def test_built_again_without_them(
    project: Project, researcher: User, annotator: User, held: Dataset, researcher_client: Client
) -> None:
    consent.withdraw(project=project, user=annotator, by=annotator)
    url = held.get_absolute_url()
    assert "Build again without them" in researcher_client.get(url).content.decode()
    researcher_client.post(f"{url}rebuild/")
    job = Job.objects.get(cloned_from=held.job)
    assert f"{job.name}</a> builds the next version without them" in researcher_client.get(url).content.decode()
    Job.objects.filter(pk=job.pk).update(status="succeeded")
    kept = held.lineage.exclude(feedback__annotator=annotator).get().feedback
    second = freeze(project, researcher, {"train": [pair("a", "b", "c")]}, version=2, votes=[kept])
    page = researcher_client.get(url).content.decode()
    assert f'<a href="{second.get_absolute_url()}">prefs-v2</a>, which was built without them' in page
    assert "built again as" in researcher_client.get("/p/helpful/models/dpo-1/").content.decode()


def test_a_person_finds_it_on_their_own_page(project: Project, annotator: User) -> None:
    assert OWN in logged_in(annotator).get("/p/helpful/me/").content.decode()
