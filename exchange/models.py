"""Files that came in."""

from pathlib import Path

from django.conf import settings
from django.db import models

from accounts.models import Project
from registry.models import Job


class Upload(models.Model):
    """A file that was sent to be imported, and how far it is. The file lies under ARTIFACTS/uploads."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", "uploaded: not looked at yet"
        CHECKED = "checked", "checked: nothing is written"
        IMPORTING = "importing"
        IMPORTED = "imported"
        FAILED = "failed", "failed: nothing was written"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="uploads")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="uploads")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="uploads")
    filename = models.CharField(max_length=255, help_text="as the person called it")
    path = models.CharField(max_length=400, help_text="relative to ARTIFACTS")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text="bytes")
    format = models.CharField(max_length=40, blank=True, help_text="a key of exchange.imports.formats.FORMATS")
    mapping = models.JSONField(default=dict, help_text="exchange.imports.base.Mapping.as_json()")
    options = models.JSONField(default=dict, help_text="on_bad, as_tasks, wanted, protocol: what write() is told")
    state = models.CharField(max_length=12, choices=State, default=State.UPLOADED)
    counts = models.JSONField(default=dict, help_text="of the newest check, and of the import once it is done")
    error = models.TextField(blank=True, help_text="why it failed, in words")
    report_path = models.CharField(max_length=400, blank=True, help_text="lines left out; relative to ARTIFACTS")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["project", "-id"], name="upload_of_project")]

    def __str__(self) -> str:
        return self.filename

    @property
    def file(self) -> Path:
        return Path(settings.ARTIFACTS) / self.path

    @property
    def report(self) -> Path | None:
        return Path(settings.ARTIFACTS) / self.report_path if self.report_path else None


class Import(models.Model):
    """One file that came in, by page or command: where its rows are, so that it can be taken back as a whole.

    Its prompts, answers, tasks and assignments have `at` as their time and ids within `spans`; no other rows have both.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="imports")
    upload = models.OneToOneField(Upload, null=True, on_delete=models.SET_NULL, related_name="made")
    filename = models.CharField(max_length=255)
    at = models.DateTimeField(help_text="created_at of all its rows, to the microsecond")
    spans = models.JSONField(help_text="{table: [lowest id, highest id]}; others may have ids in between")
    model_ids = models.JSONField(default=list, help_text="ids of models without weights that it made")
    counts = models.JSONField(default=dict, help_text="exchange.imports.base.Counts.as_json()")
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )  # fmt: skip
    taken_back = models.JSONField(default=dict, help_text="what went and what stayed, exchange.imports.take_back")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import {self.pk}: {self.filename}"


class WithdrawnVote(models.Model):
    """A vote of an import that was taken back, as it was. Append-only: its item is gone, what was said is not."""

    made = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="withdrawn")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    prompt_key = models.CharField(max_length=80)
    said = models.JSONField(help_text="the row of annotate_feedback")
    withdrawn_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"vote {self.said.get('id')} of {self.made}"


class SavedMapping(models.Model):
    """What columns become, kept under a name and offered for the next file whose columns fit."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="saved_mappings")
    name = models.CharField(max_length=60)
    format = models.CharField(max_length=40, help_text="a key of exchange.imports.formats.FORMATS")
    mapping = models.JSONField(help_text="exchange.imports.base.Mapping.as_json(), without models and file of prompts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="mapping_name_once_a_project")]

    def __str__(self) -> str:
        return self.name
