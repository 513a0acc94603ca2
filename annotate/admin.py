"""Prompts and tasks, for administrators: correct a prompt, release a flagged task."""

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from annotate.models import Prompt, SimulatedAnnotator, Task


@admin.register(Prompt)
class PromptAdmin(admin.ModelAdmin):
    list_display = ["key", "project", "lang", "text"]
    list_filter = ["project", "lang"]
    search_fields = ["key"]


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    list_display = ["id", "project", "kind", "prompt", "wanted", "claimed", "answered", "priority", "flagged"]
    list_filter = ["flagged", "project", "kind"]
    list_editable = ["flagged", "priority"]
    readonly_fields = ["project", "kind", "prompt", "claimed", "answered", "place"]
    list_select_related = ["project", "prompt"]

    def save_model(self, request: HttpRequest, obj: Task, form: ModelForm, change: bool) -> None:
        # Raters claim and answer meanwhile: the counts that this page was shown with must not be written back.
        obj.save(update_fields=form.changed_data)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(SimulatedAnnotator)
class SimulatedAnnotatorAdmin(admin.ModelAdmin):
    list_display = ["user", "preference", "noise", "position_bias"]
    list_select_related = ["user"]
