"""What people answered, and what was said of it. Answers are append-only."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project
from annotate.models.asking import Task
from registry.models import Dataset


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
    step = models.PositiveSmallIntegerField(default=0, help_text="which step of the protocol is answered next")
    draft = models.JSONField(null=True, help_text="{step, fields}: what was chosen and typed and not yet sent")
    draft_version = models.PositiveIntegerField(default=0, help_text="a tab that knows an older one may not overwrite")
    skip_reason = models.CharField(max_length=200, blank=True)
    flagged = models.BooleanField(default=False, help_text="skipped with a flag for the moderators")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    fresh = False
    """Leased for the first time in this request: it has no draft and no answer."""
    back_from_skip = False
    """Opened again in this request by an undo of its skip."""

    class Meta:
        constraints = [
            # In this order, and with the status, it also answers which tasks a person has had, from the index alone.
            models.UniqueConstraint(fields=["annotator", "task"], include=["status"], name="never_the_same_item_twice"),
        ]
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
    """An answer as it was given. Append-only: a correction is a new row that supersedes, and the old one is kept.

    One exception: where an import is taken back, its answers leave this table with their items, unless something has
    been built on them; what was said is kept in exchange.WithdrawnVote.
    """

    class Origin(models.TextChoices):
        HUMAN = "human"
        SIMULATED = "simulated"
        IMPORTED = "imported", "imported: given elsewhere, and read from a file"

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="feedback")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="feedback")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="feedback")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="feedback")
    kind = models.CharField(max_length=20)
    step = models.PositiveSmallIntegerField(default=0, help_text="which step of the task's protocol this answers")
    origin = models.CharField(max_length=10, choices=Origin)
    value = models.JSONField(help_text="as given, in the terms of what was shown")
    order = models.JSONField(help_text="positions of the responses in the order they were shown in this step")
    preference = models.SmallIntegerField(
        null=True, help_text="-3 to 3; positive prefers the response at position 0; null when both are bad"
    )
    right = models.BooleanField(null=True, help_text="whether it was right, for tasks whose answer is known")
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
            models.UniqueConstraint(
                fields=["assignment", "step"], condition=Q(withdrawn_at=None), name="one_current_answer"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "created_at"], name="feedback_by_day"),
            models.Index(
                fields=["annotator", "project", "-created_at"],
                include=["step"],
                condition=Q(withdrawn_at=None),
                name="feedback_of_person",
            ),
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


class Contradiction(models.Model):
    """Two signals on one item that do not fit, as "the ratings favour B, the vote says A". Asked about once."""

    class Resolution(models.TextChoices):
        OPEN = "open", "asked, not answered yet"
        KEPT = "kept", "the annotator meant both"
        CHANGED = "changed", "the annotator changed the answer"

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="contradictions")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="contradictions")
    rule = models.CharField(max_length=40, help_text="a key of annotate.desk.contradictions.RULES")
    detail = models.JSONField(default=dict, help_text="what the annotator was told, and the signals")
    resolution = models.CharField(max_length=10, choices=Resolution, default=Resolution.OPEN)
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment", "rule"], name="asked_about_once")]
        indexes = [models.Index(fields=["project", "resolution"], name="contradiction_of_project")]

    def __str__(self) -> str:
        return f"{self.rule} in {self.assignment}"


class Verdict(models.Model):
    """What an adjudicator decided for an item, with the answers in view. Its own record: no answer is changed by it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="verdicts")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="verdicts")
    adjudicator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="verdicts")
    value = models.JSONField(help_text="in the terms of the kind, as shown to the adjudicator")
    order = models.JSONField(help_text="positions of the responses in the order the adjudicator saw")
    preference = models.SmallIntegerField(null=True, help_text="as in Feedback")
    reason = models.TextField(blank=True, help_text="written for the raters")
    idempotency_key = models.UUIDField(unique=True)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task"], condition=Q(withdrawn_at=None), name="one_current_verdict")
        ]

    def __str__(self) -> str:
        return f"verdict on {self.task}"


class SentBack(models.Model):
    """An answer that a reviewer asks its author to look at again, with a note. The answer counts until it changes."""

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="sent_back")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sent_back")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sent_back")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    changed = models.BooleanField(null=True, help_text="whether the author changed the answer")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(answered_at=None), name="sent_back_once_at_a_time"
            )
        ]
        indexes = [
            models.Index(fields=["annotator", "project"], condition=Q(answered_at=None), name="sent_back_to_person")
        ]

    def __str__(self) -> str:
        return f"{self.assignment}, sent back"


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
    """Lineage: this vote is in this dataset.

    Millions of rows, written by one job, in the transaction that makes the dataset. PostgreSQL does not look up both
    ends of each, which took longer than to write them. Both ends are there as long as the row is: an answer that is in
    a dataset is never deleted but with its project, since taking back an import leaves those that a dataset holds.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="lineage", db_constraint=False)
    feedback = models.ForeignKey(Feedback, on_delete=models.PROTECT, related_name="lineage", db_constraint=False)
    split = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "feedback"], name="vote_once_a_dataset")]

    def __str__(self) -> str:
        return f"{self.feedback} in {self.dataset}"
