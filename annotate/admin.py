"""Prompts, tasks and endpoints, for administrators: correct a prompt, hold a task, name an endpoint."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm, URLField
from django.http import HttpRequest

from annotate.chat.replies import endpoint_problems
from annotate.models import ChatEndpoint, Prompt, SimulatedAnnotator, Task


@admin.register(Prompt)
class PromptAdmin(admin.ModelAdmin):
    list_display = ["key", "project", "lang", "text"]
    list_filter = ["project", "lang"]
    search_fields = ["key"]
    readonly_fields = ["origin", "image"]

    def save_model(self, request: HttpRequest, obj: Prompt, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        Task.objects.filter(prompt=obj).exclude(lang=obj.lang).update(lang=obj.lang)  # the queue has a copy


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    list_display = ["id", "project", "kind", "prompt", "wanted", "claimed", "answered", "priority", "flagged"]
    list_filter = ["flagged", "project", "kind"]
    list_editable = ["flagged", "priority"]
    readonly_fields = ["project", "kind", "prompt", "claimed", "answered", "purpose", "lang"]
    fields = [*readonly_fields, "wanted", "ceiling", "priority", "skill", "criterion", "flagged"]
    list_select_related = ["project", "prompt"]

    def save_model(self, request: HttpRequest, obj: Task, form: ModelForm, change: bool) -> None:
        # Raters claim and answer meanwhile: the counts that this page was shown with must not be written back.
        changed = list(form.changed_data)
        if "priority" in changed:
            obj.place -= obj.priority - int(form.initial["priority"])
            changed.append("place")
        obj.save(update_fields=changed)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(SimulatedAnnotator)
class SimulatedAnnotatorAdmin(admin.ModelAdmin):
    list_display = ["user", "preference", "noise", "position_bias"]
    list_select_related = ["user"]


class ChatEndpointForm(ModelForm):
    base_url = URLField(assume_scheme="https", help_text="up to and with /v1")

    class Meta:
        model = ChatEndpoint
        fields = ["project", "name", "base_url", "model", "key_variable"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        problems = endpoint_problems(
            base_url=str(given.get("base_url", "")), key_variable=str(given.get("key_variable", ""))
        )
        for name, problem in problems.items():
            if name in given:
                self.add_error(name, problem)
        return given


@admin.register(ChatEndpoint)
class ChatEndpointAdmin(admin.ModelAdmin):
    form = ChatEndpointForm
    list_display = ["name", "project", "base_url", "model", "key_variable"]
    list_filter = ["project"]
    list_select_related = ["project"]
