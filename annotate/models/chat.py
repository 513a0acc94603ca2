"""Chats: the models that answer, and their answers as they are written."""

from django.db import models
from django.db.models import Q

from accounts.models import Project
from annotate.models.answers import Assignment
from registry.models import ModelVersion


class ChatEndpoint(models.Model):
    """A model behind an OpenAI-compatible address. The key stays in the environment, only its name is stored."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="chat_endpoints")
    name = models.SlugField(max_length=60)
    base_url = models.URLField(help_text="up to and with /v1")
    model = models.CharField(max_length=200, help_text="the name that the server knows the model by")
    key_variable = models.CharField(max_length=80, blank=True, help_text="environment variable that holds the API key")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="endpoint_once_a_project")]

    def __str__(self) -> str:
        return self.name


class ChatReply(models.Model):
    """One of the two answers to a turn of a chat, as it is being written. The worker appends, the page polls."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        WRITING = "writing"
        COMPLETE = "complete"
        STOPPED = "stopped"
        FAILED = "failed"

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="chat_replies")
    turn = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField(help_text="0 or 1: the canonical order, not the one shown")
    messages = models.JSONField(help_text="the conversation that it answers, ends with a user turn")
    model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="chat_replies")
    endpoint = models.ForeignKey(ChatEndpoint, null=True, on_delete=models.PROTECT, related_name="replies")
    decoding = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    text = models.TextField(blank=True)
    tokens = models.PositiveIntegerField(default=0)
    finish_reason = models.CharField(max_length=10, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    stop_requested = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True, help_text="of the worker that writes it")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["turn", "position"]
        constraints = [models.UniqueConstraint(fields=["assignment", "turn", "position"], name="reply_once_a_turn")]
        indexes = [
            models.Index(fields=["id"], condition=Q(status__in=["queued", "writing"]), name="reply_to_write"),
        ]

    def __str__(self) -> str:
        return f"reply {self.turn}.{self.position} of {self.assignment}"
