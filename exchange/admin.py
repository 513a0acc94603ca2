"""Exports from the Django admin: of chosen datasets, and of all answers of chosen projects.

Each act queues a job with pseudonyms; the files are on the project's page Export. Accounts and the registry come before
this app, so their admins get the acts here.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import ProjectAdmin
from accounts.models import Project, User
from exchange.exports import kept
from exchange.exports.consent import WithdrawnError
from exchange.exports.errors import ExportError
from registry.models import Dataset
from registry.specs import ExportSpec, SpecError


def ask(model_admin: Any, request: HttpRequest, project: Project, spec: ExportSpec) -> None:
    assert isinstance(request.user, User)
    try:
        job = kept.request(project, spec, request.user)
    except WithdrawnError as error:
        page = reverse("export", args=[project.slug]) + "?" + urlencode({"source": f"dataset:{spec.dataset}"})
        told = format_html('{} <a href="{}">Choose that on the page Export.</a>', error, page)
        model_admin.message_user(request, told, messages.ERROR)
        return
    except (ExportError, SpecError) as error:
        model_admin.message_user(request, f"{project}: {error}", messages.ERROR)
        return
    page = format_html('<a href="{}">Export</a>', reverse("export", args=[project.slug]))
    model_admin.message_user(request, format_html("{} writes {}. The file will be on the page {} of {}.",
                                                  job.name, spec.title, page, project))  # fmt: skip


@admin.action(description="Export the full history (JSON Lines, gzip, pseudonyms)")
def export_history(model_admin: Any, request: HttpRequest, queryset: QuerySet[Project]) -> None:
    for project in queryset:
        ask(model_admin, request, project, ExportSpec(what="events", compress="gzip"))


@admin.action(description="Export the answers that stand (CSV, pseudonyms)")
def export_answers(model_admin: Any, request: HttpRequest, queryset: QuerySet[Project]) -> None:
    for project in queryset:
        ask(model_admin, request, project, ExportSpec(what="answers", file="csv"))


@admin.action(description="Export as they are (Parquet, pseudonyms)")
def export_plain(model_admin: Any, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
    for dataset in queryset.select_related("project"):
        ask(model_admin, request, dataset.project, ExportSpec(dataset=str(dataset), file="parquet", compress="zstd"))


@admin.action(description="Export for TRL, conversational (JSON Lines)")
def export_trl(model_admin: Any, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
    for dataset in queryset.select_related("project"):
        ask(model_admin, request, dataset.project, ExportSpec(dataset=str(dataset), format="trl"))


class ExportingProjectAdmin(ProjectAdmin):
    actions = [export_history, export_answers]


admin.site.unregister(Project)
admin.site.register(Project, ExportingProjectAdmin)


@admin.register(Dataset)
class DatasetAdmin(admin.ModelAdmin):
    """To read and to export: a frozen dataset never changes, and jobs make it."""

    list_display = ["__str__", "project", "created_at", "content_hash"]
    list_filter = ["project"]
    search_fields = ["name"]
    actions = [export_plain, export_trl]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        return False
