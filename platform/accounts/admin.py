"""People, projects, roles, and the audit log, for administrators."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import AuditEvent, Membership, Project, User


class MembershipInline(admin.TabularInline):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 1


@admin.register(User)
class PersonAdmin(UserAdmin):
    list_display = ["username", "first_name", "last_name", "is_active", "is_simulated", "is_staff", "last_login"]
    list_filter = ["is_active", "is_simulated", "is_staff", "is_superuser"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Palate", {"fields": ["languages", "is_simulated"]}))
    readonly_fields = ["is_simulated"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    """To read: nobody writes history, administrators included."""

    list_display = ["at", "project", "actor", "action", "target"]
    list_filter = ["action", "project"]
    search_fields = ["target", "actor__username"]
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False
