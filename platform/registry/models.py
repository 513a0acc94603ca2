"""What is made and kept. Rows here are written by registry.jobs and by the jobs themselves, never by views."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from accounts.models import Project


class Job(models.Model):
    """A piece of work for a worker. This row is the truth; the Celery message only says that it is there.

    queued -> running -> succeeded | failed | cancelled, and running -> queued when a worker died.
    Every write of a running job carries its attempt, so a worker that lost its lease is refused.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    FINISHED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=40, help_text="a key of registry.specs.SPECS")
    name = models.CharField(max_length=80, help_text="shown to people, unique in the project")
    params = models.JSONField(help_text="validated by the kind's spec")
    queue = models.CharField(max_length=20)
    priority = models.SmallIntegerField(default=0, help_text="higher is sooner")
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True, help_text="when the last message was sent")
    cancel_requested_at = models.DateTimeField(null=True)
    kill_requested_at = models.DateTimeField(null=True, help_text="end it without saving")
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(default=0)
    progress_text = models.CharField(max_length=200, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True, help_text="what was wrong, where, and what to do")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="jobs")
    cloned_from = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="clones")
    sweep = models.ForeignKey("Sweep", null=True, on_delete=models.SET_NULL, related_name="jobs")
    after: "models.ManyToManyField[Job, JobAfter]" = models.ManyToManyField(
        "self", through="JobAfter", through_fields=("job", "before"), symmetrical=False, related_name="then",
        help_text="jobs that must succeed before this one may start",
    )  # fmt: skip
    request_key = models.UUIDField(
        null=True, unique=True, help_text="of the form that asked: sent twice, it is one job"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, help_text="start of the current attempt")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="job_name_once_a_project")]
        indexes = [
            models.Index(fields=["queue", "-priority", "id"], condition=models.Q(status="queued"), name="job_queued"),
            models.Index(fields=["lease_until"], condition=models.Q(status="running"), name="job_lease"),
            models.Index(fields=["project", "-id"], name="job_of_project"),
            models.Index(fields=["queue", "finished_at"], name="job_ended"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.project.slug, self.name])

    @property
    def is_finished(self) -> bool:
        return self.status in self.FINISHED

    @property
    def is_stopping(self) -> bool:
        return self.status == self.Status.RUNNING and self.cancel_requested_at is not None

    @property
    def seconds(self) -> float | None:
        """How long the current attempt took, or has taken so far; None before it started."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def folder(self) -> Path:
        """Where all attempts keep their files."""
        return Path(settings.ARTIFACTS) / f"job-{self.pk}"


class JobAfter(models.Model):
    """`job` may start only when `before` has succeeded. It is always the younger, so nothing can wait in a ring."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="waits_for")
    # A predecessor that vanished would let through what waits for it.
    before = models.ForeignKey(Job, on_delete=models.RESTRICT, related_name="awaited_by")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "before"], name="waits_once"),
            models.CheckConstraint(condition=models.Q(before__lt=models.F("job")), name="waits_for_an_older_job"),
        ]

    def __str__(self) -> str:
        return f"{self.job} after {self.before}"


class Sweep(models.Model):
    """Runs that were asked for together and differ only in the settings that `varied` names."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sweeps")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    varied = models.JSONField(help_text="{setting: [values]}")
    request_key = models.UUIDField(null=True, unique=True, help_text="of the form that asked")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="sweep_name_once_a_project")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("sweep", args=[self.project.slug, self.name])


class JobLogLine(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    attempt = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8, default="info")
    text = models.TextField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"], name="log_of_job")]

    def __str__(self) -> str:
        return self.text


class Metric(models.Model):
    """One value of one curve. After a resume, a repeated step replaces the value of the attempt before."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=60, help_text="for example loss, held_out/accuracy, tokens_per_s")
    value = models.FloatField()
    attempt = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name", "step"], name="one_value_a_step")]

    def __str__(self) -> str:
        return f"{self.name}[{self.step}] = {self.value}"


class JobSample(models.Model):
    """What the model of a run wrote to one prompt at one step. A repeated step replaces what was there."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="samples")
    attempt = models.PositiveSmallIntegerField()
    step = models.PositiveIntegerField()
    prompt = models.TextField()
    prompt_hash = models.CharField(max_length=32, help_text="MD5 of the prompt, which may be too long for an index")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "step", "prompt_hash"], name="one_sample_a_step_and_prompt")
        ]

    def __str__(self) -> str:
        return f"{self.job} at step {self.step}"


class Worker(models.Model):
    """A worker process, as it says itself every few seconds. One that has not been heard of for a while is lost."""

    name = models.CharField(max_length=100, unique=True, help_text="as in Job.worker, before the process id")
    queues = models.JSONField(default=list)
    slots = models.PositiveSmallIntegerField(default=1, help_text="jobs at once")
    cores = models.PositiveIntegerField(default=0)
    memory = models.BigIntegerField(default=0, help_text="bytes of the machine")
    memory_used = models.BigIntegerField(default=0)
    gpus = models.JSONField(default=list, help_text="[{name, memory, used}], bytes")
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="when it said that it ends")

    def __str__(self) -> str:
        return self.name


class Dataset(models.Model):
    """A frozen version of training data: Parquet files that never change, and the recipe that made them."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="datasets")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="dataset")
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    recipe = models.JSONField()
    path = models.CharField(max_length=400, help_text="a folder, relative to ARTIFACTS")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 over the rows in order")
    rows = models.JSONField(help_text="rows by split: {train: n, held_out: m}")
    card = models.JSONField(default=dict, help_text="the funnel, balances and warnings, as counted when frozen")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name", "version"], name="dataset_version_once")]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name}-v{self.version}"

    def get_absolute_url(self) -> str:
        return reverse("dataset", args=[self.project.slug, self.name, self.version])

    @property
    def folder(self) -> Path:
        return Path(settings.ARTIFACTS) / self.path


class ModelVersion(models.Model):
    """A model that can be sampled from, judged with or trained further."""

    class Role(models.TextChoices):
        POLICY = "policy"
        REWARD = "reward"
        JUDGE = "judge"

    class Format(models.TextChoices):
        PACKAGED = "packaged", "weights inside a Python package"
        FULL = "full", "a folder of safetensors"
        ADAPTER = "adapter", "a LoRA adapter on top of its parent"
        OUTPUTS = "outputs", "no weights: its responses came from a file"

    class Stage(models.TextChoices):
        NONE = "", "none"
        CANDIDATE = "candidate"
        CHAMPION = "champion", "champion: the best of its role so far"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=12, choices=Role)
    format = models.CharField(max_length=12, choices=Format)
    path = models.CharField(max_length=400, help_text="a folder relative to ARTIFACTS, or the package's name")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    dataset = models.ForeignKey(Dataset, null=True, on_delete=models.PROTECT, related_name="models")
    job = models.OneToOneField(Job, null=True, on_delete=models.PROTECT, related_name="model_version")
    config = models.JSONField(default=dict, help_text="the parameters it was trained with")
    metrics = models.JSONField(default=dict, help_text="{name: {value, low, high, n}} on held-out data")
    manifest = models.JSONField(default=dict, help_text="SHA-256 and size of each file")
    code_version = models.CharField(max_length=60, blank=True)
    stage = models.CharField(max_length=12, choices=Stage, default=Stage.NONE, blank=True)
    tags = models.JSONField(default=list, blank=True, help_text="words to find it by")
    notes = models.TextField(blank=True, help_text="what people wrote about it")
    archived_at = models.DateTimeField(null=True, blank=True, help_text="set: left out of lists and choices")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="model_name_once_a_project"),
            models.UniqueConstraint(
                fields=["project", "role"], condition=models.Q(stage="champion"), name="one_champion_a_role"
            ),
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("model", args=[self.project.slug, self.name])

    @property
    def folder(self) -> Path:
        return Path(settings.ARTIFACTS) / self.path

    @property
    def has_weights(self) -> bool:
        return self.format != self.Format.OUTPUTS


class ModelCard(models.Model):
    """A model's card as people edited it. Append-only: an edit is the next version; without any it is written anew."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="cards")
    number = models.PositiveIntegerField()
    text = models.TextField(help_text="Markdown with YAML at its head")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="card_version_once")]

    def __str__(self) -> str:
        return f"card {self.number} of {self.model}"
