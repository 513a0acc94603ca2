"""Every URL of the site, by app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("registry.urls")),
    path("", include("annotate.urls")),
    path("", include("curate.urls")),
    path("", include("exchange.urls")),
    path("", include("evaluate.urls")),
]
