"""What is asked and what people answered."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Project
from registry.models import Dataset, Job, ModelVersion


class Prompt(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    key = models.CharField(max_length=80, help_text="stable name, unique in the project")
    messages = models.JSONField(help_text="[{role: system|user|assistant, content}], ends with a user turn")
    lang = models.CharField(max_length=20, default="en", help_text="BCP-47")
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="prompt_key_once_a_project")]

    def __str__(self) -> str:
        return self.key

    @property
    def text(self) -> str:
        """The last thing the person said."""
        return str(self.messages[-1]["content"])


class Response(models.Model):
    """What a model (or a person) wrote for a prompt, and how it was decoded."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="responses")
    model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="responses")
    job = models.ForeignKey(Job, null=True, on_delete=models.PROTECT, related_name="responses")
    text = models.TextField()
    setting = models.CharField(max_length=40, help_text="name of the decoding setting")
    decoding = models.JSONField(default=dict, help_text="temperature, top_p, max_new_tokens, system")
    seed = models.BigIntegerField(default=0)
    sample = models.PositiveSmallIntegerField(default=0, help_text="which of the samples of this setting")
    tokens = models.PositiveIntegerField(default=0)
    finish_reason = models.CharField(max_length=10, default="stop", help_text="stop, or length when it was cut off")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # A sample job that is resumed, or run twice, cannot store a sample twice.
            models.UniqueConstraint(fields=["job", "prompt", "setting", "sample"], name="sample_once_a_job"),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class Task(models.Model):
    """One item to be answered by `wanted` different raters."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=20, default="pairwise", help_text="a key of annotate.kinds.KINDS")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="tasks")
    wanted = models.PositiveSmallIntegerField(default=1, help_text="how many raters, the overlap")
    claimed = models.PositiveSmallIntegerField(default=0, help_text="live leases plus answers, never above wanted")
    answered = models.PositiveSmallIntegerField(default=0)
    priority = models.SmallIntegerField(default=0, help_text="higher is sooner")
    shuffle = models.FloatField(default=0.0, help_text="random place among tasks of the same priority")
    flagged = models.BooleanField(default=False, help_text="is given to nobody until an administrator releases it")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(claimed__lte=F("wanted")), name="overlap_not_exceeded")]
        indexes = [
            models.Index(
                fields=["project", "-priority", "shuffle"],
                condition=Q(claimed__lt=F("wanted"), flagged=False),
                name="task_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} task {self.pk}"


class TaskResponse(models.Model):
    """A response of a task; its position is the canonical order that answers are stored in."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="task_responses")
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="task_responses")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["task", "position"], name="one_response_a_position")]

    def __str__(self) -> str:
        return f"{self.task} [{self.position}]"


class Assignment(models.Model):
    """A task in the hands of an annotator. At most one a task and annotator, so nobody sees an item twice."""

    class Status(models.TextChoices):
        LEASED = "leased"
        SUBMITTED = "submitted"
        SKIPPED = "skipped"
        EXPIRED = "expired"

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assignments")
    status = models.CharField(max_length=10, choices=Status, default=Status.LEASED)
    lease_until = models.DateTimeField()
    order = models.JSONField(help_text="positions of the responses in the order shown, from (annotator, task)")
    skip_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "annotator"], name="never_the_same_item_twice")]
        indexes = [
            models.Index(fields=["annotator"], condition=Q(status="leased"), name="lease_of_annotator"),
            models.Index(fields=["lease_until"], condition=Q(status="leased"), name="lease_expiry"),
            models.Index(fields=["annotator", "-finished_at"], name="answers_of_annotator"),
        ]

    def __str__(self) -> str:
        return f"{self.task} of {self.annotator}"


class CurrentFeedback(models.Manager["Feedback"]):
    def get_queryset(self) -> models.QuerySet["Feedback"]:
        return super().get_queryset().filter(withdrawn_at=None)


class Feedback(models.Model):
    """An answer as it was given. Append-only: a correction is a new row that supersedes, and the old one is kept."""

    class Origin(models.TextChoices):
        HUMAN = "human"
        SIMULATED = "simulated"

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="feedback")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="feedback")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="feedback")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="feedback")
    kind = models.CharField(max_length=20)
    origin = models.CharField(max_length=10, choices=Origin)
    value = models.JSONField(help_text="as given, in the terms of what was shown")
    order = models.JSONField(help_text="positions of the responses in the order they were shown")
    preference = models.SmallIntegerField(
        null=True, help_text="-3 to 3; positive prefers the response at position 0; null when both are bad"
    )
    comment = models.TextField(blank=True)
    active_ms = models.PositiveIntegerField(default=0, help_text="time spent on the item, idle time left out")
    idempotency_key = models.UUIDField(unique=True)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, help_text="set once, when its author took it back")

    objects = models.Manager["Feedback"]()
    current = CurrentFeedback()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment"], condition=Q(withdrawn_at=None), name="one_current_answer"),
        ]
        indexes = [
            models.Index(fields=["project", "created_at"], name="feedback_by_day"),
            models.Index(fields=["task"], condition=Q(withdrawn_at=None), name="feedback_of_task"),
        ]

    def __str__(self) -> str:
        return f"feedback {self.pk}"

    @property
    def active_seconds(self) -> float:
        return self.active_ms / 1000

    @property
    def both_bad(self) -> bool:
        value: dict[str, Any] = self.value
        return bool(value.get("both_bad"))


class SimulatedAnnotator(models.Model):
    """The hidden preference of a simulated annotator, so that a researcher can check that a pipeline recovers it."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="simulation")
    preference = models.CharField(max_length=40, help_text="a key of annotate.simulation.PREFERENCES")
    noise = models.FloatField()
    position_bias = models.FloatField()
    seed = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.user} prefers {self.preference}"


class DatasetFeedback(models.Model):
    """Lineage: this vote is in this dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="lineage")
    feedback = models.ForeignKey(Feedback, on_delete=models.PROTECT, related_name="lineage")
    split = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "feedback"], name="vote_once_a_dataset")]

    def __str__(self) -> str:
        return f"{self.feedback} in {self.dataset}"
