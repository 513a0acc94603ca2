"""What is asked, and how it is given out: rubrics, protocols, the rules of a project, tasks."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Project
from annotate.models.items import Prompt, Response


class Rubric(models.Model):
    """Dimensions with described levels. A version that has answers is never changed, an edit makes the next one."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rubrics")
    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=120)
    dimensions = models.JSONField(help_text="[{key, name, question, levels: [level 1, .., level 5]}]")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["project", "name", "version"], name="rubric_version_once")]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version}"


class Protocol(models.Model):
    """What is asked of an item, step by step: compare, then critique the loser, then edit the winner.

    A version is never changed once it is written, so that every answer tells what its author was asked.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="protocols")
    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=120)
    steps = models.JSONField(help_text="[{kind, of, question, options}], see annotate.design.protocols.StepSpec")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["project", "name", "version"], name="protocol_version_once")]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version}"


class Collection(models.Model):
    """How a project gives out its tasks. A project without a row has the defaults."""

    project = models.OneToOneField(Project, primary_key=True, on_delete=models.CASCADE, related_name="collection")
    sampler = models.CharField(max_length=20, default="priority", help_text="a key of annotate.sampling.SAMPLERS")
    match_languages = models.BooleanField(
        default=False, help_text="give out a task only to people who read its language; people without any get all"
    )
    gold_rate = models.FloatField(default=0.0, help_text="share of the tasks given out that are gold, 0 to 0.5")
    gold_feedback = models.BooleanField(default=False, help_text="tell after a gold task whether it was right, and why")
    test_tasks = models.PositiveSmallIntegerField(default=0, help_text="length of the qualification test; 0 for none")
    test_right = models.PositiveSmallIntegerField(default=0, help_text="how many of them have to be right")
    daily_goal = models.PositiveIntegerField(
        null=True, blank=True, help_text="answers a person and day, shown as a bar"
    )
    settle_below = models.FloatField(
        default=0.67, help_text="tasks whose raters agree less than this (share of pairs of raters) go to adjudication"
    )

    def __str__(self) -> str:
        return f"how {self.project} collects"


class Qualification(models.Model):
    """One attempt of a person at a project's qualification test."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="qualifications")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="qualifications")
    right = models.PositiveSmallIntegerField()
    tasks = models.PositiveSmallIntegerField()
    passed = models.BooleanField()
    overruled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+",
        help_text="who let this person in without, or after, the test",
    )  # fmt: skip
    finished_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "user", "-finished_at"], name="qualification_of_person")]

    def __str__(self) -> str:
        return f"{self.user}: {self.right} of {self.tasks}"


class Task(models.Model):
    """One item to be answered by `wanted` different raters."""

    class Purpose(models.TextChoices):
        WORK = "work"
        GOLD = "gold", "gold: the right answer is known, and given out among the others"
        TEST = "test", "test: the right answer is known, part of the qualification test"
        TURN = "turn", "turn: a turn of a chat, made when its author picked an answer"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=20, default="pairwise", help_text="kind of the first step, a key of KINDS")
    protocol = models.ForeignKey(
        Protocol, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks",
        help_text="empty: one pairwise comparison",
    )  # fmt: skip
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="tasks")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="turns", help_text="the chat of a turn"
    )
    purpose = models.CharField(max_length=4, choices=Purpose, default=Purpose.WORK)
    gold = models.JSONField(null=True, blank=True, help_text="{accept: what counts as right, explanation}, by kind")
    criterion = models.TextField(blank=True, help_text="what to judge by, for this item alone")
    two_prompts = models.BooleanField(default=False, help_text="the responses answer different prompts")
    lang = models.CharField(max_length=20, default="en", help_text="the prompt's language, copied for the queue")
    skill = models.CharField(max_length=40, blank=True, help_text="given out only to people who have this skill")
    wanted = models.PositiveSmallIntegerField(default=1, help_text="how many raters, the overlap")
    ceiling = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="where raters disagree, more are asked up to this many (adaptive overlap)"
    )
    claimed = models.PositiveSmallIntegerField(default=0, help_text="live leases plus answers, never above wanted")
    answered = models.PositiveSmallIntegerField(default=0)
    priority = models.SmallIntegerField(default=0, help_text="higher is sooner")
    place = models.FloatField(
        default=0.0, help_text="place in the queue, smaller is sooner; the sampler sets it, see annotate.sampling"
    )
    flagged = models.BooleanField(default=False, help_text="is given to nobody until a moderator releases it")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(claimed__lte=F("wanted")), name="overlap_not_exceeded")]
        indexes = [
            models.Index(
                fields=["project", "place"],
                condition=Q(claimed__lt=F("wanted"), flagged=False, purpose="work"),
                name="task_open",
            ),
            # For people who take only some languages or skills: each of these lanes is a queue of its own.
            models.Index(
                fields=["project", "skill", "lang", "place"],
                condition=Q(claimed__lt=F("wanted"), flagged=False, purpose="work"),
                name="task_open_in_lane",
            ),
            models.Index(fields=["project", "purpose"], condition=~Q(purpose="work"), name="task_known_answer"),
            models.Index(fields=["project"], condition=Q(flagged=True), name="task_flagged"),
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
