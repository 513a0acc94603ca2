"""Who is here: users, projects, what role a user has in a project, and what was done."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse


class User(AbstractUser):
    """A person, or a simulated annotator that votes through the same services as people do."""

    languages = ArrayField(
        models.CharField(max_length=20),
        default=list,
        blank=True,
        help_text="BCP-47 codes this person reads well",
    )
    is_simulated = models.BooleanField(default=False, help_text="labelled as such on every page and in exports")
    is_external = models.BooleanField(
        default=False, help_text="a rater of an imported file: has votes here, and never signs in"
    )

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        words = self.display_name.replace("-", " ").replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper()


class Project(models.Model):
    name = models.CharField(max_length=120)
    slug = models.SlugField(unique=True, max_length=60)
    description = models.TextField(blank=True, help_text="the question annotators answer, in a sentence or two")
    guidelines = models.TextField(blank=True, help_text="Markdown, shown in a drawer beside every task")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])


class Membership(models.Model):
    class Role(models.TextChoices):
        ANNOTATOR = "annotator"
        REVIEWER = "reviewer"
        RESEARCHER = "researcher"
        ADMIN = "admin"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    skills = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        help_text="tasks that ask for one of these come here too",
    )
    paused = models.BooleanField(default=False, help_text="gets no new tasks; keeps answers and pages")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "project"], name="one_role_a_project")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class ApiToken(models.Model):
    """Lets a program act as its owner, with the owner's roles. Written by accounts.tokens; its text is not kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60, help_text="what it is for; named in the audit log")
    start = models.CharField(max_length=16, help_text="the first characters, to tell tokens apart")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, help_text="empty: lives until it is revoked")
    used_at = models.DateTimeField(null=True, help_text="to the minute")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], condition=models.Q(revoked_at=None), name="one_live_token_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class AuditEvent(models.Model):
    """One line of the audit log: who did what to what. Written in the transaction of the act, never changed."""

    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="audit_events")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    action = models.CharField(max_length=60, help_text="for example job.launched, job.cancelled, export.made")
    target = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.target}"


def record_audit(
    *, actor: User | None, action: str, project: Project | None = None, target: str = "", **data: Any
) -> AuditEvent:
    return AuditEvent.objects.create(actor=actor, action=action, project=project, target=target, data=data)
