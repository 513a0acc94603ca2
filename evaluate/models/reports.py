"""Leaderboards that are shown to people without an account."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Project


class SharedBoard(models.Model):
    """A link that shows a leaderboard, read-only. Only the hash of its token is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="shared_boards")
    title = models.CharField(max_length=80)
    token_hash = models.CharField(max_length=64, unique=True)
    query = models.JSONField(default=dict, help_text="which battles: lang, tag, turn, evaluation")
    with_texts = models.BooleanField(default=False, help_text="whether prompts and responses are shown too")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    opened = models.PositiveIntegerField(default=0, help_text="how often it was opened")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title

    @property
    def works(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()
