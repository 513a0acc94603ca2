"""Prompts and tasks, for administrators: correct a prompt, release a flagged task."""

from django.contrib import admin

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
    readonly_fields = ["project", "kind", "prompt", "claimed", "answered", "shuffle"]
    list_select_related = ["project", "prompt"]


@admin.register(SimulatedAnnotator)
class SimulatedAnnotatorAdmin(admin.ModelAdmin):
    list_display = ["user", "preference", "noise", "position_bias"]
    list_select_related = ["user"]
