"""What the leaderboard keeps, so that it need not read every verdict to show who wins.

Counts of battles per prompt, which prompts have changed since, and the boards that were worked out from the counts.
Triggers of the database write ChangedPrompt (migration 0004), so no way of writing a vote or a verdict can pass them
by. Ids are kept without foreign keys: what they name may be deleted, and the next count takes that away.
"""

from django.db import models

from accounts.models import Project


class TallyVoice(models.Model):
    """Who decides battles, as a number."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind", "name"], name="voice_once_a_project")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Tally(models.Model):
    """How often one voice gave one outcome for two models on one prompt. `first` is the model with the lower id."""

    voice = models.ForeignKey(TallyVoice, on_delete=models.CASCADE, related_name="+")
    prompt = models.BigIntegerField()
    first = models.BigIntegerField()
    second = models.BigIntegerField()
    outcome = models.FloatField(help_text="1 first wins, 0 second wins, 0.5 tie")
    n = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["prompt"], name="tally_of_prompt")]

    def __str__(self) -> str:
        return f"{self.n} of {self.first} against {self.second}: {self.outcome}"


class ChangedPrompt(models.Model):
    """A prompt whose battles are to be counted again. Append-only, so that writers never wait for each other."""

    project = models.BigIntegerField(db_column="project_id", db_index=True)
    prompt = models.BigIntegerField(db_column="prompt_id")

    def __str__(self) -> str:
        return f"prompt {self.prompt}"


class Stamp(models.Model):
    """What the counts cover: everything that was written before `counted_at` and is in no ChangedPrompt."""

    project = models.OneToOneField(Project, primary_key=True, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.project}, {self.version}"


class KeptBoard(models.Model):
    """The boards of one slice, worked out from the counts of one version."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    slice = models.CharField(max_length=200)
    version = models.BigIntegerField()
    models_hash = models.CharField(max_length=64, help_text="names, parents and datasets of the project's models")
    counts_hash = models.CharField(max_length=64, help_text="of the counts it was worked out from")
    boards = models.JSONField()
    seconds = models.FloatField(help_text="what it took")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slice"], name="boards_once_a_slice")]

    def __str__(self) -> str:
        return f"boards of {self.project}, {self.slice or 'all'}"
