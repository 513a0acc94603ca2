"""What judges said of cases that a biased one gets wrong, and what policies write to prompts that hardly differ."""

from django.db import models

from accounts.models import Project
from evaluate.models.judgements import Judgement
from registry.models import Job, ModelVersion


class CaseVerdict(models.Model):
    """What a judge said of one case of a bias benchmark, in the order in which it was given and swapped.

    The case is kept as it was asked, so that a run still says what it measured when the case set has changed.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="case_verdicts")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="case_verdicts")
    judge_kind = models.CharField(max_length=20, choices=Judgement.Judge)
    judge_name = models.CharField(max_length=80)
    judge_model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="case_verdicts")
    case_type = models.CharField(max_length=80, help_text="a key of evaluate.benchmarks.cases, or voted:<tag>")
    case_key = models.CharField(max_length=200)
    group = models.CharField(max_length=200, blank=True, help_text="cases that say the same in other languages")
    lang = models.CharField(max_length=35, blank=True)
    case = models.JSONField(help_text="{prompt: messages, better, worse, why}, as asked")
    better_first = models.BooleanField(help_text="whether the better one came first in the order given")
    given = models.FloatField(null=True, help_text="1 the better, 0 the worse, 0.5 a tie; null: no verdict to be read")
    swapped = models.FloatField(null=True, help_text="the same with the two exchanged; null too without order")
    readings = models.JSONField(
        default=dict, help_text="{given, swapped: {probabilities, mass, text}}, or {scores: [better, worse]}"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "case_type", "case_key"], name="one_verdict_a_case"),
        ]
        indexes = [models.Index(fields=["project", "job", "case_type"], name="cases_of_run")]

    def __str__(self) -> str:
        return f"{self.judge_name} on {self.case_key}: {self.given}, {self.swapped}"


class ContrastedPair(models.Model):
    """What a policy writes to two prompts that differ in one attribute: as it is, and each against the other."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="contrasted_pairs")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="contrasted_pairs")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="contrasted_pairs")
    key = models.CharField(max_length=200)
    attribute = models.CharField(max_length=40)
    values = models.JSONField(help_text="the two values of the attribute")
    prompts = models.JSONField(help_text="the two prompts, as texts")
    strength = models.FloatField(help_text="lambda: how much the difference counts")
    plain = models.JSONField(help_text="the likeliest continuation of each prompt")
    contrasted = models.JSONField(help_text="the continuation of each prompt that the other makes less likely")
    gaps = models.JSONField(help_text="log p(contrasted | own prompt) - log p(contrasted | other), nats a token")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "key", "strength"], name="one_contrast_a_pair")]

    def __str__(self) -> str:
        return f"{self.key} at {self.strength}"
