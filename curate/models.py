"""What is kept about datasets beside the registry's rows: whose answers may go into them no longer."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project


class CurrentWithdrawal(models.Manager["ConsentWithdrawal"]):
    def get_queryset(self) -> models.QuerySet["ConsentWithdrawal"]:
        return super().get_queryset().filter(reversed_at=None)


class ConsentWithdrawal(models.Model):
    """A person's answers in a project may not go into datasets from `withdrawn_at` until `reversed_at`.

    Answers, datasets and models are kept as they are: what holds the answers is marked, and can be built again.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="consent_withdrawals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consent_withdrawals")
    withdrawn_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+",
        help_text="the person, or the admin whom the person told",
    )  # fmt: skip
    reason = models.CharField(max_length=500, blank=True, help_text="what the person said, if anything")
    paused_before = models.BooleanField(
        default=False, help_text="whether the person got no tasks already, and so gets none when consent comes back"
    )
    reversed_at = models.DateTimeField(null=True, help_text="when the person consented again")
    reversed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )  # fmt: skip

    objects = models.Manager["ConsentWithdrawal"]()
    current = CurrentWithdrawal()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(reversed_at=None), name="consent_withdrawn_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} withdrew consent in {self.project}"
