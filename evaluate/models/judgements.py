"""What was compared, and what each judge said of it."""

from django.db import models

from accounts.models import Project
from annotate.models import Response
from registry.models import Job, ModelVersion


class Judgement(models.Model):
    """One judge's verdict on two responses to the same prompt.

    Models are not named here but reached through the responses, so a verdict can always be walked back to the
    texts. `first` was shown first where the judge reads both at once; a scorer has no order and says so.
    """

    class Judge(models.TextChoices):
        REWARD_MODEL = "reward_model"
        JUDGE_MODEL = "judge_model"
        HIDDEN_PREFERENCE = "hidden_preference"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judgements")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="judgements")
    judge_kind = models.CharField(max_length=20, choices=Judge)
    judge_name = models.CharField(max_length=80, help_text="the model's or the preference's name")
    judge_model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="judgements")
    first = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="judged_first")
    second = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="judged_second")
    score_first = models.FloatField()
    score_second = models.FloatField()
    outcome = models.FloatField(help_text="1 first wins, 0 second wins, 0.5 tie")
    readings = models.JSONField(
        default=dict,
        help_text="of a judge that reads: {given, swapped: {probabilities of A, B, C; mass; text}}, as it said them",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "judge_name", "first", "second"], name="one_verdict_a_job"),
        ]
        indexes = [models.Index(fields=["project", "judge_kind"], name="verdicts_of_judge")]

    def __str__(self) -> str:
        return f"{self.judge_name}: {self.outcome}"
