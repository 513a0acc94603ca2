"""Exports from the Django admin."""

from django.test import Client

from accounts.models import Project, User
from annotate.models import Feedback
from registry.models import Job
from tests.exchange.exports.conftest import Freeze


def test_datasets_and_projects_are_exported_from_the_admin(
    project: Project, votes: list[Feedback], freeze: Freeze
) -> None:
    dataset = freeze()
    boss = User.objects.create_superuser("boss")
    client = Client()
    client.force_login(boss)
    for address, action, pk in (
        ("/admin/registry/dataset/", "export_trl", dataset.pk),
        ("/admin/registry/dataset/", "export_plain", dataset.pk),
        ("/admin/accounts/project/", "export_history", project.pk),
        ("/admin/accounts/project/", "export_answers", project.pk),
    ):  # fmt: skip
        answer = client.post(address, {"action": action, "_selected_action": [pk]}, follow=True)
        assert "The file will be on the page" in answer.content.decode()
    asked = Job.objects.filter(kind="export").order_by("pk")
    assert [(job.params["what"], job.params["format"], job.params["file"], job.params["people"]) for job in asked] == [
        ("dataset", "trl", "jsonl", "pseudonyms"), ("dataset", "plain", "parquet", "pseudonyms"),
        ("events", "plain", "jsonl", "pseudonyms"), ("answers", "plain", "csv", "pseudonyms"),
    ]  # fmt: skip
    assert all(job.created_by == boss for job in asked)


def test_what_cannot_be_exported_is_said_in_the_admin(project: Project, freeze: Freeze) -> None:
    dataset = freeze("joint")
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    answer = client.post(
        "/admin/registry/dataset/", {"action": "export_trl", "_selected_action": [dataset.pk]}, follow=True
    )
    assert "TRL, conversational cannot hold joint pairs" in answer.content.decode()
    assert not Job.objects.filter(kind="export").exists()
