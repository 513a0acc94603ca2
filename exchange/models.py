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
