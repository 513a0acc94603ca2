"""What is asked and what people answered."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from pgvector.django import VectorField

from accounts.models import Project
from registry.models import Dataset, Job, ModelVersion


class Image(models.Model):
    """A picture that a prompt is about. The file lies under PALATE_HOME/images, named by its content."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=20, help_text="image/png, image/jpeg or image/webp")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField(help_text="bytes")
    description = models.TextField(blank=True, help_text="what is to be seen, for those who do not see it")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="image_once_a_project")]

    def __str__(self) -> str:
        return self.sha256[:12]


class Prompt(models.Model):
    class Origin(models.TextChoices):
        GIVEN = "given"
        CHAT = "chat"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    key = models.CharField(max_length=80, help_text="stable name, unique in the project")
    messages = models.JSONField(help_text="[{role: system|user|assistant, content}], ends with a user turn")
    lang = models.CharField(max_length=20, default="en", help_text="BCP-47")
    tags = models.JSONField(default=list, blank=True)
    image = models.ForeignKey(Image, null=True, blank=True, on_delete=models.PROTECT, related_name="prompts")
    origin = models.CharField(
        max_length=10, choices=Origin, default=Origin.GIVEN, help_text="chat: a turn that an annotator wrote"
    )
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


class ResponseEmbedding(models.Model):
    """Where a response lies in the space of a sentence encoder; the `dissimilar` sampler compares responses by it."""

    response = models.OneToOneField(Response, primary_key=True, on_delete=models.CASCADE, related_name="embedding")
    encoder = models.CharField(max_length=80, help_text="name of the model that made it; vectors of two never meet")
    vector = VectorField(help_text="L2-normalised, as many dimensions as the encoder has")

    def __str__(self) -> str:
        return f"{self.response_id} by {self.encoder}"


class ResponseScore(models.Model):
    """The reward that a reward model gives to a response."""

    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="scores")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="scores")
    score = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "response"], name="score_once_a_model")]

    def __str__(self) -> str:
        return f"{self.response_id}: {self.score:.3f} by {self.model}"


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
    """An answer as it was given. Append-only: a correction is a new row that supersedes, and the old one is kept."""

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
