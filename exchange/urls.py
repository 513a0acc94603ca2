from django.urls import path

from exchange import api
from exchange.pages import exports as export_views
from exchange.pages import import_mappings as mapping_views
from exchange.pages import import_take_back as take_back_views
from exchange.pages import imports as import_views

urlpatterns = [
    path("p/<slug:slug>/export/", export_views.export, name="export"),
    path("p/<slug:slug>/export/<slug:name>/file/", export_views.download, name="export-file"),
    path("api/p/<slug:slug>/export/", api.at_once, name="api-export-now"),
    path("api/p/<slug:slug>/exports/", api.start, name="api-exports"),
    path("api/p/<slug:slug>/exports/<slug:name>/", api.state, name="api-export"),
    path("api/p/<slug:slug>/exports/<slug:name>/file/", api.download, name="api-export-file"),
    path("p/<slug:slug>/import/", import_views.start, name="import"),
    path("p/<slug:slug>/import/<int:pk>/", import_views.check, name="import-check"),
    path("p/<slug:slug>/import/<int:pk>/report/", import_views.report, name="import-report"),
    path("p/<slug:slug>/import/<int:pk>/result/", import_views.result, name="import-result"),
    path("p/<slug:slug>/import/<int:pk>/discard/", import_views.discard, name="import-discard"),
    path("p/<slug:slug>/import/<int:pk>/mapping/", mapping_views.on_page, name="import-mapping"),
    path("p/<slug:slug>/import-mappings/<int:pk>/yaml/", mapping_views.as_yaml, name="import-mapping-yaml"),
    path("p/<slug:slug>/import-mappings/<int:pk>/discard/", mapping_views.discard, name="import-mapping-discard"),
    path("p/<slug:slug>/imports/<int:pk>/take-back/", take_back_views.confirm, name="import-take-back"),
    path("p/<slug:slug>/import-export/past/", import_views.past, name="exchange-past"),
]
