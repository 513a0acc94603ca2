"""The page on which a talk is begun; it goes on at the desk, where chats are answered."""

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from pydantic import ValidationError

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import first_problem
from annotate.kinds.chat import ChatOptions
from annotate.playground import talks
from annotate.services import Refused
from registry.models import ModelVersion

LISTED = 50


class TalkForm(forms.Form):
    first: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        None, to_field_name="name", empty_label=None, label="Model"
    )
    second: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        None, to_field_name="name", empty_label=None, label="Beside"
    )
    system = forms.CharField(
        required=False, max_length=4_000, label="System prompt", widget=forms.Textarea({"rows": 3})
    )
    temperature = forms.FloatField(min_value=0, max_value=2, initial=0.8, label="Temperature of the first")
    other_temperature = forms.FloatField(min_value=0, max_value=2, initial=0.8, label="Temperature of the second")
    top_p = forms.FloatField(min_value=0.01, max_value=1, initial=0.95, label="top_p")
    max_new_tokens = forms.IntegerField(min_value=1, max_value=4096, initial=256, label="Tokens an answer, at most")

    def __init__(self, project: Project, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for name in ("first", "second"):
            self.fields[name].queryset = talks.talkers(project)  # type: ignore[attr-defined]

    def options(self) -> ChatOptions:
        """Raises ValidationError of pydantic where the two answers could not differ."""
        asked = self.cleaned_data
        return ChatOptions(
            models=list(dict.fromkeys([asked["first"].name, asked["second"].name])), endpoints=[],
            system=asked["system"], temperatures=[asked["temperature"], asked["other_temperature"]],
            top_p=asked["top_p"], max_new_tokens=asked["max_new_tokens"], max_turns=30,
        )  # fmt: skip


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def playground(request: MemberRequest, project: Project) -> HttpResponseBase:
    chosen = request.GET.get("model", "")
    form = TalkForm(project, request.POST or None, initial={"first": chosen} if chosen else None)
    if request.method == "POST" and form.is_valid():
        try:
            talks.begin(project, request.user, form.options())
        except ValidationError as error:
            form.add_error(None, first_problem(error))
        except Refused as error:
            form.add_error(None, str(error))
        else:
            return redirect("annotate", slug=project.slug)
    context = {
        "project": project, "form": form, "any": talks.talkers(project).exists(),
        "talks": talks.talks_of(project, request.user)[:LISTED],
    }  # fmt: skip
    return render(request, "annotate/playground.html", context, status=422 if form.errors else 200)


@require_POST
@project_view(can_research)
def go_on(request: MemberRequest, project: Project, talk: int) -> HttpResponseBase:
    """404 for talks of others."""
    own = get_object_or_404(talks.talks_of(project, request.user), pk=talk)
    try:
        talks.go_on(project, request.user, own)
    except Refused as error:
        messages.error(request, str(error))
        return redirect("playground", slug=project.slug)
    return redirect("annotate", slug=project.slug)
