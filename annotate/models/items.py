"""What there is to judge: prompts, their pictures, and what models wrote for them."""

from django.db import models
from pgvector.django import VectorField

from accounts.models import Project
from registry.models import Job, ModelVersion


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
