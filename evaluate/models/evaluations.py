"""Models that are compared on the same prompts, by people and by judges, as one plan."""

from django.conf import settings
from django.db import models
from django.urls import reverse

from accounts.models import Project
from annotate.models import Task
from registry.models import Dataset, Job, ModelVersion


class Evaluation(models.Model):
    """A set of models on a prompt set, and who judges. What was done for it hangs on it: samples, judge runs, tasks."""

    class Split(models.TextChoices):
        HELD_OUT = "held_out"
        TRAIN = "train"
        ALL = "all"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="evaluations")
    name = models.SlugField(max_length=60)
    dataset = models.ForeignKey(Dataset, null=True, on_delete=models.PROTECT, related_name="evaluations")
    split = models.CharField(max_length=10, choices=Split, default=Split.HELD_OUT)
    tag = models.CharField(max_length=40, blank=True, help_text="only prompts that carry it")
    decoding = models.JSONField(help_text="one setting of the job `sample`, the same for all models")
    reward_model = models.CharField(max_length=80, blank=True)
    judge_model = models.CharField(max_length=80, blank=True)
    criterion = models.CharField(max_length=500, blank=True)
    hidden_preference = models.CharField(max_length=40, blank=True)
    raters = models.PositiveSmallIntegerField(default=0, help_text="people a battle; 0 asks nobody")
    batch = models.PositiveIntegerField(default=100, help_text="battles that are planned at once")
    target = models.FloatField(default=0, help_text="stop where every 95% interval is within so many points; 0: never")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="evaluation_once_a_project")]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("evaluation", args=[self.project.slug, self.name])

    @property
    def has_judge(self) -> bool:
        return bool(self.reward_model or self.judge_model or self.hidden_preference)


class Entrant(models.Model):
    """A model that takes part; `sample` is the run whose answers count, empty for answers that came from a file."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="entrants")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    sample = models.ForeignKey(Job, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["evaluation", "model"], name="model_once_an_evaluation")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.model} in {self.evaluation}"


class JudgeRun(models.Model):
    """A judge run that belongs to an evaluation: two entrants on all prompts."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="judge_runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="judge_run")
    first = models.ForeignKey(Entrant, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Entrant, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.job} of {self.evaluation}"


class AskedTask(models.Model):
    """A task that people answer for an evaluation."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="asked")
    task = models.OneToOneField(Task, on_delete=models.CASCADE, related_name="asked_for")
    first = models.ForeignKey(Entrant, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Entrant, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.task} of {self.evaluation}"
