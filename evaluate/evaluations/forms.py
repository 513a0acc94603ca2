"""What a person says of an evaluation before it starts."""

from typing import Any

from django import forms
from django.core.validators import validate_slug
from django.utils.text import slugify

from accounts.models import Project
from evaluate.models import Evaluation
from registry.models import Dataset, ModelVersion
from registry.specs import Decoding

TAKEN = (
    "name", "tag", "reward_model", "judge_model", "criterion", "hidden_preference", "raters", "batch", "target",
)  # fmt: skip
MOST_MODELS = 40
HIDDEN = ("concise", "bulleted", "polite")


class EvaluationForm(forms.Form):
    """Fields by name; `evaluation()` and `models` are what came of them."""

    name = forms.CharField(max_length=60)
    models = forms.MultipleChoiceField(error_messages={"required": "Choose at least two models."})
    dataset = forms.ChoiceField(required=False)
    split = forms.ChoiceField(
        choices=[("held_out", "held out"), ("train", "training"), ("all", "both")], required=False
    )
    tag = forms.CharField(max_length=40, required=False)
    max_new_tokens = forms.IntegerField(min_value=1, max_value=4096)
    temperature = forms.FloatField(min_value=0, max_value=2)
    reward_model = forms.ChoiceField(required=False)
    judge_model = forms.ChoiceField(required=False)
    criterion = forms.CharField(max_length=500, required=False)
    hidden_preference = forms.ChoiceField(choices=[("", "none"), *((one, one) for one in HIDDEN)], required=False)
    raters = forms.IntegerField(min_value=0, max_value=20)
    batch = forms.IntegerField(min_value=1, max_value=100_000)
    target = forms.FloatField(min_value=0, max_value=1_000)

    INITIAL = {
        "split": "held_out", "max_new_tokens": 96, "temperature": 0.7, "raters": 0, "batch": 100, "target": 30,
    }  # fmt: skip

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        roles = ModelVersion.Role
        made = ModelVersion.objects.filter(project=project, archived_at=None).order_by("-pk")
        weights = made.exclude(format=ModelVersion.Format.OUTPUTS)
        self.fields["models"].choices = names(made.filter(role=roles.POLICY))  # type: ignore[attr-defined]
        datasets = [(str(one), str(one)) for one in Dataset.objects.filter(project=project).order_by("-pk")]
        self.fields["dataset"].choices = [("", "all prompts of the project"), *datasets]  # type: ignore[attr-defined]
        choices = {"reward_model": weights.filter(role=roles.REWARD), "judge_model": weights.filter(
            role__in=[roles.JUDGE, roles.POLICY]
        )}  # fmt: skip
        for field, found in choices.items():
            self.fields[field].choices = [("", "none"), *names(found)]  # type: ignore[attr-defined]
        self.datasets = {str(one): one for one in Dataset.objects.filter(project=project)}

    def clean_name(self) -> str:
        name = slugify(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("Give it a name with letters or digits.")
        validate_slug(name)
        if Evaluation.objects.filter(project=self.project, name=name).exists():
            raise forms.ValidationError(f"There is an evaluation {name} already. Choose another name.")
        return name

    def clean_models(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["models"]
        if not 2 <= len(chosen) <= MOST_MODELS:
            raise forms.ValidationError(f"Choose 2 to {MOST_MODELS} models. Chosen: {len(chosen)}.")
        return chosen

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        judges = any(data.get(name) for name in ("reward_model", "judge_model", "hidden_preference"))
        if not judges and not data.get("raters"):
            raise forms.ValidationError("Nobody judges. Choose a judge, or let people answer.")
        if judges and not self.errors and all(one.format == "outputs" for one in self.chosen()):
            raise forms.ValidationError(
                "All these answers came from files, and judge runs read only those of sample runs. Let people judge."
            )
        return data

    def chosen(self) -> list[ModelVersion]:
        """In the order of the registry, oldest first."""
        names = self.cleaned_data.get("models", [])
        return list(ModelVersion.objects.filter(project=self.project, role="policy", name__in=names).order_by("pk"))

    def evaluation(self) -> Evaluation:
        """Not stored yet."""
        data = self.cleaned_data
        decoding = Decoding(
            name="evaluation", temperature=data["temperature"], max_new_tokens=data["max_new_tokens"]
        )  # fmt: skip
        return Evaluation(
            project=self.project, dataset=self.datasets.get(data["dataset"]), split=data["split"] or "held_out",
            decoding=decoding.model_dump(mode="json"),
            **{name: data[name] for name in TAKEN},
        )  # fmt: skip


def names(found: Any) -> list[tuple[str, str]]:
    return [(name, name) for name in found.values_list("name", flat=True)]
