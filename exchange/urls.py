from django.urls import path

from exchange import import_views

urlpatterns = [
    path("p/<slug:slug>/import/", import_views.start, name="import"),
    path("p/<slug:slug>/import/<int:pk>/", import_views.check, name="import-check"),
    path("p/<slug:slug>/import/<int:pk>/report/", import_views.report, name="import-report"),
    path("p/<slug:slug>/import/<int:pk>/result/", import_views.result, name="import-result"),
    path("p/<slug:slug>/import/<int:pk>/discard/", import_views.discard, name="import-discard"),
    path("p/<slug:slug>/import-export/past/", import_views.past, name="exchange-past"),
]
